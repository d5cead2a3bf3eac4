"""A quick look at every layout that shares its matrices: which gate orders and biases could be right.

Where the output of every step is known, each step starts from the recorded h, so that units do not
depend on each other and a few of them are enough. Where only the last one is known, all units of one
sample run from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.stacks import Matrices, Stack
from lstm_ref.params import FloatArray

Rows = npt.NDArray[np.intp]
"""Layouts, (N, 5): the bias, its order, the kernel's order, the recurrent kernel's, what is added to the forget gate's."""

ORDERS: Rows = np.array(list(permutations(range(4))), dtype=np.intp)
"""For the gates i, f, c, o: which block is whose."""

NEAR = 0.01
"""Whoever errs by more than this share of the recorded numbers is not looked at again."""
KEPT, GLANCED_AT = 8, 128
"""If fewer are near, so many of the nearest are looked at nevertheless; and where one number was compared, so many."""
CHUNK = 1 << 18
"""So many numbers of each gate are worked on at once."""
OVERHEAD = 10_000
"""What a choice takes beside its layouts, in layouts."""


def _sigmoid(z: FloatArray) -> FloatArray:
    result: FloatArray = 1.0 / (1.0 + np.exp(-z))
    return result


def _tanh(z: FloatArray) -> FloatArray:
    return np.tanh(z)


@dataclass(frozen=True)
class Cell:
    """The functions of a step: c' = gate(z_f) c + gate(z_i) candidate(z_c), h' = gate(z_o) squash(c').

    Attributes
    ----------
    words : str
        What departs from an LSTM; empty for one.
    gate, candidate, squash : callable
    """

    words: str = ""
    gate: Callable[[FloatArray], FloatArray] = _sigmoid
    candidate: Callable[[FloatArray], FloatArray] = _tanh
    squash: Callable[[FloatArray], FloatArray] = _tanh

    def step(self, z: Sequence[FloatArray] | FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The next h and c; z is one array for each of the gates i, f, c, o."""
        z_i, z_f, z_c, z_o = z
        c = self.gate(z_f) * c + self.gate(z_i) * self.candidate(z_c)
        return self.gate(z_o) * self.squash(c), c


@dataclass(frozen=True, eq=False)
class Choice:
    """Matrices, and the biases that may go with them; the first is none."""

    matrices: Matrices
    biases: list[Stack]

    @property
    def count(self) -> int:
        """How many layouts there are."""
        return self._starts * self._rests

    @property
    def _starts(self) -> int:
        stacks, orders = len(self.biases), len(ORDERS)
        return orders * (1 + orders * (stacks - 1) if self.matrices.kernel.split else stacks)

    @property
    def _rests(self) -> int:
        return 2 * (len(ORDERS) if self.matrices.independent else 1)

    def work(self, reading: Reading) -> int:
        """What it takes to look at them, in layouts of which every step is known."""
        if reading.steps is not None:
            return OVERHEAD + (self._starts if reading.from_zero else self.count)
        _, T, _, H = reading.sizes
        return OVERHEAD + self.count * max(1, T * H * (100 + H) // 1000)  # as measured

    def starts(self) -> Rows:
        """Every bias with every order of the kernel; the recurrent order is the kernel's, and nothing is added."""
        orders = len(ORDERS)
        bias, order, kernel = np.indices((len(self.biases), orders, orders)).reshape(3, -1)
        # without arrays for each gate there is one order for all; and no bias has no order
        rows = (order == 0) | (bias > 0) if self.matrices.kernel.split else order == kernel
        every: Rows = np.stack([bias, order, kernel, kernel, np.zeros_like(bias)], axis=1)[rows]
        return every

    def with_the_rest(self, rows: Rows) -> Rows:
        """Each of them with every recurrent order, if these are independent, and with and without a forget bias."""
        every = np.repeat(rows, self._rests, axis=0)
        order, every[:, 4] = np.divmod(np.arange(len(every)) % self._rests, 2)
        if self.matrices.independent:
            every[:, 3] = order
        return every

    def nearest(self, reading: Reading, cell: Cell, tolerance: float) -> tuple[Rows, FloatArray]:
        """The layouts that could be right, or are the nearest, and about how far off they are."""

        def sieved(rows: Rows, samples: int, steps: int, units: int, rest: bool = False) -> tuple[Rows, FloatArray]:
            at_least = GLANCED_AT if reading.steps is not None and units == 1 else KEPT
            size = max(1, CHUNK // (samples * min(units, H) * (self._rests if rest else 1)))
            found = []
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                part = self.with_the_rest(part) if rest else part
                error = self._errors(part, reading, cell, tolerance, (samples, steps, units))
                near = _near(error, at_least)
                found.append((part[near], error[near]))
            rows, error = (np.concatenate(parts) for parts in zip(*found, strict=True))
            near = _near(error, at_least)
            return rows[near], error[near]

        _, T, _, H = reading.sizes
        rows = self.starts()
        if reading.steps is None:
            return sieved(rows, 1, T, H, rest=True)
        if reading.from_zero:  # then the first step does not use what is not in `starts`
            rows, _ = sieved(rows, 1, 1, 1)
        rows, _ = sieved(rows, 1, 2 if reading.from_zero else 1, 1, rest=True)
        return sieved(rows, 4, 4, 8)

    def _errors(
        self, rows: Rows, reading: Reading, cell: Cell, tolerance: float, compared: tuple[int, int, int]
    ) -> FloatArray:
        """How far off layouts are, (N,), in some samples, steps and units, as a share of what is recorded."""
        samples, steps, some = compared
        short = reading.first(samples, steps)
        B, T, _, H = short.sizes
        units = np.unique(np.linspace(0, H - 1, min(some, H)).astype(np.intp))
        U = len(units)
        kernel, recurrent = (each.values[..., units] for each in (self.matrices.kernel, self.matrices.recurrent))
        from_x = (short.x @ kernel[:, None]).astype(np.float32)  # (4, B, T, U)
        recurrent = np.concatenate([*recurrent], axis=1).astype(np.float32)  # (H, 4U)
        biases = np.stack([bias.values for bias in self.biases])[..., units].astype(np.float32)
        bias, *orders, forget = rows.T
        of_bias, of_kernel, of_recurrent = (ORDERS.T[:, order] for order in orders)  # (4, N)

        h: FloatArray = short.h0[None].astype(np.float32)  # (1, B, H), or (N, B, H) where it is each layout's own
        c: FloatArray = short.c0[None, :, units].astype(np.float32)
        error = np.zeros(len(rows))

        def compare(actual: FloatArray, expected: FloatArray, name: str) -> None:
            scale = reading.scale(name)
            largest = max(float(np.abs(expected).max()), 1e-3 * scale, 4 * tolerance * scale / NEAR)
            np.maximum(error, np.abs(actual - expected).max(axis=(1, 2)) / largest, out=error)

        for t in range(T):
            from_h = (h.reshape(-1, H) @ recurrent).reshape(len(h), B, 4, U).swapaxes(1, 2)
            own = np.arange(len(h)) if len(h) > 1 else 0
            z = [
                from_x[of_kernel[k], :, t] + from_h[own, of_recurrent[k]] + biases[bias, of_bias[k], None]
                for k in range(4)
            ]
            z[1] += forget[:, None, None].astype(np.float32)
            h, c = cell.step(z, c)
            if short.steps is not None:
                compare(h, short.steps[:, t, units], "output" if "output" in reading.known else "h")
                h = short.steps[None, :, t].astype(np.float32)
        if short.steps is None:
            ends = {"output": h, "h": h, "c": c}
            for name, known in short.known.items():
                compare(ends[name], known, name)
        return np.where(np.isnan(error), np.inf, error)


def _near(errors: FloatArray, at_least: int) -> Rows:
    """Those that are near; if they are too few, the nearest."""
    near = np.flatnonzero(errors <= NEAR)
    return near if len(near) >= at_least else np.argsort(errors)[:at_least]
