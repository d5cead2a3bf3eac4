"""One step of an LSTM as it is usual, and of its relatives that are met in the wild."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lstm_ref.params import FloatArray

Elementwise = Callable[[FloatArray], FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z))."""
    with np.errstate(over="ignore"):
        result: FloatArray = 1.0 / (1.0 + np.exp(-z))
    return result


def _tanh(z: FloatArray) -> FloatArray:
    return np.tanh(z)


@dataclass(frozen=True)
class Cell:
    """The functions of a step: c' = gate(z_f) c + gate(z_i) candidate(z_c), h' = gate(z_o) squash(c').

    Attributes
    ----------
    words : str
        What departs from an LSTM; empty for one.
    gate, candidate, squash : callable
    """

    words: str = ""
    gate: Elementwise = sigmoid
    candidate: Elementwise = _tanh
    squash: Elementwise = _tanh


def _relu(z: FloatArray) -> FloatArray:
    return np.maximum(z, 0.0)


LSTM = Cell()
RELATIVES = (
    Cell("gates of the hard sigmoid 0.2 z + 0.5 (Keras 1 and 2, ONNX)", lambda z: np.clip(0.2 * z + 0.5, 0, 1)),
    Cell("gates of the hard sigmoid z / 6 + 0.5 (Keras 3, PyTorch)", lambda z: np.clip(z / 6 + 0.5, 0, 1)),
    Cell("h = o c, without tanh around c", squash=lambda c: c),
    Cell("relu in place of tanh", candidate=_relu, squash=_relu),
    Cell("tanh for the candidate and relu around c", squash=_relu),
)
"""What is tried when no LSTM fits. lstm_ref computes none of them."""
