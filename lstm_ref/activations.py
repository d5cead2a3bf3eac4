"""Activations by name: the function, and its slope by what it was given and what it gave.

Source: https://keras.io/api/layers/activations/ and, for the names that only ONNX has, its operator LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lstm_ref.params import FloatArray


class Activation(NamedTuple):
    """A function of z, and its derivative as a function of z and of the function's value a."""

    of: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray, FloatArray], FloatArray]


def _hard_sigmoid(scale: float) -> Activation:
    """clip(scale z + 1/2, 0, 1)."""
    return Activation(
        lambda z: np.clip(z * z.dtype.type(scale) + z.dtype.type(0.5), 0, 1),
        lambda z, a: z.dtype.type(scale) * ((a > 0) & (a < 1)),
    )


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a)),
    "tanh": Activation(np.tanh, lambda z, a: 1 - a * a),
    "hard_sigmoid": _hard_sigmoid(1 / 6),
    "hard_sigmoid_keras2": _hard_sigmoid(0.2),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
    "linear": Activation(lambda z: z.copy(), lambda z, a: np.ones_like(z)),
    "softsign": Activation(lambda z: z / (1 + np.abs(z)), lambda z, a: (1 - np.abs(a)) ** 2),
    "softplus": Activation(lambda z: np.logaddexp(z, 0), lambda z, a: -np.expm1(-a)),
    "elu": Activation(lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z, a: np.where(z > 0, 1, a + 1)),
    "exponential": Activation(np.exp, lambda z, a: a),
}
"""Name to activation; "hard_sigmoid" is Keras 3's clip(z/6 + 1/2, 0, 1), "hard_sigmoid_keras2" clip(0.2 z + 1/2, 0, 1)."""
