"""What a tape computes with: here floats; intervals and random roundings are kinds of it.

Every array has a first axis of runs. Each activation is here with its derivative, written anew: what judges `lstm_ref` takes
nothing from it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Function = Callable[[Any], Any]


class Activation(NamedTuple):
    """A function of z, and its derivative.

    Attributes
    ----------
    of : callable
        z to a.
    slope : callable
        z, a, and what rounds an intermediate result that the derivative's last digits hang on, to the derivative by z.
    roundings : int
        How many other roundings the derivative has.
    """

    of: Function
    slope: Callable[[Any, Any, Function], Any]
    roundings: int


ACTIVATIONS = {
    "sigmoid": Activation(lambda z: 1 / (1 + np.exp(-z)), lambda z, a, rounded: a * (1 - a), 2),
    "tanh": Activation(np.tanh, lambda z, a, rounded: 1 - rounded(a * a), 1),
    "softsign": Activation(lambda z: z / (1 + np.abs(z)), lambda z, a, rounded: (1 - rounded(np.abs(a))) ** 2, 2),
    "softplus": Activation(
        lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))), lambda z, a, rounded: 1 / (1 + np.exp(-z)), 1
    ),
    "elu": Activation(
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, a, rounded: np.where(z > 0, 1, rounded(a + 1)).astype(z.dtype),
        1,
    ),
    "exponential": Activation(np.exp, lambda z, a, rounded: a, 0),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z, a, rounded: (z > 0).astype(z.dtype), 0),
    "linear": Activation(lambda z: z, lambda z, a, rounded: np.ones_like(z), 0),
}
EXACT = ("relu", "linear")
"""Activations that round nothing."""
HARD_SIGMOIDS = {"hard_sigmoid": 6, "hard_sigmoid_keras2": 5}
"""Name to divisor: clip(z / 6 + 1/2, 0, 1) is Keras 3's, clip(0.2 z + 1/2, 0, 1) Keras 2's."""


class Arithmetic:
    """Floats, as they are."""

    def lifted(self, array: npt.NDArray[Any]) -> Any:
        """An array of the case with an axis of runs."""
        return array[np.newaxis]

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Zeros to put parts into."""
        return np.zeros(shape, dtype)

    def plus(self, a: Any, b: Any) -> Any:
        """A + b."""
        return a + b

    def less(self, one: int, a: Any) -> Any:
        """One - a."""
        return one - a

    def times(self, a: Any, b: Any) -> Any:
        """A * b."""
        return a * b

    def dot(self, a: Any, b: Any) -> Any:
        """A @ b, of matrices b, one for each run or one for all of them."""
        if len(b) > 1:
            return a @ b
        return (a.reshape(prod(a.shape[:-1]), a.shape[-1]) @ b[0]).reshape(*a.shape[:-1], b.shape[-1])

    def summed(self, g: Any, shape: tuple[int, ...]) -> Any:
        """The cotangent of what had `shape` before it was repeated along the axes that it lacks, or has only one along."""
        extra = tuple(range(1, 1 + g.ndim - len(shape)))
        g = g.sum(axis=extra)
        single = tuple(axis for axis in range(1, g.ndim) if shape[axis] == 1 < g.shape[axis])
        return g.sum(axis=single, keepdims=True) if single else g

    def activated(self, name: str, z: Any, place: str) -> Any:
        """An activation of z."""
        if name in HARD_SIGMOIDS:
            return np.clip(z / HARD_SIGMOIDS[name] + z.dtype.type(0.5), 0, 1)
        return ACTIVATIONS[name].of(z)

    def through(self, name: str, z: Any, a: Any, g: Any) -> Any:
        """The cotangent of z, from that of a = activation(z)."""
        if name in HARD_SIGMOIDS:
            return np.where((a > 0) & (a < 1), g / HARD_SIGMOIDS[name], g.dtype.type(0))
        return g * ACTIVATIONS[name].slope(z, a, _as_it_is)

    def inside(self, z: Any, bound: float) -> npt.NDArray[np.bool_]:
        """Where |z| is at most the bound."""
        return np.asarray(np.abs(z) <= bound)

    def sign(self, z: Any) -> Any:
        """The sign of z, as a number."""
        return np.sign(z)


def _as_it_is(a: Any) -> Any:
    return a


def aligned(a: Any, b: Any) -> tuple[Any, Any]:
    """Two arrays, the one with fewer axes with axes of one behind that of the runs."""
    if a.ndim < b.ndim:
        a = a.reshape(len(a), *(1,) * (b.ndim - a.ndim), *a.shape[1:])
    elif b.ndim < a.ndim:
        b = b.reshape(len(b), *(1,) * (a.ndim - b.ndim), *b.shape[1:])
    return a, b
