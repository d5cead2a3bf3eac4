"""Losses over each other, on a logarithmic scale, as a drawing: of a page, or a file of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from conformance.report.html.plot import Drawing, ticks
from lstm_ref.params import FloatArray


def drawing(curves: Sequence[FloatArray], name: str, width: int, height: int, first: int = 0) -> Drawing:
    """Curves in one size.

    Parameters
    ----------
    curves : sequence of arrays (N,)
        A curve ends where it is not finite; what is 0 or below has no place on it.
    name : str
    width, height : int
    first : int
        The number of the first point, on the horizontal axis.
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
    places = [(x(place), place + first) for place in ticks(last + 1, 8 if width < 500 else 14)]
    paths = [[(x(place), y(value)) for place, value in points] for points in drawable]
    return Drawing(name, width, height, rules, 0.0, places, paths)


def _drawable(curve: FloatArray) -> list[tuple[int, float]]:
    finite = np.isfinite(curve)
    end = len(curve) if finite.all() else int(finite.argmin())
    return [(place, float(value)) for place, value in enumerate(curve[:end]) if value > 0]
