"""Every layout that the shapes allow, looked at quickly; the nearest run in full; those that load the same, as one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from conformance.layouts.layout import Layout
from conformance.layouts.unknown.biases import Biases
from conformance.layouts.unknown.cells import LSTM, Cell
from conformance.layouts.unknown.hypothesis import Four, Hypothesis
from conformance.layouts.unknown.options import Indices, Options
from conformance.layouts.unknown.plan import Plan
from conformance.layouts.unknown.python import code
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.roles import Matrices
from conformance.layouts.unknown.screen import Screen
from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray

MANY = 3_000_000
"""Of more layouts than these, most are dropped for the first number that is off."""
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
    compared : tuple of 2 int
        How many samples and steps were compared.
    params : LSTMParams
    ways : tuple of Hypothesis
        The layout, and others that load the same weights from these arrays.
    """

    error: float
    good_steps: int
    compared: tuple[int, int]
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


def search(plan: Plan, tolerance: float, cell: Cell = LSTM) -> list[Fit]:
    """The nearest layouts, best first; those within the tolerance that load the same weights are one."""
    with np.errstate(all="ignore"):  # what overflows is not near
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
        fits: dict[tuple[bytes, int], Fit] = {}
        for _, number, hypothesis in near[:count]:
            params = hypothesis.params()
            mark = fingerprint(params)
            fit = fits.get((mark, number))
            if fit is None:
                fit = fitted(params, short[number], cell, tolerance, ())
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
        digest.update(array.astype(np.float64).tobytes())
    return digest.digest()


def fitted(params: LSTMParams, reading: Reading, cell: Cell, tolerance: float, ways: tuple[Hypothesis, ...]) -> Fit:
    """Run weights, and compare with what is known."""
    output, c = _run(params, reading, cell)
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
    return Fit(worst, good, reading.sizes[:2], params, ways)


def _run(params: LSTMParams, reading: Reading, cell: Cell) -> tuple[FloatArray, FloatArray]:
    # the output of every step, (B, T, H), and the last c, (B, H), in float64
    kernel, recurrent = params.kernel.astype(np.float64), params.recurrent_kernel.astype(np.float64)
    z_of_x = reading.x @ kernel + (0.0 if params.bias is None else params.bias.astype(np.float64))
    h, c, outputs = reading.h0, reading.c0, []
    for t in range(reading.x.shape[1]):
        i, f, g, o = np.split(z_of_x[:, t] + h @ recurrent, 4, axis=1)
        c = cell.gate(f) * c + cell.gate(i) * cell.candidate(g)
        h = cell.gate(o) * cell.squash(c)
        outputs.append(h)
    return np.stack(outputs, axis=1), c
