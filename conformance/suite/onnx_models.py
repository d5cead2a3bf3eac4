"""ONNX models of LSTM nodes, made by hand with onnx.helper, and what onnxruntime computes with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from conformance.cases.draw import Draw
from lstm_ref import Network

D, H, T, B = 3, 5, 6, 4
Arrays = dict[str, np.ndarray[Any, Any]]


def weights(directions: int = 1, inputs: int = D, units: int = H, prefix: str = "", peephole: bool = False) -> Arrays:
    """W, R and B, and P if it is wanted, as ONNX has them."""
    draw = Draw(f"{prefix} {directions} {inputs} {units}")
    shapes = {"W": (4 * units, inputs), "R": (4 * units, units), "B": (8 * units,)}
    if peephole:
        shapes["P"] = (3 * units,)
    return {f"{prefix}{n}": draw.uniform(0.7, directions, *s).astype(np.float32) for n, s in shapes.items()}


def lstm(x: str = "X", prefix: str = "", extra: Sequence[str] = (), name: str = "", **attributes: Any) -> Any:
    """A node that takes weights of such names; `extra` are its inputs behind B."""
    inputs = [x, *(f"{prefix}{n}" for n in "WRB"), *extra]
    outputs = [f"{prefix}{n}" for n in ("Y", "Y_h", "Y_c")]
    return helper.make_node("LSTM", inputs, outputs, name=name, **{"hidden_size": H, **attributes})


def model(
    nodes: Sequence[Any],
    arrays: Arrays,
    outputs: Sequence[str] = ("Y", "Y_h", "Y_c"),
    inputs: Sequence[Any] = (),
    shape: Sequence[Any] = ("T", "B", D),
    opset: int = 14,
    **more: Any,
) -> Any:
    """A model; `more` goes to the graph. It is not checked."""
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "graph", [x, *inputs], results, stored, **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def saved(path: Path, made: Any) -> Path:
    """The file of a model."""
    path.write_bytes(made.SerializeToString())
    return path


def some_input(*shape: int) -> np.ndarray[Any, Any]:
    """Numbers for a model to work on."""
    return Draw(f"x {shape}").uniform(1.0, *(shape or (T, B, D))).astype(np.float32)


def run(path: Path, **given: Any) -> list[np.ndarray[Any, Any]]:
    """What onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return list(session.run(None, given))


def compared(network: Network, x: np.ndarray[Any, Any], expected: Sequence[np.ndarray[Any, Any]], **given: Any) -> None:
    """Assert that a network computes what a model does: Y, then Y_h and Y_c of each layer in turn."""
    output, (h, c) = network(x.swapaxes(0, 1), **given)
    Y = expected[0]
    if Y.ndim == 4:
        Y = Y.swapaxes(1, 2).reshape(*Y.shape[:1], Y.shape[2], -1)
    np.testing.assert_allclose(output.swapaxes(0, 1), Y, rtol=0, atol=1e-6)
    if len(expected) > 1:
        states = [[*state] if isinstance(state, list) else [state.reshape(-1, *state.shape[-2:])] for state in (h, c)]
        for ours, theirs in zip(states, (expected[1::2], expected[2::2]), strict=True):
            np.testing.assert_allclose(np.concatenate(ours), np.concatenate(theirs), rtol=0, atol=1e-6)


def constant(name: str, values: Any) -> Any:
    """A Constant node."""
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values)))
