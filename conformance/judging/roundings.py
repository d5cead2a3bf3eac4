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

POOL = 1 << 18
"""So many random numbers there are; every operation takes them, for all runs one behind the other, from a random place on."""

TINY = float(np.finfo(np.float32).tiny)


@cache
def _deltas(roundoff: float) -> FloatArray:
    """Numbers u * delta."""
    raw = np.asarray(np.random.PCG64(1997).random_raw(POOL // 4), "<u8")
    deltas: FloatArray = raw.view("<i2") * (roundoff / 2**15)
    return deltas


@cache
def _factors(roundoff: float, roundings: int) -> FloatArray:
    """The same as factors that stand for so many roundings."""
    factors: FloatArray = 1 + roundings**0.5 * _deltas(roundoff)
    return factors


class Roundings:
    """Random roundings for runs along the first axis of arrays, before which there is one without; the same on every machine."""

    def __init__(self, runs: int, roundoff: float) -> None:
        self.runs, self.roundoff = runs, roundoff
        self.places = np.random.PCG64(runs)

    def _taken(self, pool: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        count = self.runs * prod(shape)
        if count <= POOL // 2:
            start = self.places.random_raw() % (POOL - count)
            return pool[start : start + count].reshape(self.runs, *shape)
        most = POOL // 2
        starts = (self.places.random_raw() % (POOL - most) for _ in range(-(-count // most)))
        taken = np.concatenate([pool[start : start + most] for start in starts])
        return taken[:count].reshape(self.runs, *shape)

    def deltas(self, *shape: int) -> FloatArray:
        """Numbers u * delta, (runs, *shape)."""
        return self._taken(_deltas(self.roundoff), shape)

    def factors(self, roundings: int, *shape: int) -> FloatArray:
        """Factors 1 + u * delta that stand for so many roundings of one product, (runs, *shape)."""
        return self._taken(_factors(self.roundoff, roundings), shape)

    def in_all_runs(self, a: FloatArray) -> FloatArray:
        """An array (1 + runs, ..) as it is, one (1, ..) repeated."""
        return a if len(a) > 1 else np.repeat(a, 1 + self.runs, axis=0)

    def of_product(self, a: FloatArray, roundings: int = 1) -> FloatArray:
        """Products after so many roundings; an array (1 + runs, ..) is written to."""
        a = self.in_all_runs(a)
        a[1:] *= self.factors(roundings, *a.shape[1:])
        return a

    def of_dot(self, dot: FloatArray, squares: FloatArray, n: int) -> FloatArray:
        """Sums of n products after their roundings, given the unperturbed run's sums of squared products; written to as well."""
        dot = self.in_all_runs(dot)
        w = np.sqrt((1 - 1 / n + (n + 1) / 6) * squares + (n + 1) / 3 * dot[0] ** 2)
        dot[1:] += w * self.deltas(*w.shape)
        return dot


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

    def plus(self, a: Any, b: Any) -> Any:
        """A + b."""
        return self.random.of_product(a + b)

    def less(self, one: int, a: Any) -> Any:
        """One - a."""
        return self.random.of_product(one - a)

    def times(self, a: Any, b: Any) -> Any:
        """A * b."""
        return self.random.of_product(a * b)

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
        if name in HARD_SIGMOIDS:
            a = self.plus(self.random.of_product(z / HARD_SIGMOIDS[name]), np.float64(0.5))
        else:
            a = self.random.of_product(super().activated(name, z, place))
        if place:
            if place not in self.alike:
                self.alike[place] = 1 + self.random.deltas(*a.shape[1:])
            a[1:] *= self.alike[place]
        return np.clip(a, 0, 1) if name in HARD_SIGMOIDS else a  # what is cut to 0 or 1 is exact

    def through(self, name: str, z: Any, a: Any, g: Any) -> Any:
        """The cotangent of z, from that of a = activation(z)."""
        if name in HARD_SIGMOIDS:
            return self.random.of_product(super().through(name, z, a, g))
        if name == "relu":  # its slope jumps at 0, and what is too small for float32 may be 0
            z = self.random.in_all_runs(z).copy()
            z[1::2][np.abs(z[1::2]) < TINY] = 0
        slope = ACTIVATIONS[name].slope(z, a, self.random.of_product)
        return self.random.of_product(slope * g, ACTIVATIONS[name].roundings + 1)
