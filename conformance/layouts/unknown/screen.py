"""A quick look at every layout that shares its matrices: which gate orders and biases could be right.

A layout is a row of five numbers: the bias, its order, the kernel's order, the recurrent kernel's, and what is
added to the forget gate's bias.

Where the output of every step is known, each step starts from the recorded h, so that units do not
depend on each other and a few of them are enough. Where only the last one is known, all units of one
sample run from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from conformance.layouts.unknown.cells import Cell
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.stacks import Matrices, Stack
from lstm_ref.params import FloatArray

Rows = npt.NDArray[np.intp]

ORDERS: Rows = np.array(list(permutations(range(4))), dtype=np.intp)
"""For the gates i, f, c, o: which block is whose."""

NEAR = 0.01
"""Whoever errs by more than this share of the recorded numbers is not looked at again."""
KEPT = 8
"""Of layouts that are all wrong, so many of the nearest are looked at nevertheless."""
CHUNK = 1 << 20
"""So many numbers are worked on at once."""
OVERHEAD = 10_000
"""What a choice takes beside its layouts, in layouts."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Matrices, and the biases that may go with them.

    Attributes
    ----------
    matrices : Matrices
    biases : list of Stack
    """

    matrices: Matrices
    biases: list[Stack]

    @property
    def count(self) -> int:
        """How many layouts there are."""
        return self._starts * 2 * (len(ORDERS) if self.matrices.independent else 1)

    @property
    def _starts(self) -> int:
        stacks = len(self.biases)
        return len(ORDERS) * (1 + len(ORDERS) * (stacks - 1) if self.matrices.kernel.split else stacks)

    def work(self, reading: Reading) -> int:
        """What it takes to look at them, in layouts of which every step is known."""
        if reading.steps is not None:
            return OVERHEAD + (self._starts if reading.from_zero else self.count)
        _, T, _, H = reading.sizes
        return OVERHEAD + self.count * max(1, T * H * (100 + H) // 1000)  # as measured

    def starts(self) -> Rows:
        """Every bias with every order of the kernel; the recurrent order is the kernel's, and nothing is added."""
        if not self.matrices.kernel.split:
            bias, kernel = np.indices((len(self.biases), len(ORDERS))).reshape(2, -1)
            return np.stack([bias, kernel, kernel, kernel, np.zeros_like(bias)], axis=1)
        bias, order, kernel = np.indices((len(self.biases), len(ORDERS), len(ORDERS))).reshape(3, -1)
        rows = np.stack([bias, order, kernel, kernel, np.zeros_like(bias)], axis=1)
        return rows[(bias > 0) | (order == 0)]  # no bias has no order

    def with_the_rest(self, rows: Rows) -> Rows:
        """Each of them with every recurrent order, if these are independent, and with and without a forget bias."""
        orders = len(ORDERS) if self.matrices.independent else 1
        every = np.repeat(rows, 2 * orders, axis=0)
        every[:, 4] = np.arange(len(every)) % 2
        if orders > 1:
            every[:, 3] = np.arange(len(every)) // 2 % orders
        return every


class Look:
    """Compares some of a recorded run with what layouts give.

    Parameters
    ----------
    choice : Choice
    reading : Reading
    cell : Cell
    tolerance : float
    samples, steps, units : int
        So many of each, at most; all steps and units where the output of every step is not known.
    """

    def __init__(
        self, choice: Choice, reading: Reading, cell: Cell, tolerance: float, samples: int, steps: int, units: int
    ) -> None:
        self.cell, self.reading, self.tolerance = cell, reading, tolerance
        self.short = reading.first(samples, steps)
        H = reading.sizes[3]
        self.units = np.unique(np.linspace(0, H - 1, min(units, H)).astype(np.intp))
        matrices = choice.matrices
        kernel, recurrent = (each.values[..., self.units] for each in (matrices.kernel, matrices.recurrent))
        self.from_x = (self.short.x @ kernel[:, None]).astype(np.float32)  # (4, B, T, U)
        self.recurrent = np.concatenate([*recurrent], axis=1).astype(np.float32)  # (H, 4U)
        self.biases = np.stack([bias.values for bias in choice.biases])[..., self.units].astype(np.float32)
        self.together = CHUNK // (len(self.short.x) * len(self.units))

    def __call__(self, rows: Rows) -> FloatArray:
        """How far off layouts are, about, as a share of what is recorded; (N,)."""
        bias = rows[:, 0]
        of_bias, of_kernel, of_recurrent = (ORDERS[rows[:, column]].T for column in (1, 2, 3))
        short, units = self.short, self.units
        B, T, _, H = short.sizes
        h: FloatArray = short.h0[None].astype(np.float32)  # (1, B, H), or (N, B, H) where it is each layout's own
        c: FloatArray = np.broadcast_to(short.c0[:, units].astype(np.float32), (len(rows), B, len(units)))
        error = np.zeros(len(rows))
        for t in range(T):
            from_h = (h.reshape(-1, H) @ self.recurrent).reshape(len(h), B, 4, len(units)).swapaxes(1, 2)
            own = np.arange(len(h)) if len(h) > 1 else 0
            z = [
                self.from_x[of_kernel[gate], :, t]
                + from_h[own, of_recurrent[gate]]
                + self.biases[bias, of_bias[gate]][:, None]
                for gate in range(4)
            ]
            z[1] += rows[:, 4, None, None].astype(np.float32)
            actual, c = self.cell.step(z, c)
            h = actual
            if short.steps is not None:
                error = np.maximum(error, self._error(actual, short.steps[:, t, units], "output"))
                h = short.steps[None, :, t].astype(np.float32)
        if short.steps is None:
            ends = {"output": actual, "h": actual, "c": c}
            errors = [self._error(ends[name], known, name) for name, known in short.known.items()]
            error = np.max(errors, axis=0)
        return np.where(np.isnan(error), np.inf, error)

    def _error(self, actual: FloatArray, expected: FloatArray, name: str) -> FloatArray:
        """The worst of each layout's (B, U), as a share of the largest; less where the tolerance is wide."""
        scale = self.reading.scale(name if name in self.reading.known else "h")
        share = max(float(np.abs(expected).max()), 1e-3 * scale, 4 * self.tolerance * scale / NEAR)
        error: FloatArray = np.abs(actual - expected).max(axis=(1, 2)) / share
        return error


def nearest(choice: Choice, reading: Reading, cell: Cell, tolerance: float) -> tuple[Rows, FloatArray]:
    """The layouts that could be right, or are the nearest, and about how far off they are."""

    def look(samples: int, steps: int, units: int) -> Look:
        return Look(choice, reading, cell, tolerance, samples, steps, units)

    _, T, _, H = reading.sizes
    rows = choice.starts()
    if reading.steps is None:
        return _sieved(rows, look(1, T, H), choice)
    if reading.from_zero:  # then the first step does not use what is not in `starts`
        rows, _ = _sieved(rows, look(1, 1, 1))
    rows, _ = _sieved(rows, look(1, 2 if reading.from_zero else 1, 1), choice)
    return _sieved(rows, look(4, 4, 8))


def _sieved(rows: Rows, look: Look, choice: Choice | None = None) -> tuple[Rows, FloatArray]:
    """The nearest, and how far off they are; of a choice, each with what `Choice.with_the_rest` adds."""
    size = max(1, look.together // (len(choice.with_the_rest(rows[:1])) if choice else 1))
    kept, found = [], []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        part = choice.with_the_rest(part) if choice else part
        errors = look(part)
        near = _near(errors)
        kept.append(part[near])
        found.append(errors[near])
    rows, errors = np.concatenate(kept), np.concatenate(found)
    near = _near(errors)
    return rows[near], errors[near]


def _near(errors: FloatArray) -> Rows:
    """Those that are near; if they are fewer than a handful, the nearest."""
    near = np.flatnonzero(errors <= NEAR)
    return near if len(near) >= KEPT else np.argsort(errors)[:KEPT]
