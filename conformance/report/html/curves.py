"""Losses over each other, on a logarithmic scale, as a drawing: of a page, or a file of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conformance.judging.trajectory import Trajectory
from conformance.report.html.plot import NARROW, WIDE, Drawing, ticks
from conformance.trial.results import Report
from lstm_ref.params import FloatArray


@dataclass(frozen=True)
class Training:
    """A training, drawn in two widths: the known losses and those of the candidate.

    Attributes
    ----------
    trajectory : Trajectory
    drawings : list of Drawing
    """

    trajectory: Trajectory
    drawings: list[Drawing]


def trainings(report: Report) -> list[Training]:
    """The trainings of a report, those that left the band before the others."""
    by_verdict = sorted(report.trajectories, key=lambda trajectory: trajectory.left is None and not trajectory.ended)
    return [
        Training(
            each, [drawing([each.expected, each.actual], *size) for size in (("wide", *WIDE), ("narrow", *NARROW))]
        )
        for each in by_verdict
    ]


def drawing(curves: Sequence[FloatArray], name: str, width: int, height: int) -> Drawing:
    """Curves in one size.

    Parameters
    ----------
    curves : sequence of arrays (N,)
        A curve ends where it is not finite; what is 0 or below has no place on it.
    name : str
    width, height : int
    """
    drawable = [_drawable(curve) for curve in curves]
    every = np.array([value for points in drawable for _, value in points] or [1.0])
    low, high = math.floor(math.log10(every.min())), math.ceil(math.log10(every.max()))
    high = max(high, low + 1)
    last = max(max((len(curve) for curve in curves), default=1) - 1, 1)

    def x(place: int) -> float:
        return round(8 + (width - 16) * place / last, 1)

    def y(value: float) -> float:
        return round(height - height * (math.log10(value) - low) / (high - low), 1)

    apart = max(1, math.ceil((high - low) / 6))
    rules = [(y(10.0**p), f"{10.0**p:g}" if abs(p) < 4 else f"1e{p}") for p in range(low, high + 1) if p % apart == 0]
    places = [(x(place), place) for place in ticks(last + 1, 8 if width < 500 else 14)]
    paths = [[(x(place), y(value)) for place, value in points] for points in drawable]
    return Drawing(name, width, height, rules, 0.0, places, paths)


def _drawable(curve: FloatArray) -> list[tuple[int, float]]:
    finite = np.isfinite(curve)
    end = len(curve) if finite.all() else int(finite.argmin())
    return [(place, float(value)) for place, value in enumerate(curve[:end]) if value > 0]
