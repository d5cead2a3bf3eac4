"""Every layout that the shapes allow, looked at quickly; the nearest run in full; those that load the same, as one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.errors import LayoutError
from conformance.layouts.layout import Layout
from conformance.layouts.unknown.hypothesis import Hypothesis
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.screen import ORDERS, Cell, Choice
from conformance.layouts.unknown.stacks import TooManyError, biases, matrices, traced
from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray

MOST = 80_000_000
"""More layouts than these are not looked at: it would take longer than anybody wants to wait."""
IN_FULL = 400
"""At most so many layouts are run in full."""
FULL_WORK = 2e9
"""Multiplications in all full runs together, and a fraction of them in the largest one, at most."""

LSTM = Cell()

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, eq=False)
class Fit:
    """Weights that a layout gives, and how well they reproduce the known run.

    Attributes
    ----------
    error : float
        The worst error as a share of the largest known number of its kind.
    compared : tuple of 2 int
        How many samples and steps were compared.
    params : LSTMParams
    ways : tuple of Hypothesis
        The layout, and others that load the same weights from these arrays.
    """

    error: float
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
        return self.ways[0].code()


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything to be looked at.

    Attributes
    ----------
    arrays : mapping
    choices : dict of Reading to list of Choice
    left_out : str
        What is not looked at since it would be too much, in words.
    """

    arrays: Arrays
    choices: dict[Reading, list[Choice]]
    left_out: str

    @property
    def count(self) -> int:
        """How many layouts there are."""
        return sum(choice.count for choices in self.choices.values() for choice in choices)

    @property
    def work(self) -> int:
        """What it takes to look at all of them, in layouts."""
        return sum(choice.work(reading) for reading, choices in self.choices.items() for choice in choices)

    def on(self, change: Callable[[Reading], Reading]) -> Plan:
        """The same with the readings changed."""
        return replace(self, choices={change(reading): choices for reading, choices in self.choices.items()})


def plan(arrays: Arrays, readings: list[Reading]) -> Plan:
    """Every choice of matrices and biases for every reading.

    Raises
    ------
    LayoutError
        If there is none, or there are too many.
    """
    remedy = (
        "Name the arrays of one layer with --weights, or record the output of every step from a zero state, "
        "which takes the least work."
    )
    choices: dict[Reading, list[Choice]] = {reading: [] for reading in readings}
    left_out = ""
    for split in (False, True):
        try:
            found = _choices(arrays, readings, split)
        except TooManyError:
            if not any(choices.values()):
                raise LayoutError(f"too many layouts fit the shapes of these {len(arrays)} arrays. {remedy}") from None
            left_out = f"So many arrays could be one gate's matrix each that this was not tried. {remedy}"
        else:
            choices = {reading: choices[reading] + found[reading] for reading in readings}
    if not any(choices.values()):
        raise LayoutError(_nothing_fits(arrays, *readings[0].sizes[2:]))
    return Plan(arrays, choices, left_out)


def _choices(arrays: Arrays, readings: list[Reading], split: bool) -> dict[Reading, list[Choice]]:
    """Those with a matrix for each gate, or the others."""
    every = traced(arrays)
    found: dict[Reading, list[Choice]] = {}
    work = 0
    for reading in readings:
        found[reading] = []
        _, _, D, H = reading.sizes
        for each in matrices(every, D, H, split):
            left = {name: array for name, array in every.items() if name not in each.names}
            choice = Choice(each, biases(left, H, each.kernel))
            found[reading].append(choice)
            work += choice.work(reading)
            if work > MOST:
                raise TooManyError
    return found


def _nothing_fits(arrays: Arrays, D: int, H: int) -> str:
    """What there is, and what it looks like or what is expected."""
    shown = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:12])
    shown += " and so on" if len(arrays) > 12 else ""
    text = f"no two arrays have the shapes of a kernel and a recurrent kernel: {shown or 'there are no arrays'}."
    shapes = {tuple(sorted(array.shape)) for array in arrays.values()}

    def stacked(rows: int) -> bool:
        return {tuple(sorted((rows, n))) for n in (D, H)} <= shapes

    if stacked(3 * H):
        return f"{text} They look like three blocks of H, which a GRU has."
    for rows in sorted(max(shape) for shape in shapes if len(shape) == 2):
        if rows > 4 * H and rows % 4 == 0 and stacked(rows):
            return f"{text} They look like an LSTM of {rows // 4} units with a projection to {H}."
    every = traced(arrays)
    if H % 2 == 0 and any(any(matrices(every, D, H // 2, split)) for split in (False, True)):
        half = f"an LSTM of {H // 2} units; of an output of two directions side by side, give one half"
        return f"{text} They look like {half}."
    return (
        f"{text} With D={D} and H={H} that is a kernel {(D, 4 * H)} or {(4 * H, D)} and a recurrent kernel "
        f"{(H, 4 * H)} or {(4 * H, H)}, or both in one, {(D + H, 4 * H)} or {(4 * H, D + H)}, or four of {(D, H)} or "
        f"{(H, D)} and four of {(H, H)}, or four of {(D + H, H)} or {(H, D + H)}."
    )


def search(plan: Plan, tolerance: float, cell: Cell = LSTM) -> list[Fit]:
    """The nearest layouts, best first; those within the tolerance that load the same weights are one."""
    with np.errstate(all="ignore"):  # what overflows is not near
        near: list[tuple[float, Hypothesis]] = []
        for reading, choices in plan.choices.items():
            for choice in choices:
                rows, errors = choice.nearest(reading, cell, tolerance)
                best = np.argsort(errors)[:IN_FULL]
                near += [
                    (float(errors[n]), _hypothesis(plan.arrays, reading, choice, [*map(int, rows[n])])) for n in best
                ]
        near.sort(key=lambda item: item[0])
        short = {reading: reading.short(FULL_WORK / 12) for reading in plan.choices}
        count = int(np.clip(FULL_WORK / max(reading.work for reading in short.values()), 12, IN_FULL))
        fits: dict[tuple[bytes, Reading], Fit] = {}
        for _, way in near[:count]:
            params = way.params()
            key = fingerprint(params), way.reading
            fit = fits.get(key) or fitted(params, short[way.reading], cell, ())
            fits[key] = replace(fit, ways=tuple(sorted((*fit.ways, way), key=lambda each: each.rank)))
        return sorted(fits.values(), key=lambda fit: (fit.error, fit.ways[0].rank))


def _hypothesis(arrays: Arrays, reading: Reading, choice: Choice, row: list[int]) -> Hypothesis:
    bias, *orders, forget = row
    of_bias, of_kernel, of_recurrent = (tuple(map(int, ORDERS[order])) for order in orders)
    stack = choice.biases[bias]
    return Hypothesis(arrays, reading, choice.matrices, stack, of_kernel, of_recurrent, of_bias, bool(forget))


def fingerprint(params: LSTMParams) -> bytes:
    """Equal for equal weights."""
    digest = hashlib.blake2b()
    bias = np.zeros(4 * params.hidden_size) if params.bias is None else params.bias
    for array in (params.kernel, params.recurrent_kernel, bias):
        digest.update(array.astype(np.float64).tobytes())
    return digest.digest()


def fitted(params: LSTMParams, reading: Reading, cell: Cell, ways: tuple[Hypothesis, ...]) -> Fit:
    """Run weights, and compare with what is known."""
    output, c = _run(params, reading, cell)
    actual = {"output": output, "h": output[:, -1], "c": c}
    worst = 0.0
    for name, known in reading.known.items():
        mine = actual["h"] if known.ndim == 2 and name == "output" else actual[name]
        error = float(np.abs(mine - known).max()) / reading.scale(name)
        worst = max(worst, error) if np.isfinite(error) else np.inf
    return Fit(worst, reading.sizes[:2], params, ways)


def _run(params: LSTMParams, reading: Reading, cell: Cell) -> tuple[FloatArray, FloatArray]:
    """The output of every step, (B, T, H), and the last c, (B, H), in float64."""
    kernel, recurrent = params.kernel.astype(np.float64), params.recurrent_kernel.astype(np.float64)
    from_x = reading.x @ kernel + (0.0 if params.bias is None else params.bias.astype(np.float64))
    h, c, outputs = reading.h0, reading.c0, []
    for t in range(reading.x.shape[1]):
        h, c = cell.step(np.split(from_x[:, t] + h @ recurrent, 4, axis=1), c)
        outputs.append(h)
    return np.stack(outputs, axis=1), c
