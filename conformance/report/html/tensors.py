"""What was expected, what the candidate gave and the difference, side by side as heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.case import AXES
from conformance.judging.compare import errors
from conformance.report.html.markup import Html, element, joined
from conformance.report.html.scale import exponent
from conformance.trial.runner import CheckResult, Report
from lstm_ref.params import GATES, FloatArray

ROWS, COLUMNS, SAMPLES = 32, 64, 3
"""Of a larger array, so much around the worst number is shown."""
ROOMY = 6
"""Up to so many columns, every cell has its number in it."""
SCROLLED = 24
"""With more columns, a map may be wider than its place, and can be reached with the keyboard to be scrolled."""
BUDGET = 8000
"""So many numbers are shown in all, three times each."""
LEVELS = 6


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


def faces(quantity: str, shape: tuple[int, ...], worst: tuple[int, ...], hidden: int) -> Iterator[Face]:
    """The tables that an array is shown as."""
    axes = AXES[quantity]
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
    samples = window(shape[0], worst[0], SAMPLES) if len(shape) == 3 else (None,)
    if len(shape) == 3 and len(samples) < shape[0]:
        extent = f"Shown are {len(samples)} of {shape[0]} samples. {extent}"
    for b in samples:
        plane = flat if b is None else flat[b]
        title = "" if b is None or shape[0] == 1 else f"b={b}"
        yield Face(title, plane[np.ix_(rows, columns)], _names(axes[-2], rows), names, gates, extent)


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


def size_shown(found: Pair, hidden: int) -> int:
    """How many numbers `figure` would show."""
    shape = found.expected.shape
    return sum(face.where.size for face in faces(found.result.quantity, shape, found.worst, hidden))


def figure(found: Pair, hidden: int) -> Html:
    """The heat maps of one quantity."""
    expected, actual = found.expected.astype(np.float64).ravel(), found.actual.astype(np.float64).ravel()
    shares = found.shares.ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(shares == 0, 0.0, actual - expected)
    scale, apart = largest(expected), largest(difference[shares > 1])
    worst = int(shares.argmax())
    parts, extent, roomy = [], "", True
    for face in faces(found.result.quantity, found.expected.shape, found.worst, hidden):
        extent, roomy = face.extent, len(face.columns) <= ROOMY
        at = face.where.ravel()
        title = element("h4", face.title) if face.title else Html()
        maps = (
            ("expected", expected, [level(v, scale) for v in expected[at]]),
            ("candidate", actual, [level(v, scale) for v in actual[at]]),
            (
                "difference",
                difference,
                ["p1" if s <= 1 else level(d, apart) for d, s in zip(difference[at], shares[at], strict=True)],
            ),
        )
        tables = [_table(face, name, values, classes, worst) for name, values, classes in maps]
        parts.append(element("div", title, element("div", *tables, class_="maps"), class_="face"))
    caption = (
        f"{extent}Blue is negative, orange positive, strongest at ±{scale or 1:.3g}; in the difference "
        f"(candidate − expected) {f'at ±{apart:.3g}, and ' if apart else ''}green is within the allowed error. "
        "The worst number is framed. "
    )
    readout = Html() if roomy else element("p", "Point at a number to read it.", class_="readout", aria_live="polite")
    link = element("a", "Its numbers", href=f"#{found.result.id}", class_="check")
    return element("figure", *parts, readout, element("figcaption", caption, link), class_="tensors")


def largest(values: FloatArray) -> float:
    """The largest finite magnitude; 0 if there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _table(face: Face, name: str, values: FloatArray, classes: list[str], worst: int) -> Html:
    roomy = len(face.columns) <= ROOMY
    body = []
    for r, row in enumerate(face.where):
        cells = [
            element("td", shown(values[i]), class_=classes[r * len(row) + k] + (" w" if i == worst else ""))
            for k, i in enumerate(row)
        ]
        body.append(element("tr", element("th", face.rows[r], scope="row"), *cells))
    head = []
    if face.gates:
        spans = [element("th", gate, scope="colgroup", colspan=count) for gate, count in face.gates]
        head.append(element("tr", element("td"), *spans))
    if roomy:
        head.append(element("tr", element("td"), *(element("th", column, scope="col") for column in face.columns)))
    return element(
        "div",
        element("table", element("caption", name), element("thead", *head), element("tbody", *body)),
        class_="map roomy" if roomy else "map dense",
        data_columns=" ".join(face.columns) if not roomy else None,
        tabindex="0" if len(face.columns) > SCROLLED else None,
        role="group",
        aria_label=f"{name} {face.title}".strip(),
    )


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


def folds(pairs: Sequence[Pair], hidden: int, budget: int) -> tuple[Html, int]:
    """Each quantity's heat maps in a fold with its message, the first one open; and what is left of the budget."""
    made: list[Html] = []
    for found in pairs:
        size = size_shown(found, hidden)
        told = found.result.comparison
        assert told is not None
        summary = element(
            "summary",
            element("code", found.result.quantity),
            element("span", f"{told.wrong:,} of {told.total:,} numbers wrong, worst at {told.index}"),
        )
        if size <= budget:
            budget -= size
            content = figure(found, hidden)
        else:
            content = element("p", "Not drawn: this file holds as many numbers as it may.", class_="quiet")
        made.append(element("details", summary, content, open=not made))
    return element("div", *made, class_="folds") if made else joined(), budget
