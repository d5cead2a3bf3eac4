"""Enclosures of the true values: the forward equations in interval arithmetic, gradients by generic reverse mode.

Every number is an interval (python-flint's `arb`) that certainly contains the true value. Gradients come from
differentiating, operation by operation, the very operations that the forward equations performed; there is no LSTM backward
pass here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx

from conformance.case import Case, Result
from conformance.errors import OracleError
from conformance.implementations.arithmetic import HARD_SIGMOIDS, Arithmetic
from conformance.implementations.equations import Equations
from conformance.implementations.tape import Tape

PRECISIONS = (128, 256, 512, 1024)
"""Bits to compute with; the next is taken when an interval is too wide to be rounded."""


class UndecidedError(ArithmeticError):
    """An interval lies on both sides of a kink, so that neither its value nor its slope can be told."""


def _above(z: Any, bound: Any) -> bool:
    """Whether all of an interval is above a bound; none of it, if not."""
    if z > bound:
        return True
    if z <= bound:
        return False
    raise UndecidedError


def _hard_sigmoid(divisor: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """clip(z / divisor + 1/2, 0, 1), and its slope."""
    end = arb(divisor) / 2

    def of(z: Any) -> Any:
        return arb(int(_above(z, -end))) if _above(z, end) or not _above(z, -end) else z / divisor + arb(1) / 2

    def slope(z: Any) -> Any:
        return arb(0) if not _above(z, -end) or _above(z, end) else arb(1) / divisor

    return of, slope


def _sigmoid_slope(z: Any) -> Any:
    """Written so that neither tail cancels."""
    decay = (-z).exp()
    return decay / (1 + decay) ** 2


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (lambda z: 1 / (1 + (-z).exp()), _sigmoid_slope),
    "tanh": (lambda z: z.tanh(), lambda z: 1 / z.cosh() ** 2),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "softplus": (lambda z: z.exp().log1p(), lambda z: 1 / (1 + (-z).exp())),
    "elu": (lambda z: z if _above(z, 0) else z.expm1(), lambda z: arb(1) if _above(z, 0) else z.exp()),
    "exponential": (lambda z: z.exp(), lambda z: z.exp()),
    "relu": (lambda z: z if _above(z, 0) else arb(0), lambda z: arb(int(_above(z, 0)))),
    "linear": (lambda z: z, lambda z: arb(1)),
    **{name: _hard_sigmoid(divisor) for name, divisor in HARD_SIGMOIDS.items()},
}
"""Name to function and derivative, of one interval."""


class Intervals(Arithmetic):
    """Object arrays of intervals; a case's numbers are taken as they are, exactly."""

    def lifted(self, array: npt.NDArray[Any]) -> Any:
        """An array of the case, with an axis of one run."""
        return _each(lambda number: arb(float(number)), array[np.newaxis])

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Exact zeros."""
        return np.full(shape, arb(0), dtype=object)

    def dot(self, a: Any, b: Any) -> Any:
        """A @ b."""
        return super().dot(a, b) + arb(0)  # of an empty batch, NumPy's sum is an integer

    def summed(self, g: Any, shape: tuple[int, ...]) -> Any:
        """The sum along what was repeated."""
        return super().summed(g, shape) + arb(0)

    def activated(self, name: str, z: Any, place: str) -> Any:
        """An activation of z."""
        return _each(ACTIVATIONS[name][0], z)

    def through(self, name: str, z: Any, a: Any, g: Any) -> Any:
        """The cotangent of z, from that of a = activation(z)."""
        return g * _each(ACTIVATIONS[name][1], z)

    def inside(self, z: Any, bound: float) -> npt.NDArray[np.bool_]:
        """Where |z| is at most the bound."""
        return ~np.asarray(_each(lambda one: _above(abs(one), bound), z), dtype=bool)

    def sign(self, z: Any) -> Any:
        """The sign of z, 1 for an interval that is on both sides of zero, which no bound cuts."""
        return _each(lambda one: arb(-1) if one < 0 else arb(1), z)


def _each(function: Callable[[Any], Any], array: npt.NDArray[Any]) -> Any:
    """A function of each number, in an object array."""
    found = np.empty(array.shape, dtype=object)
    found.reshape(-1)[:] = [function(number) for number in array.flat]
    return found


def enclosures(case: Case, precision: int) -> dict[str, Any]:
    """Object arrays of intervals that contain the true outputs, states and gradients.

    Parameters
    ----------
    case : Case
        Of any dtype: its numbers are taken as they are, exactly.
    precision : int
        Bits of the intervals' midpoints.

    Raises
    ------
    UndecidedError
        If an activation's or the clip's kink lies in an interval.
    """
    ctx.prec = precision
    return {name: array[0] for name, array in Equations().evaluated(case, Tape(Intervals())).items()}


def nearest_float(exact: Any) -> float:
    """The float64 nearest to an interval without width; ties to even."""
    mantissa, exponent = (int(n) for n in exact.man_exp())
    return float(mantissa << exponent) if exponent >= 0 else mantissa / (1 << -exponent)


def rounded(enclosure: Any) -> float | None:
    """The float64 that every number of the interval rounds to; None if they do not all round to one, or are too large for any."""
    if not enclosure.is_finite():
        return None
    try:
        low, high = nearest_float(enclosure.lower()), nearest_float(enclosure.upper())
    except OverflowError:
        return None
    return low if low == high else None


def compute(case: Case) -> Result:
    """The true values, each correctly rounded to float64.

    Raises
    ------
    OracleError
        If an interval stays too wide even at the highest precision.
    """
    for precision in PRECISIONS:
        result = {}
        try:
            found = enclosures(case, precision)
        except UndecidedError:
            continue
        for name, intervals in found.items():
            values = [rounded(interval) for interval in intervals.flat]
            if None in values:
                break
            result[name] = np.array(values, dtype=np.float64).reshape(intervals.shape)
        else:
            return result
    raise OracleError(f"{case.id}: {PRECISIONS[-1]} bits do not suffice to round every value.")
