"""What was expected, what the candidate gave and the difference, side by side as heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.case import Case
from conformance.judging.compare import errors
from conformance.report.html.scale import exponent
from conformance.trial.results import CheckResult, Report
from lstm_ref.params import GATES, FloatArray

ROWS, COLUMNS, SAMPLES = 32, 64, 3
"""Of a larger array, so much around the worst number is shown."""
ROOMY = 6
"""Up to so many columns, every cell has its number in it."""
BUDGET = 8000
"""So many numbers are shown in all, three times each."""
LEVELS = 6
PLANES = {"b": "samples", "layer": "layers", "direction": "directions"}
"""What an axis counts of which each has tables of its own."""


@dataclass(frozen=True)
class Face:
    """A table's worth of an array.

    Attributes
    ----------
    title : str
        Which sample it is, where it is one of several.
    where : array (rows, columns) of int
        The positions in the flattened array.
    rows, columns : tuple of str
        What the rows and columns are.
    gates : tuple of (str, int)
        The gates above the columns, and how many columns each has.
    extent : str
        What part of the array it is; empty if it is all.
    """

    title: str
    where: npt.NDArray[np.int_]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    gates: tuple[tuple[str, int], ...]
    extent: str

    @property
    def roomy(self) -> bool:
        """Whether its cells have room for their numbers."""
        return len(self.columns) <= ROOMY


@dataclass(frozen=True)
class Map:
    """A face of one array.

    Attributes
    ----------
    name : str
        What the numbers are.
    rows : list of (str, list of (str, str))
        The name of each row and its cells: the number, and the class that colours it.
    """

    name: str
    rows: list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True)
class Fold:
    """A failing quantity.

    Attributes
    ----------
    result : CheckResult
    faces : list of (Face, list of Map)
        Its heat maps; none where there is no room for them.
    scale, apart : float
        Where the colours are strongest, of the arrays and of their difference; 0 if there is nothing to colour.
    """

    result: CheckResult
    faces: list[tuple[Face, list[Map]]]
    scale: float
    apart: float


@dataclass(frozen=True)
class Pair:
    """A failing quantity with both arrays.

    Attributes
    ----------
    result : CheckResult
    expected, actual : array
    shares : array
        Each number's error divided by the allowed one.
    """

    result: CheckResult
    expected: FloatArray
    actual: FloatArray
    shares: npt.NDArray[np.float64]

    @property
    def worst(self) -> tuple[int, ...]:
        """The index of the largest error."""
        return tuple(int(i) for i in np.unravel_index(int(self.shares.argmax()), self.shares.shape))


def pair(report: Report, result: CheckResult) -> Pair | None:
    """Both arrays of a check; None where they cannot be told apart number by number, or were not kept."""
    if result.share is None or result.comparison is None or result.trial not in report.given:
        return None
    expected = report.trials[result.trial].expected()[result.quantity]
    actual = report.given[result.trial][result.quantity]
    if expected.size == 0:
        return None
    return Pair(result, expected, actual, errors(actual, expected) / result.comparison.allowed)


def window(size: int, around: int, most: int) -> range:
    """At most so many of an axis, with the worst in it."""
    start = min(max(around - most // 2, 0), max(size - most, 0))
    return range(start, min(start + most, size))


def faces(case: Case, quantity: str, worst: tuple[int, ...]) -> Iterator[Face]:
    """The tables that an array is shown as."""
    axes, shape = case.axes[quantity], case.shapes[quantity]
    hidden = shape[-1] // 4
    flat = np.arange(np.prod(shape)).reshape(shape)
    if axes == ("4H",):
        units = window(hidden, worst[0] % hidden, COLUMNS)
        where = flat.reshape(4, hidden)[:, units.start : units.stop]
        rows_named = tuple(f"gate={gate}" for gate in GATES)
        yield Face("", where, rows_named, _names("unit", units), (), _extent((4, hidden), where.shape))
        return
    rows = window(shape[-2], worst[-2], ROWS)
    names, gates, columns = _columns(axes[-1], shape[-1], worst[-1], hidden)
    extent = _extent(shape[-2:], (len(rows), len(columns)))
    leading = [window(size, worst[k], SAMPLES) for k, size in enumerate(shape[:-2])]
    for axis, size, part in zip(axes, shape, leading, strict=False):
        if len(part) < size:
            extent = f"Shown are {len(part)} of {size} {PLANES[axis]}. {extent}"
    for index in product(*leading):
        title = " ".join(f"{axis}={i}" for axis, i, size in zip(axes, index, shape, strict=False) if size > 1)
        yield Face(title, flat[index][np.ix_(rows, columns)], _names(axes[-2], rows), names, gates, extent)


def _extent(whole: tuple[int, ...], part: tuple[int, ...]) -> str:
    if part == whole:
        return ""
    return f"Shown are {part[0]} of {whole[0]} rows and {part[1]} of {whole[1]} columns, the worst number in them. "


def _columns(axis: str, size: int, worst: int, hidden: int) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...], Any]:
    if axis != "4H":
        shown = window(size, worst, COLUMNS)
        return _names(axis, shown), (), shown
    units = window(hidden, worst % hidden, COLUMNS // 4)
    positions = [gate * hidden + unit for gate in range(4) for unit in units]
    return _names("unit", units) * 4, tuple((gate, len(units)) for gate in GATES), positions


def _names(axis: str, indices: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{axis}={i}" for i in indices)


def fold(found: Pair, shown_as: Sequence[Face]) -> Fold:
    """A quantity with the heat maps of its faces."""
    expected, actual = found.expected.astype(np.float64).ravel(), found.actual.astype(np.float64).ravel()
    shares = found.shares.ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(shares == 0, 0.0, actual - expected)
    scale, apart = largest(expected), largest(difference[shares > 1])
    worst = int(shares.argmax())

    def cell(values: FloatArray, strongest: float, i: int) -> tuple[str, str]:
        right = values is difference and shares[i] <= 1
        return shown(values[i]), ("p1" if right else level(values[i], strongest)) + (" w" if i == worst else "")

    parts = []
    for face in shown_as:
        maps = []
        for name, values, strongest in (
            ("expected", expected, scale),
            ("candidate", actual, scale),
            ("difference", difference, apart),
        ):
            cells = [[cell(values, strongest, i) for i in row] for row in face.where]
            maps.append(Map(name, list(zip(face.rows, cells, strict=True))))
        parts.append((face, maps))
    return Fold(found.result, parts, scale, apart)


def largest(values: FloatArray) -> float:
    """The largest finite magnitude; 0 if there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def level(value: float, scale: float) -> str:
    """The class of a value: a6 to a1 below zero, z, b1 to b6 above; nan for what is no number."""
    if np.isnan(value):
        return "nan"
    size = round(LEVELS * min(abs(value) / (scale or 1.0), 1.0))
    return "z" if size == 0 else f"{'a' if value < 0 else 'b'}{size}"


def shown(value: float) -> str:
    """A number in at most eight characters."""
    if value == 0:
        return "0"
    if not np.isfinite(value):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}[str(float(value))]
    text = f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 999.5 else exponent(value, 1)
    return text.replace("-", "−", 1) if value < 0 else text


def smallest(report: Report, least: int = 1) -> list[Pair]:
    """The failing quantities of the smallest case that has any whose numbers can be laid side by side.

    Parameters
    ----------
    report : Report
    least : int
        Every size of the case has to be so large.
    """
    usable = [
        r
        for r in report.failures
        if not r.behaviour and r.share is not None and r.trial in report.given and min(report.sizes[r.trial]) >= least
    ]
    if not usable:
        return []
    trial = min((r.trial for r in usable), key=report.weight)
    found = (pair(report, r) for r in usable if r.trial == trial)
    return [p for p in found if p is not None]


def folds(case: Case, pairs: Sequence[Pair], budget: int) -> tuple[tuple[Fold, ...], int]:
    """Each quantity with its heat maps as far as the budget goes, and what is left of it."""
    made = []
    for found in pairs:
        tables = list(faces(case, found.result.quantity, found.worst))
        size = sum(face.where.size for face in tables)
        if size > budget:
            tables, size = [], 0
        budget -= size
        made.append(fold(found, tables))
    return tuple(made), budget
