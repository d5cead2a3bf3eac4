"""Weights and runs out of real frameworks: `find_layout` finds how each of them keeps its weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import conformance
import lstm_ref
from conformance.cases.draw import Draw
from conformance.cli import main
from conformance.suite.exports import exported
from lstm_ref import LSTMParams

pytestmark = pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning")

Arrays = dict[str, np.ndarray[Any, Any]]

D, H = 3, 5


def draw(name: str, *shape: int) -> np.ndarray[Any, Any]:
    return Draw(name).uniform(1.0, *shape).astype(np.float32)


def trained(layer: torch.nn.Module) -> torch.nn.Module:
    """The layer with other numbers than a fresh one has, all biases included."""
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            weight.copy_(torch.from_numpy(draw(name, *weight.shape)))
    return layer


def state_dict(layer: torch.nn.Module) -> Arrays:
    return {name: weight.numpy() for name, weight in layer.state_dict().items()}


def assert_found(found: conformance.LayoutFinding, params: LSTMParams) -> None:
    assert found.verdict == "one", found.remarks
    np.testing.assert_array_equal(found.fits[0].params.kernel, params.kernel)
    np.testing.assert_array_equal(found.fits[0].params.recurrent_kernel, params.recurrent_kernel)
    if params.bias is not None:
        np.testing.assert_array_equal(np.asarray(found.fits[0].params.bias), params.bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", ["batch-first", "time-major", "one sequence"])
@pytest.mark.parametrize("features", [D, H])
def test_pytorch(dtype: torch.dtype, shape: str, features: int) -> None:
    layer = trained(torch.nn.LSTM(features, H, batch_first=shape == "batch-first")).to(dtype)
    sizes = {"batch-first": (2, 6, features), "time-major": (6, 2, features), "one sequence": (6, features)}[shape]
    x = torch.from_numpy(draw(shape, *sizes)).to(dtype)
    with torch.no_grad():
        output, (h, c) = layer(x)
    found = conformance.find_layout(state_dict(layer), x=x, output=output, h=h, c=c)
    assert_found(found, lstm_ref.from_torch(*state_dict(layer).values()))
    axes = {"batch-first": "btf", "time-major": "tbf", "one sequence": "btf"}[shape]
    assert found.fits[0].layout == conformance.Layout("ifgo", transposed=True, biases=2, axes=axes)


def test_pytorchs_cell_and_its_state() -> None:
    cell = trained(torch.nn.LSTMCell(D, H))
    x, h0, c0 = (torch.from_numpy(draw(name, 4, n)) for name, n in (("x", D), ("h0", H), ("c0", H)))
    with torch.no_grad():
        h, c = cell(x, (h0, c0))
    found = conformance.find_layout(state_dict(cell), x=x, h0=h0, c0=c0, h=h, c=c)
    assert_found(found, lstm_ref.from_torch(*state_dict(cell).values()))


def test_pytorch_split_by_gates_as_courses_keep_them() -> None:
    layer = trained(torch.nn.LSTM(H, H, batch_first=True))
    w_ih, w_hh, b_ih, b_hh = (np.split(weight, 4) for weight in state_dict(layer).values())
    x = draw("split", 2, 6, H)
    with torch.no_grad():
        output = layer(torch.from_numpy(x))[0].numpy()
    params = lstm_ref.from_torch(*state_dict(layer).values())

    joined = {f"W{gate}": np.hstack([w_hh[k], w_ih[k]]) for gate, k in zip("fico", (1, 0, 2, 3), strict=True)}
    joined |= {f"b{gate}": (b_ih[k] + b_hh[k])[:, None] for gate, k in zip("fico", (1, 0, 2, 3), strict=True)}
    found = conformance.find_layout(joined, x=x.transpose(1, 2, 0), output=output.transpose(1, 2, 0))
    assert_found(found, params)
    assert found.fits[0].layout == conformance.Layout("fico", "hx", transposed=True, split=True, axes="tfb")

    apart = {f"{name}_{k}": part[k] for name, part in (("W", w_ih), ("U", w_hh)) for k in range(4)}
    apart |= {f"b_{k}": b_ih[k] + b_hh[k] for k in range(4)}
    assert_found(conformance.find_layout(apart, x=x, output=output), params)


def test_an_onnx_model_as_pytorch_exports_it(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    layer = trained(torch.nn.LSTM(D, H))
    x = draw("onnx", 6, 1, D)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that writes an LSTM node is on its way out
        torch.onnx.export(layer, (torch.from_numpy(x),), path, dynamo=False)
    graph = onnx.load(path).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert sorted(array.shape for array in arrays.values()) == [(1, 4 * H, D), (1, 4 * H, H), (1, 8 * H)]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    output, h, c = session.run(None, {graph.input[0].name: x})
    found = conformance.find_layout(arrays, x=x, output=output, h=h, c=c)
    assert_found(found, lstm_ref.from_torch(*state_dict(layer).values()))
    assert found.fits[0].layout == conformance.Layout("iofc", transposed=True, biases=2, axes="tbf")


@pytest.mark.parametrize("sequences", [True, False])
def test_keras(sequences: bool) -> None:
    import keras

    layer = keras.layers.LSTM(H, return_sequences=sequences)
    x = draw("keras", 2, 6, D)
    layer(x)
    kernel, recurrent, _ = (weight.numpy() for weight in layer.weights)
    fresh = {weight.path: weight.numpy() for weight in layer.weights}
    found = conformance.find_layout(fresh, x=x, output=np.asarray(layer(x)))
    assert_found(found, LSTMParams(kernel, recurrent, np.repeat(np.array([0, 1, 0, 0], np.float32), H)))

    layer.set_weights([draw(weight.path, *weight.shape) for weight in layer.weights])
    arrays = {weight.path: weight.numpy() for weight in layer.weights}
    found = conformance.find_layout(arrays, x=x, output=np.asarray(layer(x)))
    assert_found(found, LSTMParams(*arrays.values()))
    assert found.fits[0].layout == conformance.Layout()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recurrent_activation": "hard_sigmoid"}, "hard sigmoid z / 6 + 0.5"),
        ({"activation": "relu"}, "relu in place of tanh"),
        ({"activation": "linear"}, ""),
        ({"go_backwards": True}, "order of computation"),
    ],
)
def test_keras_options_that_make_it_another_cell(options: dict[str, Any], words: str) -> None:
    import keras

    layer = keras.layers.LSTM(H, return_sequences=True, **options)
    x = draw("options", 2, 6, D)
    layer(x)
    layer.set_weights([draw(weight.path, *weight.shape) for weight in layer.weights])
    arrays = {weight.path: weight.numpy() for weight in layer.weights}
    found = conformance.find_layout(arrays, x=x, output=np.asarray(layer(x)))
    assert found.verdict == "none"
    assert [words in related.words for related in found.related] == ([True] if words else [])
    for related in found.related:
        np.testing.assert_array_equal(related.fit.params.kernel, next(iter(arrays.values())))


def test_tensorflow_1() -> None:
    import tensorflow as tf
    from tf_keras.src.layers.rnn.legacy_cells import BasicLSTMCell, LSTMStateTuple

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 2019, that it is deprecated
        cell = BasicLSTMCell(H)
    x = draw("tf1", 2, 6, D)
    cell.build(tf.TensorShape([2, D]))
    for variable in cell.variables:
        variable.assign(draw(variable.name, *variable.shape))
    state, outputs = LSTMStateTuple(tf.zeros((2, H)), tf.zeros((2, H))), []
    for t in range(6):
        output, state = cell(tf.constant(x[:, t]), state)
        outputs.append(output.numpy())
    arrays = {variable.name: variable.numpy() for variable in cell.variables}
    found = conformance.find_layout(arrays, x=x, output=np.stack(outputs, axis=1), c=state.c)
    kernel, bias = (lstm_ref.reorder_gates(array, "icfo") for array in arrays.values())
    assert_found(found, LSTMParams(kernel[:D], kernel[D:], bias + np.repeat(np.array([0, 1, 0, 0], np.float32), H)))
    assert found.fits[0].layout == conformance.Layout("icfo", "xh")
    assert found.fits[0].ways[0].forget


@pytest.mark.parametrize(
    "name", ["zip.pt", "legacy.pth", "checkpoint.ckpt", "model.safetensors", "bfloat16.safetensors", "model.keras",
             "model.weights.h5", "keras2.hdf5", "cudnn-weights.h5"]
)  # fmt: skip
def test_files_that_frameworks_wrote(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, layer = exported(name)
    x = draw("files", 2, 6, D)
    if isinstance(layer, torch.nn.Module):
        with torch.no_grad():
            output = layer(torch.from_numpy(x))[0].numpy()
    else:
        layer.return_state, layer.return_sequences = False, True
        output = np.asarray(layer.call(x))
    np.savez(tmp_path / "run.npz", x=x, output=output)
    saved = tmp_path / "found.safetensors"
    only = ["--weights", "model_state*"] if name == "checkpoint.ckpt" else []
    assert main(["layout", str(path), "--known", str(tmp_path / "run.npz"), "--save", str(saved), *only]) == 0
    expected = lstm_ref.load(path).params
    found = conformance.read_arrays(saved)
    np.testing.assert_array_equal(found["kernel"], expected.kernel)
    np.testing.assert_array_equal(found["recurrent_kernel"], expected.recurrent_kernel)
    np.testing.assert_array_equal(found["bias"], np.asarray(expected.bias))
    program = capsys.readouterr().out.partition("import ")[1:]
    names: dict[str, Any] = {}
    exec("".join(program).partition("\n\nSaved")[0], names)
    np.testing.assert_array_equal(names["params"].kernel, expected.kernel)
