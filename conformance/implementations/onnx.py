"""ONNX's LSTM node, run by onnxruntime and by onnx's reference evaluator; forward only, for nothing there has gradients.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html: gate blocks i, o, f, c, peepholes i, o, f, matrices that act from
the left, two biases, time-major, an axis for directions.

A model is a chain of nodes, one for each layer. Of two directions, Y has both, each with an axis entry of its own; they are
joined behind the node. Padding is what ``sequence_lens`` leaves out: its outputs are zeros, and a direction that reads from
the end begins at a row's last step.

onnxruntime computes in float32 alone. A row of no steps has zeros as its final state there, also with another initial
state; the reference hands on the initial state, as Keras documents it and as every row does whose steps do not count, so
such cases are refused here.

With ``layout=1`` arrays have the axis of samples first, states too; onnxruntime has not that, the evaluator has.

The evaluator is NumPy, in both dtypes, and leaves ``sequence_lens``, ``clip``, ``input_forget`` and ``activations`` out
without a word, so whatever needs them is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from conformance.case import Case, Result
from conformance.implementations.by_layer import Part, joined, parts
from conformance.implementations.onnx_nodes import ACTIVATIONS, IR_VERSION, OPSET, attributes, weights_of
from conformance.implementations.prepared import Prepared
from lstm_ref import Layer
from lstm_ref.errors import UnsupportedError
from lstm_ref.params import FloatArray

SILENT = 4
"""onnxruntime's log level at which it says nothing but that it dies."""


def refusal(case: Case) -> str:
    """Why onnxruntime cannot compute the case's forward pass; empty if it can."""
    if case.dtype != np.float32:
        return "onnxruntime's LSTM is in float32 alone"
    return _refusal_of_sizes(case) or _refusal_of_model(case)


def refusal_by_evaluator(case: Case) -> str:
    """Why onnx's reference evaluator cannot compute the case's forward pass; empty if it can."""
    if case.mask is not None:
        return "onnx's reference evaluator ignores sequence_lens"
    if any(not layer.options.plain_cell for layer in case.layers):
        return "onnx's reference evaluator ignores activations, input_forget and clip"
    if case.sizes[1] == 0:
        return "onnx's reference evaluator has no sequence without a step"
    return _refusal_of_model(case)


def _refusal_of_sizes(case: Case) -> str:
    """Measured with onnxruntime 1.32: without a step the final states are not the initial ones; without a sample it aborts."""
    return "" if case.sizes[0] and case.sizes[1] else "onnxruntime's LSTM needs a sample and a step"


def _refusal_of_model(case: Case) -> str:
    for part in parts(case):
        if reason := _refusal_of_layer(part):
            return reason
    if any(not layer.options.return_sequences for layer in case.layers[:-1]):
        return "a layer that gives its last output alone is no input of another"
    if case.mask is None:
        return ""
    # a row without a step: onnxruntime's final state is zero, and the reference's the initial one
    if not (case.mask[:, 1:] <= case.mask[:, :-1]).all() or not case.mask[:, :1].all():
        return "sequence_lens leaves out steps at the end, and a row without a step loses its initial state"
    last = case.layers[-1].options
    if last.return_sequences and not last.zero_output_for_mask:
        return "the outputs of an ONNX LSTM are zero at padding"
    return ""


def _refusal_of_layer(part: Part) -> str:
    layer, options = part.layer, part.layer.options
    if layer.params.projection is not None:
        return "ONNX's LSTM has no projection"
    if len(layer.directions) == 2 and layer.merge not in ("concat", None):
        return "ONNX's LSTM gives both directions as they are"
    if options.go_backwards:
        return "ONNX's LSTM gives its outputs in the order of its input"
    if any(given.input is not None or given.recurrent is not None for given in part.dropout.values()):
        return "ONNX's LSTM has no dropout"
    for name in (options.recurrent_activation, options.activation, options.of_output):
        if name not in ACTIVATIONS:
            return f"ONNX has no activation {name}"
    return ""


def compute(case: Case) -> Result:
    """Output and final states by onnxruntime's CPU kernel, in float32.

    Raises
    ------
    UnsupportedError
        If onnxruntime has not what the case asks for.
    """
    _raise(refusal(case))
    return _computed(runtime(case, backward=False))


def compute_by_evaluator(case: Case, layout: int = 0) -> Result:
    """Output and final states by onnx's reference evaluator, in the case's dtype.

    Parameters
    ----------
    case : Case
    layout : int
        ONNX's attribute: 1 for an axis of samples in front of that of time or of directions.

    Raises
    ------
    UnsupportedError
        If the evaluator has not what the case asks for, or would ignore it.
    """
    return _computed(evaluator(case, backward=False, layout=layout))


def _computed(made: Prepared) -> Result:
    with np.errstate(all="ignore"):  # the evaluator's sigmoid overflows in saturation, and is right
        return made.result(made.step())


def evaluator(case: Case, backward: bool, layout: int = 0) -> Prepared:
    """The reference evaluator of onnx, which is NumPy."""
    _raise(refusal_by_evaluator(case))
    return _prepared(case, backward, ReferenceEvaluator(model(case, layout)).run, layout)


def runtime(case: Case, backward: bool) -> Prepared:
    """The CPU kernel of onnxruntime, which reads no variable for its threads, so OpenMP's is read for it."""
    _raise(_refusal_of_sizes(case) or _refusal_of_model(case))  # of dtypes, onnxruntime tells itself
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


def _raise(reason: str) -> None:
    if reason:
        raise UnsupportedError(f"{reason}.")


def _prepared(
    case: Case, backward: bool, run: Callable[[None, dict[str, FloatArray]], list[FloatArray]], layout: int = 0
) -> Prepared:
    if backward:
        raise UnsupportedError("ONNX's LSTM has no backward pass.")
    inputs: dict[str, Any] = {"X": case.x.swapaxes(0, 1)}
    for k, part in enumerate(parts(case)):
        inputs |= {f"initial_h{k}": part.h0, f"initial_c{k}": part.c0}
    inputs = {name: np.ascontiguousarray(array.swapaxes(0, 1) if layout else array) for name, array in inputs.items()}
    if case.mask is not None:
        inputs["sequence_lens"] = case.mask.sum(axis=1).astype(np.int32)

    def result(given: Sequence[FloatArray]) -> Result:
        if layout:  # from (B, T, directions, H) and (B, directions, H)
            given = [given[0].transpose(1, 2, 0, 3), *(state.swapaxes(0, 1) for state in given[1:])]
        return _result(case, given)

    return Prepared(lambda: run(None, inputs), result)


def _result(case: Case, given: Sequence[FloatArray]) -> Result:
    every, last = given[0], case.layers[-1]
    states = [{"h": h, "c": c} for h, c in zip(given[1::2], given[2::2], strict=True)]
    outputs = [every[:, number].swapaxes(0, 1) for number, _ in enumerate(last.directions)]
    if not last.options.return_sequences:
        outputs = _last(last, outputs, case.mask is not None and last.options.zero_output_for_mask, states[-1]["h"])
    if len(outputs) == 1:
        output = outputs[0]
    else:
        output = np.stack(outputs) if last.merge is None else np.concatenate(outputs, axis=-1)
    return joined(case, {"output": output}, states)


def _last(layer: Layer, outputs: Sequence[FloatArray], zeros: bool, h: FloatArray) -> list[FloatArray]:
    """The output that each direction ends with; at padding, which only the forward one ends in, it can be zeros."""
    ends = zip(layer.directions, outputs, h, strict=True)
    return [every[:, -1] if zeros and direction == "forward" else end for direction, every, end in ends]


def model(case: Case, layout: int = 0) -> Any:
    """A model of the case's layers with their weights and sizes, as an ``onnx.ModelProto``."""
    B, T, D, _ = case.sizes
    kind = onnx.helper.np_dtype_to_tensor_dtype(case.dtype)
    lengths = "" if case.mask is None else "sequence_lens"
    shapes: dict[str, list[int]] = {"X": [T, B, D]}
    weights: dict[str, FloatArray] = {}
    nodes, outputs, flow = [], [], "X"
    arranged = {"layout": layout} if layout else {}
    for k, layer in enumerate(case.layers):
        states = [f"initial_h{k}", f"initial_c{k}"]
        shapes |= {states[0]: [len(layer.directions), B, layer.state_size]}
        shapes |= {states[1]: [len(layer.directions), B, layer.hidden_size]}
        arrays = {f"{name}{k}": array for name, array in weights_of(layer).items()}
        weights |= arrays
        given = [f"{name}{k}" if f"{name}{k}" in arrays else "" for name in ("W", "R", "B", "P")]
        inputs = [flow, *given[:3], lengths, *states, *given[3:]]
        while not inputs[-1]:
            inputs.pop()
        finals = [f"Y_h{k}", f"Y_c{k}"]
        nodes.append(onnx.helper.make_node("LSTM", inputs, [f"Y{k}", *finals], **attributes(layer), **arranged))
        outputs += finals
        flow = f"Y{k}"
        if k + 1 < len(
            case.layers
        ):  # (T, directions, B, H) to (T, B, directions H); with layout 1, B and T are in place
            weights[f"shape{k}"] = np.array([B, T, layer.output_size] if layout else [T, B, layer.output_size])
            if not layout:
                nodes.append(onnx.helper.make_node("Transpose", [flow], [f"turned{k}"], perm=[0, 2, 1, 3]))
                flow = f"turned{k}"
            nodes.append(onnx.helper.make_node("Reshape", [flow, f"shape{k}"], [f"flow{k}"]))
            flow = f"flow{k}"
    turn = slice(None, None, -1) if layout else slice(None)
    given_in = [
        onnx.helper.make_tensor_value_info(name, kind, [*shape[:2][turn], shape[2]]) for name, shape in shapes.items()
    ]
    if lengths:
        given_in.append(onnx.helper.make_tensor_value_info(lengths, onnx.TensorProto.INT32, [B]))
    graph = onnx.helper.make_graph(
        nodes,
        "lstm",
        given_in,
        [onnx.helper.make_tensor_value_info(name, kind, None) for name in (flow, *outputs)],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
