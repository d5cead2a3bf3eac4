from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lstm_ref.errors import UsageError
from lstm_ref.params import FloatArray
from lstm_ref.training import SGD, Adam, ClipByNorm, ClipByValue
from lstm_ref.training.optimizers import Optimizer

GRADIENTS = (2.0, -1.0, 0.5)


def trained(optimizer: Optimizer) -> list[float]:
    """What becomes of one weight, 1 at first, under these gradients."""
    weights: dict[str, FloatArray] = {"w": np.ones(1)}
    memory, values = None, []
    for gradient in GRADIENTS:
        weights, memory = optimizer.step(weights, {"w": np.full(1, gradient)}, memory)
        values.append(float(weights["w"][0]))
    return values


def test_gradient_descent_moves_by_the_rate_times_the_gradient() -> None:
    assert trained(SGD(0.25)) == [0.5, 0.75, 0.625]


def test_momentum_adds_what_is_left_of_the_earlier_gradients() -> None:
    assert trained(SGD(0.25, momentum=0.5)) == [0.5, 0.5, 0.375]  # velocities 2, 0 and 1/2


@pytest.mark.parametrize("uncorrected", [False, True])
def test_adam_is_its_formula(uncorrected: bool) -> None:
    rate, beta_1, beta_2, epsilon = Fraction(1, 8), Fraction(3, 4), Fraction(15, 16), Fraction(1, 4)
    w, m, v = 1.0, Fraction(0), Fraction(0)
    expected = []
    for t, g in enumerate(map(Fraction, GRADIENTS), 1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        corrected, root = m / (1 - beta_1**t), float(v / (1 - beta_2**t)) ** 0.5
        added = float(epsilon) / (float(1 - beta_2**t) ** 0.5 if uncorrected else 1.0)
        w -= float(rate * corrected) / (root + added)
        expected.append(w)
    actual = trained(Adam(0.125, 0.75, 0.9375, 0.25, epsilon_uncorrected=uncorrected))
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


def test_where_there_never_was_a_gradient_adam_moves_nothing() -> None:
    weights, _ = Adam(0.1, epsilon=1e-30).step({"w": np.ones(3)}, {"w": np.array([0.0, 1e-9, -1e9])})
    np.testing.assert_allclose(weights["w"], [1.0, 0.9, 1.1], rtol=1e-14)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.1)])
def test_arrays_are_not_written_to_and_float32_stays(optimizer: Optimizer) -> None:
    weights, gradients = {"w": np.ones((2, 3), "f")}, {"w": np.full((2, 3), 0.5, "f")}
    memory = None
    for _ in range(3):
        moved, memory = optimizer.step(weights, gradients, memory)
        assert moved["w"].dtype == np.float32
    assert (weights["w"] == 1).all()
    assert (gradients["w"] == 0.5).all()


def test_clipping_by_norm_is_of_all_weights_together() -> None:
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([[-4.0]])}
    clipped = ClipByNorm(2.5)(gradients)
    np.testing.assert_array_equal(clipped["a"], [1.5, 0.0])
    np.testing.assert_array_equal(clipped["b"], [[-2.0]])
    assert ClipByNorm(5.0)(gradients)["b"] == -4.0
    assert ClipByNorm(1.0)({"a": np.zeros(2)})["a"].tolist() == [0.0, 0.0]


def test_clipping_by_value_is_of_each_element() -> None:
    clipped = ClipByValue(1.0)({"a": np.array([-3.0, 0.5, 3.0], "f")})["a"]
    assert clipped.tolist() == [-1.0, 0.5, 1.0]
    assert clipped.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: SGD(0.0), "learning_rate is 0.0, expected a positive number"),
        (lambda: SGD(0.1, momentum=1.0), "momentum is 1.0, expected a number from 0 up to, but not including, 1"),
        (lambda: Adam(float("nan")), "learning_rate is nan, expected a positive number"),
        (lambda: Adam(0.1, beta_1=-0.1), "beta_1 is -0.1, expected a number from 0"),
        (lambda: Adam(0.1, beta_2=1.0), "beta_2 is 1.0, expected a number from 0"),
        (lambda: Adam(0.1, epsilon=0.0), "epsilon is 0.0, expected a positive number"),
        (lambda: ClipByNorm(0.0), "max_norm is 0.0, expected a positive number"),
        (lambda: ClipByValue(-1.0), "limit is -1.0, expected a positive number"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()
