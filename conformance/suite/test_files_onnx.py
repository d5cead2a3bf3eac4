"""An ONNX model's LSTMs compute here what onnxruntime, or the PyTorch model that was exported, computes."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstm_ref
from conformance.suite.exports import Tagger, trained_tagger
from conformance.suite.onnx_models import B, D, H, T, compared, constant, lstm, model, run, saved, some_input, weights
from lstm_ref.errors import UnsupportedError

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

EXPORTERS = ("torchscript", "dynamo")


def exported(module: torch.nn.Module, path: Path, how: str, *inputs: torch.Tensor, **more: Any) -> Path:
    """A file that one of PyTorch's two exporters wrote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of both exporters: about batches, and about the other one
        given = inputs or (torch.from_numpy(some_input(B, T, D)),)
        torch.onnx.export(module.eval(), given, path, dynamo=how == "dynamo", **more)
    return path


@pytest.mark.parametrize("how", EXPORTERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"num_layers": 3, "dropout": 0.5},
        {"num_layers": 2, "bidirectional": True},
        {"bias": False},
    ],
    ids=str,
)
def test_a_pytorch_export_is_one_lstm(
    how: str, options: dict[str, Any], tmp_path: Path, not_run: Callable[[str], None]
) -> None:
    if how == "dynamo" and importlib.util.find_spec("onnxscript") is None:
        not_run("onnxscript is not installed")
    tagger = trained_tagger(**options)
    path = exported(tagger, tmp_path / "m.onnx", how)
    (info,) = lstm_ref.inspect(path)
    assert (info.name, info.layers, len(info.directions)) == (
        "lstm",
        options.get("num_layers", 1),
        2 if options.get("bidirectional") else 1,
    )
    assert not info.remarks
    x = some_input(2, 5, D)  # of another batch and length than the export's
    expected, (h, c) = tagger.lstm(torch.from_numpy(x))
    output, state = lstm_ref.load(path)(x)
    np.testing.assert_allclose(output, expected.detach(), rtol=0, atol=1e-6)
    for ours, theirs in zip(state, (h, c), strict=True):
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"dynamic_axes": {"x": {0: "b", 1: "t"}}, "input_names": ["x"]},
        {"do_constant_folding": False, "opset_version": 9},
        {"do_constant_folding": False, "opset_version": 13, "keep_initializers_as_inputs": True},
        {"opset_version": 18},
    ],
    ids=["dynamic", "computed weights", "replaceable weights", "opset 18"],
)
def test_ways_to_export_from_pytorch(more: dict[str, Any], tmp_path: Path) -> None:
    tagger = trained_tagger(num_layers=2, bidirectional=True)
    path = exported(tagger, tmp_path / "m.onnx", "torchscript", **more)
    (info,) = lstm_ref.inspect(path)
    assert any("replace" in remark for remark in info.remarks) == ("keep_initializers_as_inputs" in more)
    x = some_input(2, 5, D)
    expected, _ = tagger.lstm(torch.from_numpy(x))
    np.testing.assert_allclose(lstm_ref.load(path)(x)[0], expected.detach(), rtol=0, atol=1e-6)


class Two(torch.nn.Module):
    """An encoder and what takes its outputs, in modules of their own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.enc = torch.nn.ModuleList([Tagger(), torch.nn.LSTM(D, H)])
        self.dec = torch.nn.LSTM(H, 4)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        y, state = self.enc[1](x, (h, c))
        return self.dec(y)[0], state


def test_modules_of_a_model_are_lstms_of_their_own(tmp_path: Path) -> None:
    two = Two()
    x, h, c = some_input(), some_input(1, B, H), some_input(1, B, H) / 2
    path = exported(
        two, tmp_path / "m.onnx", "torchscript", *map(torch.from_numpy, (x, h, c)), input_names=["x", "h", "c"]
    )
    encoder, decoder = lstm_ref.inspect(path)
    assert (encoder.name, decoder.name) == ("enc.1", "dec")
    assert [remark.partition(":")[0] for remark in encoder.remarks] == [
        "The initial_h of '/enc.1/LSTM' comes from 'h'",
        "The initial_c of '/enc.1/LSTM' comes from 'c'",
    ]
    expected, state = two(*map(torch.from_numpy, (x, h, c)))
    y, ours = lstm_ref.load(path, "enc.1")(x.swapaxes(0, 1), (h[0], c[0]))
    np.testing.assert_allclose(ours[0], state[0][0].detach(), rtol=0, atol=1e-6)
    output, _ = lstm_ref.load(path, "dec")(y)
    np.testing.assert_allclose(output.swapaxes(0, 1), expected.detach(), rtol=0, atol=1e-6)
    assert len(lstm_ref.load(path, ["enc.1", "dec"]).layers) == 2


def test_a_projection_is_refused_whichever_way_it_was_exported(tmp_path: Path) -> None:
    """The newer exporter writes an LSTM of P units with parts of the weights, and leaves weight_hr out; made here after its model."""
    arrays = weights(units=2)
    states = {"zeros": np.zeros((1, B, 2), "f4"), "more zeros": np.zeros((1, B, H), "f4")}
    node = lstm(extra=["", *states], hidden_size=2)
    for made in (
        model([node], arrays | states),
        model([lstm(hidden_size=2)], arrays, value_info=[helper.make_tensor_value_info("Y_c", 1, [1, B, H])]),
    ):
        path = saved(tmp_path / "m.onnx", made)
        with pytest.raises(UnsupportedError, match=r"shape \(1, 4, 5\), expected 2 units; .* with a projection"):
            lstm_ref.load(path)
    del made.graph.value_info[:]
    assert lstm_ref.load(saved(path, made)).params.hidden_size == 2
    property_ = made.graph.node[0].metadata_props.add()
    property_.key, property_.value = "pkg.torch.onnx.fx_node", "aten.lstm.input(args = (%input, [%p_weight_hr_l0]"
    with pytest.raises(UnsupportedError, match="with a projection"):
        lstm_ref.load(saved(path, made))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("opset", [7, 14, 22])
@pytest.mark.parametrize("peephole", [False, True])
def test_every_opset_and_direction(direction: str, opset: int, peephole: bool, tmp_path: Path) -> None:
    arrays = weights(2 if direction == "bidirectional" else 1, peephole=peephole)
    node = lstm(extra=["", "", "", "P"] if peephole else [], direction=direction)
    path = saved(tmp_path / "m.onnx", model([node], arrays, opset=opset))
    x = some_input()
    compared(lstm_ref.load(path), x, run(path, X=x))


def test_opset_1_without_kinds_of_attributes(tmp_path: Path) -> None:
    made = model([lstm(direction="reverse", output_sequence=1)], weights(), opset=1)
    later = saved(tmp_path / "later.onnx", model([lstm(direction="reverse")], weights()))
    for attribute in made.graph.node[0].attribute:
        attribute.ClearField("type")  # versions of 2017 had no such field
    compared(lstm_ref.load(saved(tmp_path / "m.onnx", made)), some_input(), run(later, X=some_input()))


@pytest.mark.parametrize(
    ("attributes", "options"),
    [
        ({"activations": ["Sigmoid", "Tanh", "Tanh"]}, {}),
        ({"activations": ["sigmoid", "relu", "softsign"]}, {"activation": "relu", "output_activation": "softsign"}),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, {"recurrent_activation": "hard_sigmoid_keras2"}),
        (
            {"activations": ["HardSigmoid", "Tanh", "Elu"], "activation_alpha": [1 / 6, 1.0], "activation_beta": [0.5]},
            {"recurrent_activation": "hard_sigmoid", "output_activation": "elu"},
        ),
        (
            {"activations": ["Sigmoid", "Affine", "Softplus"], "activation_alpha": [1.0], "activation_beta": [0.0]},
            {"activation": "linear", "output_activation": "softplus"},
        ),
        ({"clip": 0.5}, {"clip": 0.5}),
        ({"clip": float(np.finfo(np.float32).max)}, {}),
        ({"input_forget": 1}, {"coupled_gates": True}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_attributes_become_options(attributes: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    arrays = {
        name: array * 0.3 for name, array in weights().items()
    }  # onnxruntime leaves some sums above its clip alone
    path = saved(tmp_path / "m.onnx", model([lstm(**attributes)], arrays))
    network = lstm_ref.load(path)
    assert network.layers[0].options.departures == options
    compared(network, some_input(), run(path, X=some_input()))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [0.3]}, "activation 'hardsigmoid' with alpha=0.3"),
        ({"activations": ["Sigmoid", "ScaledTanh", "Tanh"]}, "activation 'scaledtanh' is none"),
        ({"activations": ["Sigmoid", "Tanh"]}, "has 2 activations, expected 3"),
        ({"activations": ["Sigmoid", "Tanh", "Elu"], "activation_alpha": [0.0, 0.0, 1.0]}, "has 3 numbers, and 1 of its activations"),
        ({"activation_alpha": [0.1]}, "has numbers for activations"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"clip": float("nan")}, "clip is nan"),
        ({"clip": 1}, "attribute clip is not one value"),
        ({"input_forget": 2}, "input_forget is 2"),
        ({"direction": "backward"}, "direction is 'backward'"),
        ({"direction": "bidirectional"}, r"W has shape \(1, 20, 3\), expected \(2, 20, 3\)"),
        ({"hidden_size": 4}, "hidden_size is 4, and its R is of 5"),
        ({"layer_norm": 1}, "attribute 'layer_norm'"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_by_name(attributes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", model([lstm(**attributes)], weights()))
    with pytest.raises(UnsupportedError, match=message):
        lstm_ref.load(path)
    for part in lstm_ref.inspect(path)[0].parts:
        with pytest.raises(UnsupportedError):
            lstm_ref.load(path, part.name)


def test_directions_of_different_activations_are_refused(tmp_path: Path) -> None:
    node = lstm(direction="bidirectional", activations=["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Relu", "Tanh"])
    with pytest.raises(UnsupportedError, match="different activations, sigmoid, tanh, tanh and sigmoid, relu, tanh"):
        lstm_ref.load(saved(tmp_path / "m.onnx", model([node], weights(2))))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_lengths_of_sequences_are_a_mask(direction: str, tmp_path: Path) -> None:
    directions = 2 if direction == "bidirectional" else 1
    lengths = helper.make_tensor_value_info("lengths", onnx.TensorProto.INT32, ["B"])
    made = model([lstm(extra=["lengths"], direction=direction)], weights(directions), inputs=[lengths])
    path = saved(tmp_path / "m.onnx", made)
    (info,) = lstm_ref.inspect(path)
    assert "'lengths': give the network a mask" in info.remarks[0]
    given = np.array([6, 1, 4, 3], np.int32)
    mask = np.arange(T) < given[:, None]
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input(), lengths=given), mask=mask)


def test_layout_1_is_only_told(tmp_path: Path) -> None:
    other = saved(tmp_path / "other.onnx", model([lstm()], weights()))
    path = saved(tmp_path / "m.onnx", model([lstm(layout=1)], weights(), shape=("B", "T", D)))
    assert "samples first" in lstm_ref.inspect(path)[0].remarks[0]
    compared(lstm_ref.load(path), some_input(), run(other, X=some_input()))


@pytest.mark.parametrize(
    ("nodes", "kind"),
    [
        ([constant("h", np.zeros((1, B, H), "f4"))], "zero"),
        ([constant("h", np.full((1, B, H), 0.1, "f4"))], "constant"),
        ([constant("z", np.float32(0)), constant("s", [1, B, H]), helper.make_node("Expand", ["z", "s"], ["h"])], "zero"),
        ([constant("z", np.float32(1)), constant("s", [1, B, H]), helper.make_node("Expand", ["z", "s"], ["h"])], "constant"),
        ([constant("s", [1, B, H]), helper.make_node("ConstantOfShape", ["s"], ["h"])], "zero"),
        (
            [
                constant("s", [1, B, H]),
                helper.make_node(
                    "ConstantOfShape", ["s"], ["h"], value=numpy_helper.from_array(np.array([0.5], np.float32))
                ),
            ],
            "constant",
        ),
        ([constant("z", np.zeros((1, B, H), "f4")), helper.make_node("Exp", ["z"], ["h"])], "constant"),
        (
            [
                helper.make_node("Slice", ["X", "a", "b"], ["x0"]),
                helper.make_node("MatMul", ["x0", "M"], ["h"]),
            ],
            "given",
        ),
    ],
)  # fmt: skip
def test_initial_states_are_zero_or_told(nodes: list[Any], kind: str, tmp_path: Path) -> None:
    arrays = weights() | {"a": np.array([0]), "b": np.array([1]), "M": some_input(D, H)}
    path = saved(tmp_path / "m.onnx", model([*nodes, lstm(extra=["", "h"], name="memory")], arrays))
    run(path, X=some_input())
    (info,) = lstm_ref.inspect(path)
    if kind == "constant":
        with pytest.raises(UnsupportedError, match="initial_h of 'memory' is constant and not zero"):
            lstm_ref.load(path)
        state = tuple(np.full((B, H), v, "f4") for v in (run_of_h(path, tmp_path), 0))
        compared(lstm_ref.load(path, "memory.l0"), some_input(), run(path, X=some_input()), state=state)
    elif kind == "given":
        assert info.remarks[0] == "The initial_h of 'memory' comes from 'h': give the network that state."
    else:
        assert not info.remarks
        compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))


def run_of_h(path: Path, folder: Path) -> float:
    """The number that all of h is."""
    made = onnx.load(path)
    made.graph.output.append(helper.make_tensor_value_info("h", 1, None))
    return float(run(saved(folder / "h.onnx", made), X=some_input())[-1].flat[0])
