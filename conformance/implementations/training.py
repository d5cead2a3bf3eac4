"""What training in a framework is made of, and the loop over its steps.

`lstm_ref.training` has a loop of its own: expected losses come of nothing that is on trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from lstm_ref.errors import UnsupportedError
from lstm_ref.options import Options
from lstm_ref.params import FloatArray
from lstm_ref.training import Adam, Differentiated, Model, Update
from lstm_ref.training.loop import Batch
from lstm_ref.training.losses import Target
from lstm_ref.training.model import State

NEGLIGIBLE = 1e-20
"""An epsilon of Adam up to this makes no difference wherever it is added: roots of second moments are larger, or exactly 0."""
IDENTITY_OUTPUT = Options(output_activation="linear")
"""h' = o ⊙ c'. No framework's layer has this: it is built of the framework's own operations."""


class Trainer(Protocol):
    """A model in a framework, with its loss and its optimizer, all of them the framework's own."""

    @property
    def model(self) -> Model:
        """The model as it is now."""
        ...

    def load(self, weights: Mapping[str, FloatArray]) -> None:
        """Give the model other weights, named as the model's; the optimizer keeps what it remembers."""
        ...

    def differentiate(self, x: FloatArray, target: Target, state: State | None) -> Differentiated:
        """The loss of a batch and its gradients; nothing is changed."""
        ...

    def step(self, x: FloatArray, target: Target, state: State | None) -> tuple[float, State]:
        """Update the weights by a batch: the loss before, and the state after its last step."""
        ...


def trained(
    trainer: Trainer,
    batches: Sequence[Batch],
    *,
    epochs: int = 1,
    truncate: int | None = None,
    stateful: bool = False,
    state: State | None = None,
) -> Iterator[Update]:
    """Train; arguments and what is given are those of `lstm_ref.training.train`."""
    number, carried = 0, state
    for epoch in range(epochs):
        for first, (x, target) in enumerate(batches):
            if first == 0 or not stateful:
                carried = state
            T = x.shape[1]
            length = truncate or T
            for start in range(0, T, length):
                piece = slice(start, start + length)
                y = target if truncate is None else target[:, piece]
                loss, carried = trainer.step(x[:, piece], y, carried)
                number += 1
                yield Update(number, epoch + 1, loss, trainer.model)


def require_known(model: Model, optimizer: object, framework: str, uncorrected: bool) -> None:
    """Raise what a framework cannot do.

    Parameters
    ----------
    model : Model
    optimizer : SGD or Adam
    framework : str
    uncorrected : bool
        Whether the framework's Adam adds epsilon before the bias correction.

    Raises
    ------
    UnsupportedError
    """
    if model.options not in (Options(), IDENTITY_OUTPUT) or not model.params.plain_cell or model.params.bias is None:
        raise UnsupportedError(
            f"{framework} is asked to train plain layers with a bias alone, and those whose output activation is linear."
        )
    if isinstance(optimizer, Adam) and optimizer.epsilon_uncorrected != uncorrected and optimizer.epsilon > NEGLIGIBLE:
        raise UnsupportedError(
            f"{framework}'s Adam adds epsilon {'before' if uncorrected else 'after'} the bias correction. "
            f"Use epsilon_uncorrected={uncorrected}, or an epsilon that makes no difference, up to {NEGLIGIBLE:g}."
        )
