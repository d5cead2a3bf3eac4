"""What LSTMs are trained on: five small tasks, as people set them who write an LSTM of their own.

All numbers that training begins with are multiples of 2**-20 below 16, or coarser: float32 holds them exactly, and they are
the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from conformance.cases.draw import Draw
from lstm_ref import LSTMParams, Options
from lstm_ref.params import FloatArray
from lstm_ref.training import (
    SGD,
    Adam,
    Dense,
    Model,
    cross_entropy,
    first_unit_squared_error,
    half_squared_error,
    mean_squared_error,
)
from lstm_ref.training.loop import Batch
from lstm_ref.training.losses import Loss
from lstm_ref.training.model import State

GRID = 2.0**20
NO_EPSILON = 1e-30
"""Adam's epsilon, as good as none: PyTorch and Keras add it in different places, and so go apart with any other."""
MEANS: tuple[Loss, ...] = (mean_squared_error, cross_entropy)


@dataclass(frozen=True, eq=False)
class Task:
    """A model, data, a loss and an optimizer.

    Attributes
    ----------
    name, title : str
    model : Model
        With its initial weights, in float64.
    batches : tuple of (x, target)
    loss : callable
        One of `lstm_ref.training`'s.
    optimizer : SGD or Adam
    epochs : int
    state : pair of arrays (B, H), optional
        What sequences begin with; zeros if not given.
    published : dict
        Epoch to the loss that somebody's NumPy program reached on this task, with other initial weights.
    """

    name: str
    title: str
    model: Model
    batches: tuple[Batch, ...]
    loss: Loss
    optimizer: SGD | Adam
    epochs: int
    state: State | None = None
    published: dict[int, float] = field(default_factory=dict)

    @property
    def updates(self) -> int:
        """How many updates of the weights there are in all epochs."""
        return self.epochs * len(self.batches)

    def epochs_of(self, updates: int) -> int:
        """How many epochs have at least so many updates."""
        return -(-updates // len(self.batches))

    def astype(self, dtype: npt.DTypeLike) -> Task:
        """The same task in a dtype, with arrays of its own; exact, as all numbers lie on float32's grid."""

        def converted(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return array.astype(array.dtype if np.issubdtype(array.dtype, np.integer) else dtype)

        batches = tuple((x.astype(dtype), converted(target)) for x, target in self.batches)
        state = None if self.state is None else (self.state[0].astype(dtype), self.state[1].astype(dtype))
        return replace(self, model=self.model.astype(dtype), batches=batches, state=state)

    def by_epoch(self, losses: npt.ArrayLike) -> FloatArray:
        """The loss of each whole epoch: the mean of its updates' losses, or their sum where the loss is a sum itself."""
        curve = np.asarray(losses)
        whole = len(curve) // len(self.batches)
        rows = curve[: whole * len(self.batches)].reshape(whole, len(self.batches))
        return np.asarray(rows.mean(axis=1) if self.loss in MEANS else rows.sum(axis=1))

    def evaluated(self, model: Model) -> float:
        """The loss of all batches with given weights, as that of an epoch."""
        return float(self.by_epoch([self.loss(model.predict(x, self.state), y)[0] for x, y in self.batches])[0])


def on_grid(array: npt.ArrayLike) -> FloatArray:
    """The nearest multiples of 2**-20."""
    return np.asarray(np.round(np.multiply(array, GRID)) / GRID)


def glorot(draw: Draw, rows: int, columns: int) -> FloatArray:
    """Glorot's uniform initialisation."""
    return on_grid(draw.uniform((6 / (rows + columns)) ** 0.5, rows, columns))


def orthogonal(draw: Draw, H: int) -> FloatArray:
    """A recurrent kernel (H, 4H) with orthonormal rows, none likelier than another."""
    q, r = np.linalg.qr(draw.normal(1.0, 4 * H, H))
    return on_grid((q * np.sign(np.diag(r))).T)


def initial(draw: Draw, D: int, H: int) -> LSTMParams:
    """New weights as Keras has them: Glorot's, orthogonal, and a bias of 1 for the forget gate."""
    return LSTMParams(glorot(draw, D, 4 * H), orthogonal(draw, H), np.repeat([0.0, 1.0, 0.0, 0.0], H))


@cache
def sine() -> Task:
    """The next value of a sine wave: 100 points of two periods, in windows of 25."""
    draw, wave = Draw("task sine"), on_grid(np.sin(np.linspace(0.0, 4.0 * np.pi, 100)))
    batches = tuple((wave[t : t + 25].reshape(1, 25, 1), wave[t + 25].reshape(1, 1)) for t in range(75))
    model = Model(initial(draw, 1, 32), Dense(glorot(draw, 32, 1), np.zeros(1), last_step=True))
    optimizer = Adam(1e-4, 0.99, 0.9999, NO_EPSILON)
    published = {10: 2.32, 200: 0.1398}
    return Task(
        "sine", "the next value of a sine wave", model, batches, half_squared_error, optimizer, 200, None, published
    )


@cache
def counting() -> Task:
    """The number that follows six others, of 1 to 10."""
    draw, numbers = Draw("task counting"), np.arange(1.0, 11.0)
    batches = tuple((numbers[t : t + 6].reshape(1, 6, 1), numbers[t + 6].reshape(1, 1)) for t in range(4))
    model = Model(initial(draw, 1, 8), Dense(glorot(draw, 8, 1), np.zeros(1), last_step=True))
    published = {1: 69.1, 900: 0.11}
    return Task(
        "counting", "the number that comes next", model, batches, mean_squared_error, SGD(0.01), 1000, None, published
    )


@cache
def vectors() -> Task:
    """Four random vectors to four numbers, read from the first hidden unit, of a cell without tanh on its way out."""
    draw, D, H = Draw("task vectors"), 50, 100
    x = on_grid(draw.uniform(0.5, 1, 4, D) + 0.5)
    target = on_grid([[-0.5, 0.2, 0.1, -0.5]])
    params = LSTMParams(*(on_grid(draw.uniform(0.1, *shape)) for shape in ((D, 4 * H), (H, 4 * H), (4 * H,))))
    model = Model(params, options=Options(output_activation="linear"))
    published = {1: 0.737, 250: 1e-4}
    title = "four vectors to four numbers"
    return Task("vectors", title, model, ((x, target),), first_unit_squared_error, SGD(0.1), 250, None, published)


@cache
def classification() -> Task:
    """At each step, which of three features has been largest so far in sum; the data are feature-major."""
    draw, D, B, T, H = Draw("task classification"), 3, 8, 12, 10
    features = on_grid(draw.uniform(1.0, D, B, T))
    classes = features.cumsum(axis=2).argmax(axis=0)
    x = np.ascontiguousarray(features.transpose(1, 2, 0))
    batches = tuple((x[rows], classes[rows]) for rows in (slice(0, 4), slice(4, 8)))
    model = Model(initial(draw, D, H), Dense(glorot(draw, H, D), np.zeros(D)))
    title = "which feature's sum is the largest"
    return Task("classification", title, model, batches, cross_entropy, SGD(0.2, 0.9), 100)


@cache
def cell() -> Task:
    """One step of gradient descent on one cell with an output layer, from given weights."""
    params = LSTMParams(
        kernel=np.array([[4, -2, 7, 1, -5, 3, 6, -1], [-3, 5, 2, -6, 1, 4, -7, 2]]) / 8,
        recurrent_kernel=np.array([[1, 6, -4, 3, 2, -7, 5, -2], [5, -1, 3, 7, -6, 2, -3, 4]]) / 8,
        bias=np.array([1, -1, 8, 7, 2, -2, -1, 3]) / 8,
    )
    model = Model(params, Dense(np.array([[6.0], [-5.0]]) / 8, np.array([0.125])))
    x, target = np.array([[[1.0, -0.5]]]), np.array([[[0.5]]])
    state = np.array([[0.25, -0.5]]), np.array([[0.5, 0.75]])
    return Task("cell", "one step on one cell", model, ((x, target),), half_squared_error, SGD(0.1), 1, state)


TASKS: dict[str, Callable[[], Task]] = {task.__name__: task for task in (sine, counting, vectors, classification, cell)}
"""Name to task."""
