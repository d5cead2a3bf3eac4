"""An ONNX model of one LSTM node for each layer, with axes of time and samples of any length.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html. Input X is (T, B, D) and output Y (T, B, directions * H), as PyTorch's exporter
has them; Y_h<k> and Y_c<k> are the final states of layer k. States begin as zeros.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from conformance.converting.departures import activations
from conformance.errors import ConversionError
from conformance.implementations.onnx_nodes import IR_VERSION, OPSET, attributes, weights_of
from lstm_ref import Network
from lstm_ref.params import FloatArray

EXPRESSES = frozenset(
    {"peephole", "clip", "coupled_gates", "activations", "reverse", "zero_output_for_mask", "sizes", "directions"}
)
RUNNER = "onnxruntime"


def remarks(network: Network) -> list[str]:
    """What to know of the file."""
    return ["X is (T, B, D) and Y (T, B, units); the states of layer k begin as zeros and end as Y_h<k> and Y_c<k>."]


def refusal(network: Network) -> str:
    """What else keeps it from being a model of LSTM nodes; empty if nothing does."""
    if any("exponential" in activations(layer) for layer in network.layers):
        return "ONNX's LSTM has no activation exponential"
    if len({layer.options.zero_output_for_mask for layer in network.layers}) > 1:
        return "some layers give zeros at masked steps, and others do not"
    return ""


def names(network: Network) -> list[str]:
    """What the LSTMs are called that make up the network: layers of the same directions are one."""
    kinds = [tuple(layer.directions) for layer in network.layers]
    return [f"lstm_{k}" for k, kind in enumerate(kinds) if k == 0 or kinds[k - 1] != kind]


def write(network: Network, path: Path) -> None:
    """Write the model."""
    if importlib.util.find_spec("onnx") is None:
        raise ConversionError("writing .onnx needs onnx: pip install 'lstm-conformance[onnx]'.")
    import onnx

    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    kind = onnx.helper.np_dtype_to_tensor_dtype(network.dtype)
    lengths = "sequence_lens" if network.layers[0].options.zero_output_for_mask else ""
    arrays: dict[str, FloatArray] = {}
    nodes, finals, flow = [], [], "X"
    for k, layer in enumerate(network.layers):
        of_layer = weights_of(layer)
        arrays |= {f"{name}{k}": array for name, array in of_layer.items()}
        given = [f"{name}{k}" if name in of_layer else "" for name in ("W", "R", "B", "P")]
        inputs = [flow, *given[:3], lengths, "", "", given[3]]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"outputs{k}", f"Y_h{k}", f"Y_c{k}"]
        finals += outputs[1:]
        flow = "Y" if k + 1 == len(network.layers) else f"flow{k}"
        nodes += [
            make("LSTM", inputs, outputs, name=f"lstm_{k}", **attributes(layer)),
            make("Transpose", [outputs[0]], [f"turned{k}"], name=f"turn_{k}", perm=[0, 2, 1, 3]),
            make("Reshape", [f"turned{k}", "merged"], [flow], name=f"merge_{k}"),
        ]
    stored = [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()]
    stored.append(onnx.numpy_helper.from_array(np.array([0, 0, -1]), "merged"))
    given_in = [info("X", kind, ["T", "B", network.layers[0].input_size])]
    if lengths:
        given_in.append(info(lengths, onnx.TensorProto.INT32, ["B"]))
    results = [info("Y", kind, ["T", "B", network.layers[-1].output_size])]
    for name in finals:
        layer = network.layers[int(name[3:])]
        results.append(info(name, kind, [len(layer.directions), "B", layer.hidden_size]))
    graph = onnx.helper.make_graph(nodes, "lstm", given_in, results, stored)
    imports = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(
        graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="lstm-conformance"
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def run(path: Path, network: Network, x: FloatArray) -> FloatArray | str:
    """What onnxruntime gives, or why it cannot be asked."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    if network.dtype != np.float32:
        return f"onnxruntime has no LSTM in {network.dtype}"
    import onnxruntime

    given: dict[str, Any] = {"X": x.swapaxes(0, 1)}
    if network.layers[0].options.zero_output_for_mask:
        given["sequence_lens"] = np.full(len(x), x.shape[1], np.int32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    output: FloatArray = session.run(["Y"], given)[0].swapaxes(0, 1)
    return output
