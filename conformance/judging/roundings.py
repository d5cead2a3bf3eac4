"""Random roundings, and a tape's arithmetic with them: Monte Carlo arithmetic on whatever was written for a tape.

`conformance.judging.noise` says what is perturbed by how much, and why.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.implementations.arithmetic import ACTIVATIONS, EXACT, HARD_SIGMOIDS, Arithmetic
from lstm_ref.params import FloatArray

POOL = 1 << 14
"""So many random numbers there are for each run; every operation takes them from a random place on."""


@cache
def _pool(runs: int, roundoff: float) -> FloatArray:
    """Numbers u * delta for each run, after a row of zeros for the run without perturbation."""
    raw = np.asarray(np.random.PCG64(1997).random_raw(runs * POOL // 4), "<u8")
    pool = np.zeros((1 + runs, POOL))
    pool[1:] = raw.view("<i2").reshape(runs, POOL) * (roundoff / 2**15)
    return pool


@cache
def _factors(runs: int, roundoff: float, roundings: int) -> FloatArray:
    """The same as factors that stand for so many roundings."""
    factors: FloatArray = 1 + roundings**0.5 * _pool(runs, roundoff)
    return factors


class Roundings:
    """Random roundings for runs along the first axis, of which the first run has none; the same on every machine."""

    def __init__(self, runs: int, roundoff: float) -> None:
        self.runs, self.roundoff = runs, roundoff
        self.places = np.random.PCG64(runs)

    def _taken(self, pool: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        count = prod(shape)
        parts = []
        while count > 0:
            most = min(count, POOL // 2)
            start = int(self.places.random_raw()) % (POOL - most)
            parts.append(pool[:, start : start + most])
            count -= most
        taken = parts[0] if len(parts) == 1 else np.concatenate(parts or [pool[:, :0]], axis=1)
        return taken.reshape(1 + self.runs, *shape)

    def deltas(self, *shape: int) -> FloatArray:
        """Numbers u * delta, (1 + runs, *shape)."""
        return self._taken(_pool(self.runs, self.roundoff), shape)

    def factors(self, roundings: int, *shape: int) -> FloatArray:
        """Factors 1 + u * delta that stand for so many roundings of one product, (1 + runs, *shape)."""
        return self._taken(_factors(self.runs, self.roundoff, roundings), shape)

    def of_dot(self, dot: FloatArray, squares: FloatArray, n: int) -> FloatArray:
        """Sums of products, rounded: of `dot` (1 + runs, ..), or (1, ..), and the unperturbed run's sums of n squared products."""
        w = np.sqrt((1 - 1 / n + (n + 1) / 6) * squares + (n + 1) / 3 * dot[0] ** 2)
        return dot + w * self.deltas(*w.shape)


class RandomlyRounded(Arithmetic):
    """Floats whose every operation is rounded at random, differently in each run but the first, which is not perturbed.

    Parameters
    ----------
    runs : int
    roundoff : float
    """

    def __init__(self, runs: int, roundoff: float) -> None:
        self.random = Roundings(runs, roundoff)
        self.alike: dict[str, FloatArray] = {}

    def lifted(self, array: npt.NDArray[Any]) -> Any:
        """An array of the case, the same in all runs."""
        return np.asarray(array, np.float64)[np.newaxis]

    def rounded(self, a: Any, roundings: int = 1) -> Any:
        """A product after so many roundings; written to if it has all runs."""
        return a * self.random.factors(roundings, *a.shape[1:])

    def plus(self, a: Any, b: Any) -> Any:
        """A + b."""
        return self.rounded(a + b)

    def less(self, one: int, a: Any) -> Any:
        """One - a."""
        return self.rounded(one - a)

    def times(self, a: Any, b: Any) -> Any:
        """A * b."""
        return self.rounded(a * b)

    def dot(self, a: Any, b: Any) -> Any:
        """A @ b."""
        squares = super().dot(a[:1] ** 2, b[:1] ** 2)[0]
        return self.random.of_dot(super().dot(a, b), squares, max(a.shape[-1], 1))

    def summed(self, g: Any, shape: tuple[int, ...]) -> Any:
        """The sum along what was repeated."""
        total = super().summed(g, shape)
        n = max(g[0].size // max(total[0].size, 1), 1)
        return self.random.of_dot(total, super().summed(g[:1] ** 2, shape)[0], n)

    def activated(self, name: str, z: Any, place: str) -> Any:
        """An activation of z, with a perturbation of its own and, where a place is given, one that is the same each time."""
        if name in EXACT:
            return super().activated(name, z, place)
        shape = z.shape[1:]
        factors = self.random.factors(1, *shape)
        if place:
            if place not in self.alike:
                self.alike[place] = self.random.deltas(*shape)
            factors = factors + self.alike[place]
        if name in HARD_SIGMOIDS:  # what is cut to 0 or 1 is exact
            return np.clip((z / HARD_SIGMOIDS[name] * self.random.factors(1, *shape) + 0.5) * factors, 0, 1)
        return super().activated(name, z, place) * factors

    def through(self, name: str, z: Any, a: Any, g: Any) -> Any:
        """The cotangent of z, from that of a = activation(z)."""
        if name in HARD_SIGMOIDS:
            return self.rounded(super().through(name, z, a, g))
        slope = ACTIVATIONS[name].slope(z, a, self.rounded)
        return self.rounded(slope * g, ACTIVATIONS[name].roundings + 1)
