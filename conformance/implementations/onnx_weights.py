"""An ONNX model with a case's weights in place of its own, and no size left that was its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from conformance.case import Case
from conformance.implementations.onnx_nodes import weights_of
from lstm_ref import Layer

PLACES = {"W": 1, "R": 2, "B": 3, "P": 7}
"""Of the weights among an LSTM node's inputs."""


def with_weights(model: Any, case: Case, outputs: Sequence[str], bias: bool, zeros: Sequence[int], lengths: str) -> Any:
    """A model with one LSTM, with a case's weights and dtype, and nothing that is not needed for some of its outputs.

    Parameters
    ----------
    model : onnx.ModelProto
    case : Case
        Of one layer.
    outputs : sequence of str
        The names of those that are kept.
    bias : bool
        Whether the node has one: a case without has one of zeros then.
    zeros : sequence of int
        The inputs of the node that are left out: states that are zero.
    lengths : str
        The name of the input of the rows' lengths, whose dtype stays.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, layer = made.graph, case.layers[0]
    (node,) = (node for node in graph.node if node.op_type == "LSTM")
    if bias and layer.params.bias is None:
        zero = {
            direction: replace(params, bias=np.zeros(4 * params.hidden_size, params.dtype))
            for direction, params in layer.directions.items()
        }
        layer = Layer(zero.get("forward"), zero.get("reverse"), layer.merge, layer.options)
    for name, array in weights_of(layer).items():
        node.input[PLACES[name]] = f"the case's {name}"
        graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), f"the case's {name}"))
    for number in zeros:
        if number < len(node.input):
            node.input[number] = ""
    next(each for each in node.attribute if each.name == "hidden_size").i = layer.hidden_size
    del graph.value_info[:]
    _kept(graph.output, [value for value in graph.output if value.name in outputs])
    for value in (*graph.input, *graph.output):
        if value.name != lengths:
            value.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(case.dtype)
        value.type.tensor_type.ClearField("shape")
    _prune(graph)
    return made


def _prune(graph: Any) -> None:
    """Leave out what no output needs: sizes of the model's own would be left there, and its own weights."""
    needed = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):  # what a node takes is made before it
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    _kept(graph.node, nodes[::-1])
    _kept(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _kept(graph.input, [value for value in graph.input if value.name in needed])


def _kept(field: Any, values: Sequence[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]  # before they go with the field
    del field[:]
    field.extend(copies)
