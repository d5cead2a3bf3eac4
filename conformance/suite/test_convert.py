"""`lstm-conformance convert`: what it writes computes the same in the framework that it is for, or nothing is written."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstm_ref
from conformance.cli import main
from conformance.converting import converter, to_keras, to_torch
from conformance.errors import ConversionError
from conformance.suite.exports import D, H, trained_tagger
from conformance.suite.onnx_models import lstm, model, run, saved, some_input, weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning"),
]

NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "stacked": {"num_layers": 2},
    "bidirectional": {"bidirectional": True},
    "stacked bidirectional": {"num_layers": 2, "bidirectional": True},
}


def torch_file(path: Path, double: bool = False, **options: Any) -> Any:
    module = trained_tagger(**options).lstm
    module = module.double() if double else module
    torch.save(module.state_dict(), path)
    return module


def in_torch(path: Path, x: np.ndarray[Any, Any], **options: Any) -> np.ndarray[Any, Any]:
    module = torch.nn.LSTM(D, H, batch_first=True, **options)
    module.load_state_dict(torch.load(path))
    return np.asarray(module(torch.from_numpy(x))[0].detach())


def in_keras(path: Path, x: np.ndarray[Any, Any], **options: Any) -> np.ndarray[Any, Any]:
    """What a Sequential that its user has built gives with the file's weights."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if path.suffix == ".keras":
        return np.asarray(keras.saving.load_model(path)(x))
    layers = []
    for _ in range(options.get("num_layers", 1)):
        layer = keras.layers.LSTM(H, return_sequences=True, use_bias=options.get("bias", True))
        layers.append(keras.layers.Bidirectional(layer) if options.get("bidirectional") else layer)
    sequential = keras.Sequential([keras.Input((None, D)), *layers])
    sequential.load_weights(path)
    return np.asarray(sequential(x))


@pytest.mark.parametrize("through", ["m.weights.h5", "m.keras"])
@pytest.mark.parametrize("name", NETWORKS)
def test_from_pytorch_through_keras_and_onnx_and_back(name: str, through: str, tmp_path: Path) -> None:
    options = NETWORKS[name]
    first, second, third, last = (tmp_path / file for file in ("m.pt", through, "m.onnx", "back.pt"))
    module = torch_file(first, **options)
    layers = [f"lstm_of_layer_{k}" for k in range(options.get("num_layers", 1))]
    chosen = [word for layer in layers for word in ("--name", layer)] if len(layers) > 1 else []
    assert main(["convert", str(first), str(second)]) == 0
    assert main(["convert", str(second), str(third), *chosen]) == 0
    assert main(["convert", str(third), str(last)]) == 0

    start, end = (torch.load(path) for path in (first, last))
    assert start.keys() == end.keys()
    for key, tensor in start.items():
        if key.startswith("weight"):
            assert torch.equal(tensor, end[key]), key
        elif key.startswith("bias_ih"):
            assert torch.equal(tensor + start[key.replace("ih", "hh")], end[key]), key
        else:
            assert not end[key].any()
    x = some_input(4, 6, D)
    expected = module(torch.from_numpy(x))[0].detach()
    theirs = {
        "Keras": in_keras(second, x, **options),
        "onnxruntime": run(third, X=x.swapaxes(0, 1), **_lengths(third, x))[0].swapaxes(0, 1),
        "PyTorch": in_torch(last, x, **options),
    }
    for who, output in theirs.items():
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-6, err_msg=who)


def _lengths(path: Path, x: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Of a model that is to give zeros at padding, as Keras's Bidirectional does, the lengths that it asks for."""
    zeros = lstm_ref.load(path).layers[0].options.zero_output_for_mask
    return {"sequence_lens": np.full(len(x), x.shape[1], np.int32)} if zeros else {}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ".keras", ".weights.h5", ".onnx"])
@pytest.mark.parametrize("double", [False, True])
def test_every_format_keeps_the_dtype(
    suffix: str, double: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "m.safetensors", tmp_path / f"n{suffix}"
    torch_file(tmp_path / "m.pt", double)
    assert main(["convert", str(tmp_path / "m.pt"), str(source)]) == 0
    assert main(["convert", str(source), str(target)]) == 0
    told = capsys.readouterr().out
    assert "outputs and states differ by at most 0." in told
    own = told.splitlines()[-2]  # what the other framework gives is told before the last line
    if double and suffix == ".onnx":
        assert own == "Not tried in onnxruntime: onnxruntime has no LSTM in float64."
    else:
        assert "own outputs with it differ by at most" in own
    assert lstm_ref.load(target).dtype == (np.float64 if double else np.float32)


def onnx_file(path: Path, peephole: bool = False, **attributes: Any) -> Path:
    extra = ["", "", "", "P"] if peephole else []
    return saved(path, model([lstm(extra=extra, **attributes)], weights(peephole=peephole)))


@pytest.mark.parametrize(
    ("attributes", "options"),
    [
        ({"clip": 0.5, "input_forget": 1}, {"clip": 0.5, "coupled_gates": True}),
        ({"activations": ["HardSigmoid", "Relu", "Tanh"]}, {"recurrent_activation": "hard_sigmoid_keras2"}),
        ({"direction": "reverse", "peephole": True}, {}),
    ],
)
def test_what_onnx_alone_can_say(attributes: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    source, target = onnx_file(tmp_path / "m.onnx", **attributes), tmp_path / "n.onnx"
    assert main(["convert", str(source), str(target)]) == 0
    before, after = lstm_ref.load(source).layers[0], lstm_ref.load(target).layers[0]
    assert before.options == after.options
    assert options.items() <= after.options.departures.items()
    assert [*before.directions] == [*after.directions]
    for name, array in before.params.arrays.items():
        np.testing.assert_array_equal(after.params.arrays[name], array)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".keras", ".weights.h5"])
def test_what_cannot_be_said_is_not_written(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = onnx_file(tmp_path / "m.onnx", peephole=True, clip=2.0), tmp_path / f"n{suffix}"
    assert main(["convert", str(source), str(target)]) == 2
    told = capsys.readouterr().err
    assert f"a {suffix} file cannot say what the network has: peepholes (layer 0); clip=2 (layer 0)." in told
    assert "--without clip,peephole leaves out what can be, and other numbers come out" in told
    assert main(["convert", str(source), str(target), "--without", "peephole"]) == 2
    assert not target.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx"]
    capsys.readouterr()
    assert main(["convert", str(source), str(target), "--without", "peephole,clip"]) == 0
    told = capsys.readouterr().out
    assert "Left out: peepholes (layer 0)." in told
    assert "What was left out changes the outputs by up to 0." in told
    theirs = lstm_ref.load(target).params
    assert theirs.peephole is None
    np.testing.assert_array_equal(theirs.kernel, lstm_ref.load(source).params.kernel)


@pytest.mark.parametrize(
    ("without", "message"),
    [("clip", "the network has no clip to leave out"), ("kernel", "'kernel' is nothing that can be left out")],
)
def test_only_what_is_there_is_left_out(
    without: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_file(tmp_path / "m.pt")
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n.onnx"), "--without", without]) == 2
    assert message in capsys.readouterr().err


def test_a_reverse_direction_alone_is_onnx_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = onnx_file(tmp_path / "m.onnx", direction="reverse")
    for suffix in (".pt", ".keras"):
        assert main(["convert", str(source), str(tmp_path / f"n{suffix}")]) == 2
        assert "a reverse direction alone (layer 0)." in capsys.readouterr().err


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch_file(tmp_path / "m.pt")
    target = tmp_path / "n.onnx"
    target.write_bytes(b"mine")
    assert main(["convert", str(tmp_path / "m.pt"), str(target)]) == 2
    assert "n.onnx exists. Give another name, or --force to replace it" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert main(["convert", str(tmp_path / "m.pt"), str(target), "--force"]) == 0
    assert lstm_ref.load(target).params.hidden_size == H
    target.unlink()
    target.symlink_to(tmp_path / "nowhere")
    assert main(["convert", str(tmp_path / "m.pt"), str(target)]) == 2


def test_a_target_that_came_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(ConversionError, match="has come to exist meanwhile"):
        converter._move(tmp_path / "new", tmp_path / "old", replace=False)
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("target", "message"), [("n.txt", "says no format"), ("no/n.onnx", "no directory to write it to")]
)
def test_a_target_that_cannot_be_written(
    target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_file(tmp_path / "m.pt")
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / target)]) == 2
    assert message in capsys.readouterr().err


def test_narrow_weights_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(trained_tagger().lstm.bfloat16().state_dict(), tmp_path / "m.pt")
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n.onnx")]) == 0
    assert "Its bfloat16 weights have become float32." in capsys.readouterr().out


def test_one_of_several_by_its_name(tmp_path: Path) -> None:
    torch.save(
        torch.nn.ModuleDict({"a": torch.nn.LSTM(D, 4), "b": torch.nn.LSTM(4, 2)}).state_dict(), tmp_path / "m.pt"
    )
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n.pt")]) == 2
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n.pt"), "--name", "b"]) == 0
    assert lstm_ref.load(tmp_path / "n.pt").params.hidden_size == 2
    both = ["--name", "a", "--name", "b"]
    assert (
        main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n2.pt"), *both]) == 2
    )  # PyTorch has one size for all
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n2.onnx"), *both]) == 0
    assert [layer.hidden_size for layer in lstm_ref.load(tmp_path / "n2.onnx").layers] == [4, 2]


@pytest.mark.parametrize("who", ["lstm_ref", "PyTorch"])
def test_what_computes_something_else_is_not_kept(
    who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A writer, and then a framework, that errs by a little."""
    torch_file(tmp_path / "m.pt")
    if who == "lstm_ref":
        right = to_torch.state
        monkeypatch.setattr(to_torch, "state", lambda network: {n: a * 1.001 for n, a in right(network).items()})
    else:
        ran = to_torch.run
        monkeypatch.setattr(to_torch, "run", lambda *given: np.asarray(ran(*given)) + 1e-3)
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / "n.safetensors")]) == 2
    reason = "is read as something else" if who == "lstm_ref" else "PyTorch computes something else"
    assert reason in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


@pytest.mark.parametrize(("package", "suffix"), [("keras", ".weights.h5"), ("torch", ".safetensors")])
def test_a_framework_that_is_not_installed_is_not_needed(
    package: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_file(tmp_path / "m.pt")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / f"n{suffix}")]) == 0
    assert "is not installed." in capsys.readouterr().out
    other = ".keras" if package == "keras" else ".pt"
    assert main(["convert", str(tmp_path / "m.pt"), str(tmp_path / f"o{other}")]) == 2
    assert "pip install" in capsys.readouterr().err


def test_keras_has_one_activation_for_two_places() -> None:
    params = lstm_ref.LSTMParams(np.ones((2, 8)), np.ones((2, 8)))
    network = lstm_ref.Network(lstm_ref.Layer(params, options=lstm_ref.Options(output_activation="relu")))
    assert "one activation" in to_keras.refusal(network)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_projection_goes_to_pytorch_alone(suffix: str, tmp_path: Path) -> None:
    source, target = tmp_path / "m.pt", tmp_path / f"n{suffix}"
    module = torch.nn.LSTM(D, H, 2, bidirectional=True, proj_size=2, batch_first=True)
    torch.save(module.state_dict(), source)
    assert main(["convert", str(source), str(target)]) == 0
    x = np.random.default_rng(0).normal(size=(2, 4, D)).astype(np.float32)
    expected = module(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(lstm_ref.load(target)(x)[0], expected, rtol=0, atol=1e-6)
    for other in ("n.keras", "n.onnx"):
        assert main(["convert", str(source), str(tmp_path / other)]) == 2
        assert not (tmp_path / other).exists()


@pytest.mark.parametrize("kind", ["activations", "backwards", "sum", "last", "zero"])
def test_what_keras_alone_can_say_comes_back_from_keras(kind: str, tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    layer = {
        "activations": lambda: layers.LSTM(
            H, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True
        ),
        "backwards": lambda: layers.LSTM(H, go_backwards=True, return_sequences=True),
        "sum": lambda: layers.Bidirectional(layers.LSTM(H, return_sequences=True), merge_mode="sum"),
        "last": lambda: layers.LSTM(H),
        "zero": lambda: layers.LSTM(H, zero_output_for_mask=True, return_sequences=True),
    }[kind]()
    built = keras.Sequential([keras.Input((None, D)), layer])
    built.set_weights([np.random.default_rng(k).normal(0, 0.5, w.shape) for k, w in enumerate(built.get_weights())])
    source, target = tmp_path / "m.keras", tmp_path / "n.keras"
    built.save(source)
    assert main(["convert", str(source), str(target)]) == 0
    x = np.random.default_rng(9).normal(size=(2, 5, D)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(keras.saving.load_model(target)(x)), np.asarray(built(x)), rtol=0, atol=1e-6)
    assert lstm_ref.load(target).layers[-1].options == lstm_ref.load(source).layers[-1].options
