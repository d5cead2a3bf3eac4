from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lstm_ref.errors import DTypeError, LSTMError, ShapeError, UsageError
from lstm_ref.training import cross_entropy, first_unit_squared_error, half_squared_error, mean_squared_error

PREDICTION = np.array([[[1.0, 2.0], [3.0, 4.0]]])
"""B = 1, T = 2, K = 2."""
TARGET = np.array([[[0.0, 4.0], [3.0, 1.0]]])


def test_the_mean_of_squared_errors() -> None:
    loss, gradient = mean_squared_error(PREDICTION, TARGET)
    assert loss == (1 + 4 + 0 + 9) / 4
    np.testing.assert_array_equal(gradient, [[[0.5, -1.0], [0.0, 1.5]]])


def test_half_the_sum_of_squared_errors() -> None:
    loss, gradient = half_squared_error(PREDICTION, TARGET)
    assert loss == (1 + 4 + 0 + 9) / 2
    np.testing.assert_array_equal(gradient, [[[1.0, -2.0], [0.0, 3.0]]])


def test_the_squared_error_of_the_first_unit() -> None:
    loss, gradient = first_unit_squared_error(PREDICTION, np.array([[0.5, 5.0]]))
    assert loss == 0.25 + 4
    np.testing.assert_array_equal(gradient, [[[1.0, 0.0], [-4.0, 0.0]]])


def test_the_cross_entropy_is_the_mean_of_what_the_right_classes_lack() -> None:
    logits = np.log([[[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]]])
    loss, gradient = cross_entropy(logits, np.array([[2, 0]]))
    np.testing.assert_allclose(loss, -(np.log(0.625) + np.log(0.375)) / 2, rtol=1e-15)
    expected = [[[0.125, 0.25, 0.625 - 1], [0.375 - 1, 0.375, 0.25]]]
    np.testing.assert_allclose(gradient, np.divide(expected, 2), rtol=1e-14)


def test_the_cross_entropy_of_large_logits_is_finite() -> None:
    loss, gradient = cross_entropy(np.array([[1000.0, -1000.0]]), np.array([1]))
    assert loss == 2000.0
    np.testing.assert_array_equal(gradient, [[1.0, -1.0]])


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (mean_squared_error, TARGET.astype("f")),
        (half_squared_error, TARGET.astype("f")),
        (first_unit_squared_error, TARGET[..., 0].astype("f")),
        (cross_entropy, np.array([[0, 1]])),
    ],
)
def test_float32_stays(loss: Callable[..., Any], target: np.ndarray) -> None:
    value, gradient = loss(PREDICTION.astype("f"), target)
    assert isinstance(value, float)
    assert gradient.dtype == np.float32


@pytest.mark.parametrize(
    ("loss", "target", "error", "told"),
    [
        (mean_squared_error, TARGET[:, -1], ShapeError, r"target has shape \(1, 2\), .* = \(1, 2, 2\)"),
        (
            half_squared_error,
            TARGET.astype("f"),
            DTypeError,
            r"target has dtype float32, but the prediction has float64",
        ),
        (first_unit_squared_error, TARGET, ShapeError, r"target has shape \(1, 2, 2\), .* = \(1, 2\)"),
        (cross_entropy, TARGET[..., 0], DTypeError, "target has dtype float64, expected integers"),
        (cross_entropy, np.array([0, 1]), ShapeError, r"target has shape \(2,\), .* = \(1, 2\)"),
        (cross_entropy, np.array([[0, 2]]), UsageError, "target has classes 0 to 2, expected 0 to 1, of 2 logits"),
        (cross_entropy, np.array([[-1, 1]]), UsageError, "target has classes -1 to 1, expected 0 to 1"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(
    loss: Callable[..., Any], target: np.ndarray, error: type[LSTMError], told: str
) -> None:
    with pytest.raises(error, match=told):
        loss(PREDICTION, target)
