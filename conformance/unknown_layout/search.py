"""Every layout that the shapes allow, looked at quickly; the nearest run in full; those that load the same, as one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from conformance.errors import LayoutError
from conformance.layout import Layout
from conformance.unknown_layout.biases import Biases, biases
from conformance.unknown_layout.cells import LSTM, Cell
from conformance.unknown_layout.forms import Arrays
from conformance.unknown_layout.hypothesis import Four, Hypothesis
from conformance.unknown_layout.options import Indices, Options
from conformance.unknown_layout.python import code
from conformance.unknown_layout.recording import Reading
from conformance.unknown_layout.roles import Matrices, expected_shapes, looks_like, matrices
from conformance.unknown_layout.screen import Screen, first_stage, layouts, work
from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray

MOST = 45_000_000
"""More layouts than these are not looked at: it would take longer than anybody wants to wait."""
MANY = 3_000_000
"""Of more layouts than these, most are dropped for the first number that is off."""
MOST_CHOICES = 5000
"""The same of choices of matrices."""
IN_FULL = 400
"""At most so many layouts are run in full."""
FULL_WORK = 2e9
"""Multiplications in all full runs together, and a fraction of them in the largest one, at most."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Weights that a layout gives, and how well they reproduce the known run.

    Attributes
    ----------
    error : float
        The worst error as a share of the largest known number of its kind.
    good_steps : int
        So many steps from the first on are within the tolerance; 0 if their outputs are not known.
    params : LSTMParams
    ways : tuple of Hypothesis
        The layout, and others that load the same weights from these arrays.
    """

    error: float
    good_steps: int
    params: LSTMParams
    ways: tuple[Hypothesis, ...]

    @property
    def layout(self) -> Layout | None:
        """What `conformance.Layout` can say of it, if it can."""
        return self.ways[0].layout()

    @property
    def code(self) -> str:
        """Python that makes `lstm_ref.LSTMParams` of a mapping ``arrays``."""
        return code(self.ways[0])


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything to be looked at.

    Attributes
    ----------
    readings : tuple of Reading
    choices : tuple of (int, Matrices, Biases)
        The reading's number, and what goes with it.
    work : int
        What it takes to look at all of them, in layouts.
    """

    readings: tuple[Reading, ...]
    choices: tuple[tuple[int, Matrices, Biases], ...]
    work: int

    @property
    def count(self) -> int:
        """How many layouts there are."""
        return sum(layouts(matrices, biases) for _, matrices, biases in self.choices)

    def on(self, readings: Iterable[Reading]) -> Plan:
        """The same with the readings changed."""
        return replace(self, readings=tuple(readings))


def plan(arrays: Arrays, readings: list[Reading]) -> Plan:
    """Every choice of matrices and biases for every reading.

    Raises
    ------
    LayoutError
        If there is none, or there are too many.
    """
    choices = []
    tables: dict[object, Biases] = {}
    stages: set[object] = set()
    effort = 0
    for number, reading in enumerate(readings):
        _, _, D, H = reading.sizes
        for each in matrices(arrays, D, H):
            left = tuple(name for name in arrays if name not in each.names)
            key = (H, left, each.interleaved)
            if key not in tables:
                tables[key] = biases({name: arrays[name] for name in left}, H, each.interleaved)
            choices.append((number, each, tables[key]))
            stage = (number, first_stage(reading, each, tables[key]))
            effort += 0 if stage in stages else work(reading, each, tables[key])
            stages.add(stage)
            if effort > MOST or len(choices) > MOST_CHOICES:
                raise LayoutError(
                    f"too many layouts fit the shapes of these {len(arrays)} arrays. Name those of one layer with "
                    "--weights, or record the output of every step from a zero state, which takes the least work."
                )
    if not choices:
        raise LayoutError(_nothing_fits(arrays, readings))
    return Plan(tuple(readings), tuple(choices), effort)


def _nothing_fits(arrays: Arrays, readings: list[Reading]) -> str:
    shown = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:12])
    shown += " and so on" if len(arrays) > 12 else ""
    _, _, D, H = readings[0].sizes
    text = f"no two arrays have the shapes of a kernel and a recurrent kernel: {shown or 'there are no arrays'}."
    other = looks_like(arrays, D, H)
    return f"{text} They look like {other}." if other else f"{text} {expected_shapes(D, H)}."


def search(plan: Plan, tolerance: float, cell: Cell = LSTM) -> list[Fit]:
    """The nearest layouts, best first; those within the tolerance that load the same weights are one."""
    screens = [Screen(reading, cell, tolerance, plan.work > MANY) for reading in plan.readings]
    near: list[tuple[float, int, Hypothesis]] = []
    for number, each, table in plan.choices:
        options, errors = screens[number](each, table)
        nearest = np.argsort(errors)[:IN_FULL]
        reading = plan.readings[number]
        near += [(float(errors[row]), number, _hypothesis(reading, each, table, options, row)) for row in nearest]
    near.sort(key=lambda item: item[0])
    short = [reading.short(FULL_WORK / 12) for reading in plan.readings]
    count = int(np.clip(FULL_WORK / max(reading.work for reading in short), 12, IN_FULL))
    fits: dict[object, Fit] = {}
    for _, number, hypothesis in near[:count]:
        params = hypothesis.params()
        mark = fingerprint(params)
        fit = fits.get((mark, number))
        if fit is None:
            fit = Fit(*_error(params, short[number], cell, tolerance), params, ())
        fits[mark, number] = replace(fit, ways=tuple(sorted((*fit.ways, hypothesis), key=lambda way: way.rank)))
    return sorted(fits.values(), key=lambda fit: (fit.error, fit.ways[0].rank))


def _hypothesis(reading: Reading, matrices: Matrices, biases: Biases, options: Options, row: int) -> Hypothesis:
    kernel, recurrent, bias = (_four(array[row]) for array in (options.kernel, options.recurrent, options.bias))
    first = 4 * len(biases.conventions)
    forget = bool(options.forget[row])
    if bias[0] >= first:
        dealt = tuple(biases.gates[index - first] for index in bias)
        return Hypothesis(reading, matrices, kernel, recurrent, dealt, kernel, forget)
    convention = biases.conventions[bias[0] // 4]
    blocks = _four(options.bias[row] % 4)
    return Hypothesis(reading, matrices, kernel, recurrent, convention, blocks, forget)


def _four(numbers: Indices) -> Four:
    a, b, c, d = map(int, numbers)
    return a, b, c, d


def fingerprint(params: LSTMParams) -> bytes:
    """Equal for equal weights."""
    digest = hashlib.blake2b()
    bias = np.zeros(4 * params.hidden_size) if params.bias is None else params.bias
    for array in (params.kernel, params.recurrent_kernel, bias):
        digest.update((array.astype(np.float64) + 0.0).tobytes())  # -0.0 becomes 0.0
    return digest.digest()


def _error(params: LSTMParams, reading: Reading, cell: Cell, tolerance: float) -> tuple[float, int]:
    """The worst error as a share of what is known, and how many steps are right."""
    output, c = run(params, reading, cell)
    actual = {"output": output, "h": output[:, -1], "c": c}
    worst = 0.0
    for name, known in reading.known.items():
        mine = actual["h"] if known.ndim == 2 and name == "output" else actual[name]
        error = float(np.abs(mine - known).max()) / reading.scale(name)
        worst = max(worst, error) if np.isfinite(error) else np.inf
    good = 0
    if reading.steps is not None:
        errors = np.abs(output - reading.steps).max(axis=(0, 2))
        wrong = np.flatnonzero(~(errors <= tolerance * (float(np.abs(reading.steps).max()) or 1.0)))
        good = int(wrong[0]) if len(wrong) else len(errors)
    return worst, good


def run(params: LSTMParams, reading: Reading, cell: Cell) -> tuple[FloatArray, FloatArray]:
    """The output of every step, (B, T, H), and the last c, (B, H), in float64."""
    kernel, recurrent = params.kernel.astype(np.float64), params.recurrent_kernel.astype(np.float64)
    z_of_x = reading.x @ kernel + (0.0 if params.bias is None else params.bias.astype(np.float64))
    h, c, outputs = reading.h0, reading.c0, []
    for t in range(reading.x.shape[1]):
        i, f, g, o = np.split(z_of_x[:, t] + h @ recurrent, 4, axis=1)
        c = cell.gate(f) * c + cell.gate(i) * cell.candidate(g)
        h = cell.gate(o) * cell.squash(c)
        outputs.append(h)
    return np.stack(outputs, axis=1), c
