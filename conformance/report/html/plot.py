"""The error along the time steps of one case, as a drawing and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conformance.report.html.tensors import pair
from conformance.trial.results import CheckResult, Report, Trial

TIMED = ("output", "d_x")
"""The quantities that have a time axis."""
WIDE, NARROW = (694, 222), (274, 192)
"""The sizes of the two drawings without what is written around them."""


@dataclass(frozen=True)
class Line:
    """A quantity's error along time.

    Attributes
    ----------
    quantity : str
    shares : array (T,)
        The worst error of each step divided by the allowed one.
    allowed : float
    """

    quantity: str
    shares: npt.NDArray[np.float64]
    allowed: float

    @property
    def over(self) -> int:
        """How many steps exceed the allowed error."""
        return int((self.shares > 1).sum())


@dataclass(frozen=True)
class Drawing:
    """Lines in one size.

    Attributes
    ----------
    name : str
    width, height : int
    rules : list of (float, str)
        The heights of the horizontal rules, and what they mean.
    limit : float
        The height of what is allowed.
    ticks : list of (float, int)
        The places of some time steps.
    paths : list of list of (float, float)
        The points of each line.
    """

    name: str
    width: int
    height: int
    rules: list[tuple[float, str]]
    limit: float
    ticks: list[tuple[float, int]]
    paths: list[list[tuple[float, float]]]


@dataclass(frozen=True)
class Chart:
    """The errors along time of one case: in words, drawn in two widths, and as a table.

    Attributes
    ----------
    why : str
        Why this case.
    trial : Trial
    told : str
    lines : list of Line
    drawings : list of Drawing
    """

    why: str
    trial: Trial
    told: str
    lines: list[Line]
    drawings: list[Drawing]


def charts(report: Report) -> list[Chart]:
    """The errors along time in the cases that show most."""
    found = []
    for k, result in enumerate(chosen(report)):
        drawn = lines(report, result.trial)
        if not drawn:
            continue
        words = told(drawn)
        if result.quantity not in TIMED:
            words += f" {result.quantity}, which is wrong, has no time axis."
        drawings = [drawing(drawn, "wide", *WIDE), drawing(drawn, "narrow", *NARROW)]
        found.append(Chart(_why(result, longest=k > 0), report.trials[result.trial], words, drawn, drawings))
    return found


def _why(result: CheckResult, longest: bool) -> str:
    if longest:
        return "The longest case that fails" if result.status == "failed" else "The longest case"
    return "The case with the largest error" if result.status == "failed" else "The case nearest to the limit"


def chosen(report: Report) -> list[CheckResult]:
    """The checks whose cases are drawn: the worst, and the worst of the longest case if that is another.

    Those that fail go before those that pass, and quantities with a time axis before the others; the worst has
    the largest error over allowed.
    """
    results = [
        r
        for r in report.of_profile(report.profile)
        if r.share is not None and not r.behaviour and r.trial in report.given and report.sizes[r.trial][1] > 1
    ]
    failed = [r for r in results if r.status == "failed"]
    usable = [r for r in failed or results if r.quantity in TIMED] or failed
    if not usable:
        return []
    worst = max(usable, key=lambda r: r.share or 0.0)
    longest = max(usable, key=lambda r: (report.sizes[r.trial][1], r.share or 0.0))
    return [worst] if report.sizes[worst.trial][1] == report.sizes[longest.trial][1] else [worst, longest]


def lines(report: Report, trial: str) -> list[Line]:
    """The errors along time in a case."""
    found = []
    for result in report.of_profile(report.profile):
        if result.trial == trial and result.quantity in TIMED:
            axes, both = report.trials[trial].case.axes[result.quantity], pair(report, result)
            if both is not None and result.comparison is not None and "t" in axes:  # not where the last output is all
                others = tuple(k for k, axis in enumerate(axes) if axis != "t")
                found.append(Line(result.quantity, both.shares.max(axis=others), result.comparison.allowed))
    return found


def told(drawn: Sequence[Line]) -> str:
    """What the lines show, in words."""
    sentences = []
    for line in drawn:
        T = len(line.shares)
        if line.over in (0, T):
            verb = "stays within" if line.over == 0 else "exceeds"
            sentences.append(f"{line.quantity} {verb} the allowed error at all {T} steps.")
        else:
            first, last = (int(i) for i in np.flatnonzero(line.shares > 1)[[0, -1]])
            where = f"from t={first} to t={last}" if line.over > 1 else f"at t={first} alone"
            sentences.append(f"{line.quantity} exceeds the allowed error at {line.over} of {T} steps, {where}.")
    return " ".join(sentences)


def drawing(drawn: Sequence[Line], name: str, width: int, height: int) -> Drawing:
    """The lines on a logarithmic scale, with rules of their own for 0 and infinity where those occur."""
    T = len(drawn[0].shares)
    every = np.concatenate([line.shares for line in drawn])
    drawable = every[np.isfinite(every) & (every > 0)]
    low = min(math.floor(math.log10(drawable.min(initial=1.0))), -1)
    high = max(math.ceil(math.log10(drawable.max(initial=1.0))), 0) + (0.35 if drawable.max(initial=0.0) < 1 else 0)
    zeros, infinite = bool((every == 0).any()), bool(np.isinf(every).any())
    bottom, top = height - (16 if zeros else 0), 18 if infinite else 0

    def x(t: int) -> float:
        return round(8 + (width - 16) * t / (T - 1), 1)

    def y(share: float, k: int = 0) -> float:
        if share == 0:
            return height - 4 * k
        if math.isinf(share):
            return 4 * k  # lines that leave the scale stay beside each other
        return round(bottom - (bottom - top) * (math.log10(share) - low) / (high - low), 1)

    apart = max(1, math.ceil((high - low) / 6))
    powers = [p for p in range(low, math.floor(high) + 1) if p % apart == 0]
    rules = [(y(10.0**p), f"{10.0**p:g}" if abs(p) < 4 else f"1e{p}") for p in powers]
    rules += [(height, "0")] if zeros else []
    rules += [(0, "∞")] if infinite else []
    places = [(x(t), t) for t in ticks(T, 8 if width < 500 else 14)]
    paths = [[(x(t), y(float(share), k)) for t, share in enumerate(line.shares)] for k, line in enumerate(drawn)]
    return Drawing(name, width, height, rules, y(1.0), places, paths)


def ticks(T: int, most: int) -> list[int]:
    """Round numbers below T, at most so many."""
    apart = next(m * 10**k for k in range(9) for m in (1, 2, 5) if (T - 1) / (m * 10**k) < most)
    return list(range(0, T, apart))
