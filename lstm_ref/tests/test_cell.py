"""How right the gates are, seen from the network's own outputs."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

import lstm_ref

OPEN = 200.0
"""What opens a gate, or saturates a candidate, to exactly 1 in either dtype."""


def sigmoid(z: float) -> float:
    return float(1 / (1 + (-Decimal(z)).exp()))


def one_unit(i: float, f: float, c: float, o: float, dtype: str) -> lstm_ref.Network:
    """One unit whose gates do not depend on anything."""
    weights, bias = np.zeros((1, 4), dtype), np.array([i, f, c, o], dtype)
    return lstm_ref.Network(lstm_ref.LSTMParams(weights, weights, bias))


@pytest.mark.parametrize(
    ("dtype", "z"),
    [
        *(("float64", z) for z in (-1000.0, -700.0, -80.0, -40.0, -1.0, 0.0, 3.0, 1000.0)),
        *(("float32", z) for z in (-1000.0, -80.0, -60.0, -20.0, -1.0, 0.0, 3.0, 1000.0)),
    ],
)
def test_every_gate_is_right_to_two_units_in_its_own_last_place(dtype: str, z: float) -> None:
    one = np.ones((1, 1), dtype)
    x, expected = one[np.newaxis], sigmoid(z)
    allowed = 2 * np.spacing(np.dtype(dtype).type(expected))

    with np.errstate(all="raise"):
        _, (_, i) = one_unit(z, OPEN, OPEN, 0.0, dtype)(x, (one, 0 * one))  # c' = i g, with g = 1
        _, (_, f) = one_unit(0.0, z, 0.0, 0.0, dtype)(x, (one, one))  # c' = f c, with g = 0
        _, (o, _) = one_unit(0.0, OPEN, 0.0, z, dtype)(x, (one, OPEN * one))  # h' = o tanh(c'), with c' = c

    assert float(i[0, 0]) == pytest.approx(expected, rel=0, abs=float(allowed))
    assert float(f[0, 0]) == pytest.approx(expected, rel=0, abs=float(allowed))
    assert float(o[0, 0]) == pytest.approx(expected, rel=0, abs=float(allowed))


@pytest.mark.parametrize(("dtype", "z"), [("float64", -80.0), ("float32", -60.0)])
def test_a_gate_that_is_nearly_shut_still_has_its_slope(dtype: str, z: float) -> None:
    one = np.ones((1, 1), dtype)
    net = one_unit(z, OPEN, OPEN, 0.0, dtype)
    gradients = net.backward(net.forward(one[np.newaxis], (one, 0 * one)), d_c=one)
    assert gradients.d_bias is not None
    slope = sigmoid(z) * (1 - sigmoid(z))
    assert float(gradients.d_bias[0]) == pytest.approx(slope, rel=4 * float(np.finfo(dtype).eps), abs=0)
