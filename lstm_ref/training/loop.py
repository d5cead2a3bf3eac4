"""The training loop: batches in their order, epoch after epoch, one update of the weights at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lstm_ref.errors import UsageError
from lstm_ref.params import FloatArray
from lstm_ref.training.losses import Loss, Target
from lstm_ref.training.model import Differentiated, Model, State, differentiate
from lstm_ref.training.optimizers import Optimizer

Batch: TypeAlias = tuple[FloatArray, Target]
"""x (B, T, D) and what the loss takes for its target."""
Differentiate: TypeAlias = Callable[[Model, FloatArray, Target, Loss, State | None], Differentiated]
Clip: TypeAlias = Callable[[Mapping[str, FloatArray]], dict[str, FloatArray]]


@dataclass(frozen=True, eq=False, slots=True)
class Update:
    """One update of the weights.

    Attributes
    ----------
    number : int
        Counted from 1, over all epochs.
    epoch : int
        Counted from 1.
    loss : float
        Before the update, on what it was made of.
    model : Model
        After the update.
    """

    number: int
    epoch: int
    loss: float
    model: Model


def train(
    model: Model,
    batches: Sequence[Batch],
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int = 1,
    truncate: int | None = None,
    stateful: bool = False,
    state: State | None = None,
    clip: Clip | None = None,
    differentiate: Differentiate = differentiate,
) -> Iterator[Update]:
    """Train a model; each update is made when it is asked for, so that whoever iterates can show progress, or stop.

    Parameters
    ----------
    model : Model
        It is not changed; each update has the new one.
    batches : sequence of (x, target)
        x is (B, T, D), the target what the loss takes. Gone through in this order in each epoch.
    loss : callable
        One of `lstm_ref.training`'s.
    optimizer : SGD, Adam, or what has their `step`
    epochs : int
        How many times to go through the batches.
    truncate : int, optional
        Truncated backpropagation through time: sequences are cut into pieces of so many steps, of which each makes an update
        of its own. Pieces hand their final state on, and no gradient goes back over a cut. When not given, there is one update
        for each batch, with the gradient of all its steps.
    stateful : bool
        Whether a batch begins with the state that the one before it ended with, as with Keras's ``stateful``. An epoch
        begins with `state` anew.
    state : pair of arrays (B, H), optional
        The h and c that sequences begin with; zeros when not given.
    clip : callable, optional
        `ClipByNorm` or `ClipByValue`: what becomes of gradients before the optimizer sees them.
    differentiate : callable, optional
        What gives losses and gradients: any LSTM that is to be trained by this loop.

    Yields
    ------
    Update

    Raises
    ------
    UsageError, ShapeError, DTypeError
    """
    for name, value in (("epochs", epochs), ("truncate", truncate)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise UsageError(f"{name} is {value!r}, expected a whole number, 1 or more.")
    if not isinstance(batches, Sequence) or not batches:
        raise UsageError(f"batches is {type(batches).__name__} {batches!r:.60}, expected a list of pairs (x, target).")
    if strangers := [n for n, batch in enumerate(batches) if not isinstance(batch, tuple | list) or len(batch) != 2]:
        raise UsageError(
            f"batches[{strangers[0]}] is no pair. Give a list of pairs (x, target); of one batch, [(x, target)]."
        )
    if truncate is not None and model.head is not None and model.head.last_step:
        raise UsageError(
            "truncate cuts sequences into pieces that each have targets, and this head reads the last step alone. "
            "Leave truncate out, or use Dense(..., last_step=False)."
        )

    def updates() -> Iterator[Update]:
        current, number, memory = model, 0, None
        for epoch in range(1, epochs + 1):
            carried = state
            for x, target in batches:
                if not stateful:
                    carried = state
                for piece_x, piece_target in pieces(x, target, truncate):
                    found = differentiate(current, piece_x, piece_target, loss, carried)
                    carried = found.state
                    gradients = found.gradients if clip is None else clip(found.gradients)
                    weights, memory = optimizer.step(current.weights, gradients, memory)
                    current = current.with_weights(weights)
                    number += 1
                    yield Update(number, epoch, found.loss, current)

    return updates()


def pieces(x: FloatArray, target: Target, truncate: int | None) -> list[Batch]:
    """A batch cut into pieces of so many steps, in their order; the last one may be shorter."""
    if truncate is None:
        return [(x, target)]
    return [(x[:, t : t + truncate], target[:, t : t + truncate]) for t in range(0, x.shape[1], truncate)]
