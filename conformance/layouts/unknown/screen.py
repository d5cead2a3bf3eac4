"""A quick look at every layout that shares its matrices: which gate orders and biases could be right.

Where the output of every step is known, each step starts from the recorded h, so that units do not
depend on each other and a few of them are enough. Where only the last one is known, all units of one
sample run from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.layouts.unknown.biases import Biases
from conformance.layouts.unknown.cells import Cell
from conformance.layouts.unknown.options import ORDERS, Indices, Options, join, kernels_with_biases
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.roles import Matrices
from lstm_ref.params import FloatArray

Errors = Callable[[Options], tuple[Indices, FloatArray]]
"""Options to the rows that are near and how far off they are."""

NEAR = 0.01
"""Whoever errs by more than this share of the recorded numbers is not looked at again."""
KEPT = 8
"""Of layouts that are all wrong, so many of the nearest are looked at nevertheless."""
CHUNK = 1 << 17
"""Layouts worked on at once, where only the last step is known."""
FEW = 4096
"""Of more layouts than these at once, one number is looked at after another; of fewer, all of a step together."""

LAST_IS_CANDIDATE = [0, 1, 3, 2]
"""The gates i, f, o, c, so that those of one function lie side by side."""


def layouts(matrices: Matrices, biases: Biases) -> int:
    """How many layouts share these matrices."""
    return _starts(matrices, biases) * _rests(matrices)


def work(reading: Reading, matrices: Matrices, biases: Biases) -> int:
    """What it takes to look at them, in layouts of which every step is known."""
    if _in_two_stages(reading):
        return _starts(matrices, biases)
    _, T, _, H = reading.sizes
    whole_run = 1 if reading.steps is not None else max(1, T * H * (100 + H) // 1000)  # as measured
    return layouts(matrices, biases) * whole_run


def first_stage(reading: Reading, matrices: Matrices, biases: Biases) -> object:
    """What the first look depends on."""
    if not _in_two_stages(reading):
        return matrices
    return matrices.kernel.names, matrices.kernel.form, matrices.joined, biases


def _in_two_stages(reading: Reading) -> bool:
    """Whether the recurrent kernel and the forget gate do not matter at the first step, and that step is known."""
    return reading.from_zero and reading.steps is not None


def _starts(matrices: Matrices, biases: Biases) -> int:
    stacked = len(biases.conventions)
    return len(ORDERS) * (len(biases.rows) + (1 + len(ORDERS) * (stacked - 1) if matrices.kernel.split else stacked))


def _rests(matrices: Matrices) -> int:
    return 2 * (len(ORDERS) if matrices.independent else 1)


class Screen:
    """Looks at layouts of one reading.

    Parameters
    ----------
    reading : Reading
    cell : Cell
    tolerance : float
    many : bool
        Whether there are so many that most of them should be dropped for the first number that is off.
    """

    def __init__(self, reading: Reading, cell: Cell, tolerance: float, many: bool) -> None:
        self.reading, self.cell, self.tolerance = reading, cell, tolerance
        self._together = 8 * FEW if many else FEW
        self._first: dict[object, Options] = {}

    def __call__(self, matrices: Matrices, biases: Biases) -> tuple[Options, FloatArray]:
        """Those that could be right, or are the nearest, and about how far off they are."""
        options = kernels_with_biases(matrices, biases)
        if self.reading.steps is None:
            return _in_parts(options, CHUNK, self._last_step(matrices, biases), matrices.independent)
        if _in_two_stages(self.reading):
            key = first_stage(self.reading, matrices, biases)
            if key not in self._first:
                errors = self._every_step(matrices, biases, 1)
                self._first[key], _ = _in_parts(options, self._together, errors)
            options = self._first[key]
        return _in_parts(options, self._together, self._every_step(matrices, biases, 4), matrices.independent)

    def _every_step(self, matrices: Matrices, biases: Biases, steps: int) -> Errors:
        reading, cell = self.reading, self.cell
        output = reading.steps
        assert output is not None
        B, T, _, H = reading.sizes
        samples, units = _spread(B, 4), _spread(H, 8)
        steps = min(T, steps)
        target = output[samples, :steps][..., units]
        c0 = reading.c0[samples][:, units]
        scale = reading.scale("output" if "output" in reading.known else "h")
        largest = np.maximum(np.abs(target).max(axis=(0, 2)), 1e-3 * scale)
        near = np.maximum(NEAR * largest, 4 * self.tolerance * scale)

        before = np.concatenate([reading.h0[:, None], output], axis=1)[samples, :steps]
        kernel, recurrent = matrices.values
        from_x = reading.x[samples, :steps] @ kernel[:, None, :, units]  # (4, S, T, U)
        from_h = before @ recurrent[:, None, :, units]
        z = from_x[:, None] + from_h if matrices.independent else (from_x + from_h)[:, None]
        z = z[:, :, None] + biases.table[:, None, None, units]  # (4 kernel blocks, recurrent ones, biases, S, T, U)
        _, others, vectors = z.shape[:3]
        gates, candidates = _by_step(cell.gate(np.stack([z, z + 1.0]))), _by_step(cell.candidate(z))
        plain = candidates[0].shape[1]  # behind so many columns, the gates have 1 added
        targets = _by_step(target)

        def errors(options: Options) -> tuple[Indices, FloatArray]:
            recurrent = options.recurrent if matrices.independent else 0
            which = ((options.kernel * others + recurrent) * vectors + options.bias).T.copy()
            which[1] += plain * options.forget
            rows = np.arange(len(options))
            c = np.broadcast_to(c0.reshape(-1, 1).astype(np.float32), (c0.size, len(rows)))
            worst = np.zeros(len(rows))
            for t in range(steps):
                done: list[FloatArray] = []
                start = 0
                while start < len(c):
                    stop = start + 1 if len(rows) > FEW else len(c)
                    i, f, o = (gates[t][start:stop].take(which[g], axis=1) for g in (0, 1, 3))
                    now = f * c[start:stop] + i * candidates[t][start:stop].take(which[2], axis=1)
                    error = np.abs(o * cell.squash(now) - targets[t][start:stop]).max(axis=0)
                    worst = np.maximum(worst, NEAR * error / near[t])
                    keep = _near(worst)
                    done = [each[:, keep] for each in (*done, now)]
                    rows, which, c, worst, start = rows[keep], which[:, keep], c[:, keep], worst[keep], stop
                c = np.concatenate(done)
            return rows, worst

        return errors

    def _last_step(self, matrices: Matrices, biases: Biases) -> Errors:
        kernel, recurrent = (blocks.astype(np.float32) for blocks in matrices.values)
        table = biases.table.astype(np.float32)
        from_x = self.reading.x[0].astype(np.float32) @ kernel  # (4, T, H)

        def errors(options: Options) -> tuple[Indices, FloatArray]:
            orders, group = np.unique(np.hstack([options.kernel, options.recurrent]), axis=0, return_inverse=True)
            error = np.empty(len(options))
            for number, order in enumerate(orders):
                rows = np.flatnonzero(group.ravel() == number)
                by_x, by_h = order[LAST_IS_CANDIDATE], order[4:][LAST_IS_CANDIDATE]
                bias = table[options.bias[rows]]  # (N, 4, H)
                bias[:, 1] += options.forget[rows, None]
                bias = bias[:, LAST_IS_CANDIDATE].reshape(len(rows), -1)
                x_part, h_part = (np.concatenate(list(part), axis=1) for part in (from_x[by_x], recurrent[by_h]))
                error[rows] = self._off_at_the_end(x_part, h_part, bias)
            keep = _near(error)
            return keep, error[keep]

        return errors

    def _off_at_the_end(self, from_x: FloatArray, recurrent: FloatArray, bias: FloatArray) -> FloatArray:
        """The first sample's error; (T, 4H), (H, 4H) and (N, 4H) with the gates i, f, o, c."""
        reading, cell = self.reading, self.cell
        H = len(recurrent)
        h: FloatArray = np.repeat(reading.h0[:1].astype(np.float32), len(bias), axis=0)
        c: FloatArray = np.repeat(reading.c0[:1].astype(np.float32), len(bias), axis=0)
        for of_x in from_x:
            z = h @ recurrent
            z += of_x
            z += bias
            gates = cell.gate(z[:, : 3 * H])
            c = gates[:, H : 2 * H] * c + gates[:, :H] * cell.candidate(z[:, 3 * H :])
            h = gates[:, 2 * H :] * cell.squash(c)
        ends = {"output": h, "h": h, "c": c}
        off = [
            np.abs(ends[name] - known[0]).max(axis=1) / (max(NEAR, 4 * self.tolerance) * reading.scale(name))
            for name, known in reading.known.items()
        ]
        return NEAR * np.asarray(np.max(off, axis=0))


def _by_step(values: FloatArray) -> list[FloatArray]:
    """Of (..., S, T, U), for each step: a row for each sample and unit, a column for each of the rest."""
    T, numbers = values.shape[-2], values.shape[-3] * values.shape[-1]
    steps = (values[..., t, :].reshape(-1, numbers) for t in range(T))
    return [np.ascontiguousarray(step.T, dtype=np.float32) for step in steps]


def _spread(length: int, count: int) -> Indices:
    """At most so many indices, from the first to the last."""
    return np.unique(np.linspace(0, length - 1, min(length, count)).astype(np.intp))


def _in_parts(
    options: Options, together: int, errors: Errors, independent: bool | None = None
) -> tuple[Options, FloatArray]:
    """The nearest of the options; unless `independent` is None, each with what `Options.with_the_rest` adds."""
    rests = 1 if independent is None else 2 * (len(ORDERS) if independent else 1)
    size = max(1, together // rests)
    kept, worst = [], []
    for start in range(0, len(options), size):
        part = options[start : start + size]
        if independent is not None:
            part = part.with_the_rest(independent)
        rows, error = errors(part)
        kept.append(part[rows])
        worst.append(error)
    joined, error = join(kept), np.concatenate(worst)
    near = _near(error)
    return joined[near], error[near]


def _near(errors: FloatArray) -> Indices:
    """Those that are near; if they are fewer than a handful, the nearest."""
    errors = np.where(np.isnan(errors), np.inf, errors)
    near = np.flatnonzero(errors <= NEAR)
    if len(near) >= KEPT or len(errors) <= KEPT:
        return near if len(near) >= KEPT else np.arange(len(errors))
    return np.argpartition(errors, KEPT)[:KEPT]
