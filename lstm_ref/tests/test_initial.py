"""New weights, by their distributions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lstm_ref import LSTMParams, Network, initial
from lstm_ref.params import FloatArray

D, H, P = 30, 50, 20


def distance(sample: FloatArray, cdf: Callable[[FloatArray], FloatArray]) -> float:
    """Kolmogorov's and Smirnov's statistic times the square root of the sample's size: above 1.95 once in a thousand."""
    expected, n = cdf(np.sort(sample, axis=None)), sample.size
    steps = np.arange(n + 1) / n
    return float(max((expected - steps[:-1]).max(), (steps[1:] - expected).max()) * n**0.5)


def uniform(limit: float) -> Callable[[FloatArray], FloatArray]:
    return lambda x: np.clip((x + limit) / (2 * limit), 0, 1)


def sum_of_two(limit: float) -> Callable[[FloatArray], FloatArray]:
    """The triangle over ±2 limit."""

    def cdf(x: FloatArray) -> FloatArray:
        tail = (2 * limit - np.abs(x)) ** 2 / (8 * limit**2)
        return np.where(x < 0, tail, 1 - tail)

    return cdf


def test_a_distance_tells_distributions_apart() -> None:
    sample = np.random.default_rng(0).uniform(-1, 1, 2000)
    assert distance(sample, uniform(1.0)) < 1.95
    assert distance(sample, uniform(1.1)) > 1.95
    assert distance(sample, sum_of_two(0.5)) > 1.95


def test_pytorch_weights_are_uniform_and_two_biases_summed() -> None:
    params, limit = initial.pytorch(np.random.default_rng(1), D, H, P=P, dtype="float64"), H**-0.5
    assert {name: a.shape for name, a in params.arrays.items()} == {
        "kernel": (D, 4 * H), "recurrent_kernel": (P, 4 * H), "bias": (4 * H,), "projection": (H, P)
    }  # fmt: skip
    for name, array in params.arrays.items():
        assert distance(array, sum_of_two(limit) if name == "bias" else uniform(limit)) < 1.95, name
    assert initial.pytorch(np.random.default_rng(1), D, H).recurrent_kernel.shape == (H, 4 * H)


def test_the_kernel_of_keras_is_uniform_and_the_bias_opens_the_forget_gate() -> None:
    params = initial.keras(np.random.default_rng(2), D, H, dtype="float64")
    assert distance(params.kernel, uniform((6 / (D + 4 * H)) ** 0.5)) < 1.95
    assert params.bias is not None
    np.testing.assert_array_equal(params.bias, np.repeat([0.0, 1.0, 0.0, 0.0], H))
    closed = initial.keras(np.random.default_rng(2), D, H, unit_forget_bias=False).bias
    np.testing.assert_array_equal(closed, np.zeros(4 * H))


def test_the_recurrent_kernel_of_keras_is_orthogonal_and_prefers_no_direction() -> None:
    rng = np.random.default_rng(3)
    many = np.array([initial.keras(rng, 1, 3, dtype="float64").recurrent_kernel for _ in range(2000)])
    np.testing.assert_allclose(many @ many.swapaxes(1, 2), np.broadcast_to(np.eye(3), (2000, 3, 3)), rtol=0, atol=1e-14)
    # a number of a random unit vector in n dimensions has mean 0, variance 1/n and fourth moment 3 / (n (n + 2))
    for power, mean, square in ((1, 0, 1 / 12), (2, 1 / 12, 3 / 168)):
        deviation = ((square - mean**2) / 2000) ** 0.5
        np.testing.assert_allclose((many**power).mean(axis=0), mean, rtol=0, atol=4 * deviation)


@pytest.mark.parametrize("draw", [initial.keras, initial.pytorch])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_new_weights_make_a_network(draw: Callable[..., LSTMParams], dtype: str) -> None:
    params = draw(np.random.default_rng(4), 3, 2, bias=False, dtype=dtype)
    assert params.bias is None
    output, _ = Network(params)(np.ones((1, 4, 3), dtype))
    assert output.dtype == dtype
    same = draw(np.random.default_rng(4), 3, 2, bias=False, dtype=dtype)
    np.testing.assert_array_equal(params.kernel, same.kernel)
