from __future__ import annotations

import numpy as np
import pytest

from lstm_ref.errors import DTypeError, LSTMError, ShapeError
from lstm_ref.training import Dense, softmax

KERNEL = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
BIAS = np.array([0.5, -0.5])
OUTPUT = np.arange(12.0).reshape(2, 2, 3)
"""B = 2, T = 2, H = 3."""


def test_probabilities_are_powers_over_their_sum_however_large_the_logits() -> None:
    logits = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]])
    expected = [[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-15)
    np.testing.assert_array_equal(softmax(np.array([1000.0, -1000.0])), [1.0, 0.0])


def test_every_step_or_the_last_one_is_read() -> None:
    every = Dense(KERNEL, BIAS).forward(OUTPUT)
    np.testing.assert_array_equal(every[0], [[13.5, 15.5], [40.5, 51.5]])
    np.testing.assert_array_equal(Dense(KERNEL, BIAS, last_step=True).forward(OUTPUT), every[:, 1])
    np.testing.assert_array_equal(Dense(KERNEL).forward(OUTPUT), every - BIAS)


def test_gradients_of_every_step() -> None:
    d = np.array([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 0.0]]])
    head = Dense(KERNEL, BIAS)
    d_output, gradients = head.backward(OUTPUT, head.forward(OUTPUT), d)
    np.testing.assert_array_equal(d_output, [[[1, 3, 5], [2, 4, 6]], [[2, 6, 10], [0, 0, 0]]])
    np.testing.assert_array_equal(gradients["d_kernel"], [[12, 3], [15, 4], [18, 5]])
    np.testing.assert_array_equal(gradients["d_bias"], [3, 1])


def test_gradients_of_the_last_step_reach_no_other() -> None:
    head = Dense(KERNEL, last_step=True)
    d_output, gradients = head.backward(OUTPUT, head.forward(OUTPUT), np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(d_output, [[[0, 0, 0], [1, 3, 5]], [[0, 0, 0], [2, 4, 6]]])
    np.testing.assert_array_equal(gradients["d_kernel"], [[3, 9], [4, 10], [5, 11]])
    assert gradients.keys() == {"d_kernel"}


def test_gradients_behind_a_softmax_are_those_of_its_slope() -> None:
    head = Dense(np.eye(3), np.log([1.0, 2.0, 5.0]), softmax=True)
    output = np.zeros((1, 1, 3))
    _, gradients = head.backward(output, head.forward(output), np.array([[[1.0, 0.0, 0.0]]]))
    np.testing.assert_allclose(gradients["d_bias"], [0.125 * 0.875, -0.125 * 0.25, -0.125 * 0.625], rtol=1e-15)


@pytest.mark.parametrize("softmax", [False, True])
def test_float32_stays(softmax: bool) -> None:
    head = Dense(KERNEL.astype("f"), BIAS.astype("f"), softmax=softmax)
    prediction = head.forward(OUTPUT.astype("f"))
    d_output, gradients = head.backward(OUTPUT.astype("f"), prediction, prediction)
    assert {array.dtype.name for array in (prediction, d_output, *gradients.values())} == {"float32"}


def test_a_new_one_is_drawn_within_glorots_limit() -> None:
    head = Dense.glorot(np.random.default_rng(0), 50, 4, last_step=True, dtype="float64")
    limit = (6 / 54) ** 0.5
    assert 0.95 * limit < np.abs(head.kernel).max() < limit
    np.testing.assert_array_equal(head.arrays["bias"], np.zeros(4))
    assert head.last_step


@pytest.mark.parametrize(
    ("kernel", "bias", "error", "told"),
    [
        (np.zeros(3), None, ShapeError, r"the head's kernel has shape \(3,\), expected \(H, K\)"),
        (KERNEL, np.zeros(3), ShapeError, r"the head's bias has shape \(3,\), expected \(K,\) = \(2,\)"),
        (KERNEL, BIAS.astype("f"), DTypeError, "the head's bias has dtype float32, its kernel float64"),
        (np.zeros((3, 2), int), None, DTypeError, "the head's kernel has dtype int64, expected float64 or float32"),
    ],
)
def test_what_does_not_fit_is_refused(
    kernel: np.ndarray, bias: np.ndarray | None, error: type[LSTMError], told: str
) -> None:
    with pytest.raises(error, match=told):
        Dense(kernel, bias)
