"""A layer's weights and options as an ONNX LSTM node has them; without the onnx package.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_ref import Layer, Options, reorder_gates
from lstm_ref.params import GATES, FloatArray, LSTMParams

OPSET, IR_VERSION = 14, 8
"""Of 2021, so that every onnxruntime that is still in use reads the model."""

ACTIVATIONS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "sigmoid": ("Sigmoid", (), ()),
    "tanh": ("Tanh", (), ()),
    "hard_sigmoid": ("HardSigmoid", (1 / 6,), (0.5,)),
    "hard_sigmoid_keras2": ("HardSigmoid", (0.2,), (0.5,)),
    "relu": ("Relu", (), ()),
    "linear": ("Affine", (1.0,), (0.0,)),
    "softsign": ("Softsign", (), ()),
    "softplus": ("Softplus", (), ()),
    "elu": ("Elu", (1.0,), ()),
}
"""Of our names of activations, ONNX's and its alpha and beta; in a node, only those that take one have an entry there."""


def weights_of(layer: Layer) -> dict[str, FloatArray]:
    """A node's weights by ONNX's names, with a first axis of directions."""
    of_directions = [_of_direction(params) for params in layer.directions.values()]
    return {name: np.stack([of[name] for of in of_directions]) for name in of_directions[0]}


def _of_direction(params: LSTMParams) -> dict[str, FloatArray]:
    weights = {"W": _theirs(params.kernel).T, "R": _theirs(params.recurrent_kernel).T}
    if params.bias is not None:
        weights["B"] = np.concatenate([_theirs(params.bias), np.zeros_like(params.bias)])
    if params.peephole is not None:
        weights["P"] = params.peephole[[0, 2, 1]].reshape(-1)  # i, f, o to i, o, f
    return weights


def attributes(layer: Layer) -> dict[str, Any]:
    """A node's attributes; what a plain layer does not need is not there."""
    options = layer.options
    both = len(layer.directions) == 2
    direction = "bidirectional" if both else next(iter(layer.directions))
    given: dict[str, Any] = {"hidden_size": layer.hidden_size, "direction": direction}
    if options.clip is not None:
        given["clip"] = float(options.clip)
    if options.coupled_gates:
        given["input_forget"] = 1
    return given | _activations(options, len(layer.directions))


def _activations(options: Options, directions: int) -> dict[str, Any]:
    """The gates', the candidate's and the cell's on its way out, for each direction again."""
    names = (options.recurrent_activation, options.activation, options.of_output) * directions
    if names[:3] == ("sigmoid", "tanh", "tanh"):
        return {}
    theirs = [ACTIVATIONS[name] for name in names]
    given: dict[str, Any] = {"activations": [name for name, _, _ in theirs]}
    for place, name in ((1, "activation_alpha"), (2, "activation_beta")):
        if values := [value for every in theirs for value in every[place]]:
            given[name] = values
    return given


def _theirs(array: FloatArray) -> FloatArray:
    return reorder_gates(array, GATES, "iofc")
