"""Enclosures of the true values: the forward equations in interval arithmetic, gradients by generic reverse mode.

Every number is an interval (python-flint's `arb`) that certainly contains the true value. Gradients
come from differentiating, operation by operation, the very operations that the forward equations
performed; there is no LSTM backward pass here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from conformance.case import Case, Result
from conformance.errors import OracleError
from lstm_ref.params import FloatArray

PRECISIONS = (128, 256, 512, 1024)
"""Bits to compute with; the next is taken when an interval is too wide to be rounded."""


class Number:
    """An interval, and which numbers it was made of, with its partial derivatives by them."""

    __slots__ = ("cotangent", "parents", "value")

    def __init__(self, value: Any, parents: Sequence[tuple[Number, Any]] = ()) -> None:
        self.value = value
        self.parents = parents
        self.cotangent = arb(0)


class Tape:
    """The operations performed, in order; knows the derivative of each elementary one and nothing of LSTMs."""

    def __init__(self) -> None:
        self.numbers: list[Number] = []

    def record(self, value: Any, parents: Sequence[tuple[Number, Any]]) -> Number:
        """A new number with its partial derivatives by the numbers it was made of."""
        number = Number(value, parents)
        self.numbers.append(number)
        return number

    def dot(self, pairs: Sequence[tuple[Number, Number]], plus: Iterable[Number] = ()) -> Number:
        """The sum of products of pairs, plus further numbers."""
        value = arb(0)
        parents: list[tuple[Number, Any]] = []
        for a, b in pairs:
            value = value + a.value * b.value
            parents += ((a, b.value), (b, a.value))
        for a in plus:
            value = value + a.value
            parents.append((a, 1))
        return self.record(value, parents)

    def sigmoid(self, z: Number) -> Number:
        """1 / (1 + exp(-z)), whose derivative is written so that neither tail cancels."""
        decay = (-z.value).exp()
        value = 1 / (1 + decay)
        return self.record(value, ((z, decay * value * value),))

    def tanh(self, z: Number) -> Number:
        """tanh(z), with derivative 1 / cosh(z)**2."""
        return self.record(z.value.tanh(), ((z, 1 / z.value.cosh() ** 2),))

    def backpropagate(self) -> None:
        """Carry every number's cotangent to the numbers it was made of."""
        for number in reversed(self.numbers):
            cotangent = number.cotangent
            for parent, partial in number.parents:
                parent.cotangent = parent.cotangent + cotangent * partial


def _leaves(array: FloatArray) -> Any:
    """The array's numbers as exact intervals, in an object array of the same shape."""
    leaves = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        leaves[index] = Number(arb(float(array[index])))
    return leaves


def enclosures(case: Case, precision: int) -> dict[str, Any]:
    """Object arrays of intervals that contain the true outputs, states and gradients.

    Parameters
    ----------
    case : Case
        Of any dtype: its numbers are taken as they are, exactly.
    precision : int
        Bits of the intervals' midpoints.
    """
    ctx.prec = precision
    B, T, _, H = case.sizes
    tape = Tape()
    x, h0, c0 = _leaves(case.x), _leaves(case.h0), _leaves(case.c0)
    kernel, recurrent_kernel = _leaves(case.params.kernel), _leaves(case.params.recurrent_kernel)
    bias = None if case.params.bias is None else _leaves(case.params.bias)

    h, c = h0, c0
    output: Any = np.empty((B, T, H), dtype=object)
    for t in range(T):
        h_next, c_next = np.empty((B, H), dtype=object), np.empty((B, H), dtype=object)
        for b in range(B):
            z = [
                tape.dot(
                    [*zip(x[b, t], kernel[:, j], strict=True), *zip(h[b], recurrent_kernel[:, j], strict=True)],
                    () if bias is None else (bias[j],),
                )
                for j in range(4 * H)
            ]
            for unit in range(H):
                z_i, z_f, z_c, z_o = z[unit::H]
                i, f, g, o = tape.sigmoid(z_i), tape.sigmoid(z_f), tape.tanh(z_c), tape.sigmoid(z_o)
                c_next[b, unit] = tape.dot([(f, c[b, unit]), (i, g)])
                h_next[b, unit] = tape.dot([(o, tape.tanh(c_next[b, unit]))])
                output[b, t, unit] = h_next[b, unit]
        h, c = h_next, c_next

    for numbers, cotangents in ((output, case.d_output), (h, case.d_h), (c, case.d_c)):
        for index in np.ndindex(numbers.shape):
            numbers[index].cotangent = numbers[index].cotangent + arb(float(cotangents[index]))
    tape.backpropagate()

    values = {"output": output, "h": h, "c": c}
    leaves = {"d_x": x, "d_h0": h0, "d_c0": c0, "d_kernel": kernel, "d_recurrent_kernel": recurrent_kernel}
    if bias is not None:
        leaves["d_bias"] = bias
    result = {name: _field(numbers, "value") for name, numbers in values.items()}
    return result | {name: _field(numbers, "cotangent") for name, numbers in leaves.items()}


def _field(numbers: Any, name: str) -> Any:
    fields = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(numbers.shape):
        fields[index] = getattr(numbers[index], name)
    return fields


def nearest_float(exact: Any) -> float:
    """The float64 nearest to an interval without width; ties to even."""
    mantissa, exponent = (int(n) for n in exact.man_exp())
    return float(mantissa << exponent) if exponent >= 0 else mantissa / (1 << -exponent)


def rounded(enclosure: Any) -> float | None:
    """The float64 that every number of the interval rounds to; None if they do not all round to one."""
    low, high = nearest_float(enclosure.lower()), nearest_float(enclosure.upper())
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
        for name, intervals in enclosures(case, precision).items():
            values = [rounded(interval) for interval in intervals.flat]
            if None in values:
                break
            result[name] = np.array(values, dtype=np.float64).reshape(intervals.shape)
        else:
            return result
    raise OracleError(f"{case.id}: {PRECISIONS[-1]} bits do not suffice to round every value.")
