"""One step of an LSTM as it is usual, and of its relatives that are met in the wild."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lstm_ref.params import FloatArray

Elementwise = Callable[[FloatArray], FloatArray]


def _sigmoid(z: FloatArray) -> FloatArray:
    result: FloatArray = 1.0 / (1.0 + np.exp(-z))
    return result


def _tanh(z: FloatArray) -> FloatArray:
    return np.tanh(z)


def _relu(z: FloatArray) -> FloatArray:
    return np.maximum(z, 0.0)


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
    gate: Elementwise = _sigmoid
    candidate: Elementwise = _tanh
    squash: Elementwise = _tanh

    def step(self, z: Sequence[FloatArray], c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """H' and c' of c and z, which is one array for each of the gates i, f, c, o."""
        z_i, z_f, z_c, z_o = z
        c = self.gate(z_f) * c + self.gate(z_i) * self.candidate(z_c)
        return self.gate(z_o) * self.squash(c), c


LSTM = Cell()
RELATIVES = (
    Cell("gates of the hard sigmoid 0.2 z + 0.5 (Keras 1 and 2, ONNX)", lambda z: np.clip(0.2 * z + 0.5, 0, 1)),
    Cell("gates of the hard sigmoid z / 6 + 0.5 (Keras 3, PyTorch)", lambda z: np.clip(z / 6 + 0.5, 0, 1)),
    Cell("h = o c, without tanh around c", squash=lambda c: c),
    Cell("relu in place of tanh", candidate=_relu, squash=_relu),
    Cell("tanh for the candidate and relu around c", squash=_relu),
)
"""What is tried when no LSTM fits. lstm_ref computes none of them."""
