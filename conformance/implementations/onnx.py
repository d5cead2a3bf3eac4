"""ONNX's LSTM node, run by onnxruntime and by onnx's reference evaluator; forward only, for nothing there has gradients.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html: gate blocks i, o, f, c, matrices that act from the
left, two biases, time-major, an axis for directions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from conformance.case import Case, Result
from conformance.implementations.prepared import Prepared
from lstm_ref import reorder_gates
from lstm_ref.errors import UnsupportedError
from lstm_ref.params import GATES, FloatArray

OPSET, IR_VERSION = 14, 8
"""Of 2021, so that every onnxruntime that is still in use reads the model."""
SILENT = 4
"""onnxruntime's log level at which it says nothing but that it dies."""


def evaluator(case: Case, backward: bool) -> Prepared:
    """The reference evaluator of onnx, which is NumPy."""
    return _prepared(case, backward, ReferenceEvaluator(model(case)).run)


def runtime(case: Case, backward: bool) -> Prepared:
    """The CPU kernel of onnxruntime, which reads no variable for its threads, so OpenMP's is read for it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as there are cores
    session = onnxruntime.InferenceSession(model(case).SerializeToString(), options, ["CPUExecutionProvider"])
    made = _prepared(case, backward, session.run)
    try:
        made.step()
    except RuntimeException as error:
        raise UnsupportedError(f"onnxruntime says: {str(error).rpartition('Status Message: ')[2]}.") from error
    return made


def _prepared(case: Case, backward: bool, run: Callable[[None, dict[str, FloatArray]], list[FloatArray]]) -> Prepared:
    if backward:
        raise UnsupportedError("ONNX's LSTM has no backward pass.")
    inputs = {"X": np.ascontiguousarray(case.x.swapaxes(0, 1)), "initial_h": case.h0[None], "initial_c": case.c0[None]}
    return Prepared(lambda: run(None, inputs), _result)


def _result(given: list[FloatArray]) -> Result:
    output, h, c = given
    return {"output": output[:, 0].swapaxes(0, 1), "h": h[0], "c": c[0]}


def model(case: Case) -> Any:
    """A model of one LSTM node with the case's weights and sizes, as an ``onnx.ModelProto``."""
    B, T, D, H = case.sizes
    params = case.params
    weights = {
        "W": _theirs(params.kernel).T,
        "R": _theirs(params.recurrent_kernel).T,
        "B": np.zeros(8 * H, case.dtype),
    }
    if params.bias is not None:
        weights["B"][: 4 * H] = _theirs(params.bias)
    kind = onnx.helper.np_dtype_to_tensor_dtype(case.dtype)
    shapes = {"X": [T, B, D], "initial_h": [1, B, H], "initial_c": [1, B, H]}
    names = ["X", "W", "R", "B", "", "initial_h", "initial_c"]
    outputs = ["Y", "Y_h", "Y_c"]
    node = onnx.helper.make_node("LSTM", names, outputs, hidden_size=H)
    graph = onnx.helper.make_graph(
        [node],
        "lstm",
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [onnx.helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array[None]), name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _theirs(array: FloatArray) -> FloatArray:
    return reorder_gates(array, GATES, "iofc")
