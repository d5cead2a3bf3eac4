"""Whole networks from PyTorch's files, and what is refused there by name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import lstm_ref
from conformance.cases.draw import Draw
from lstm_ref.errors import (
    LSTMNameError,
    UnsafeFileError,
    UnsupportedError,
)

# What torch says of its own old and slow ways.
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning"),
]

D, H, B, T = 3, 4, 3, 6

MODULES: dict[str, dict[str, Any]] = {
    "plain": {},
    "stacked": {"num_layers": 3},
    "both": {"bidirectional": True},
    "stacked-both": {"num_layers": 2, "bidirectional": True},
    "projection": {"proj_size": 2},
    "stacked-both-projection": {"num_layers": 2, "bidirectional": True, "proj_size": 3},
    "no-bias": {"num_layers": 2, "bias": False},
}


def module(**options: Any) -> torch.nn.LSTM:
    torch.manual_seed(7)
    return torch.nn.LSTM(D, H, batch_first=True, **options)


def x() -> np.ndarray[Any, Any]:
    return Draw("torch files").uniform(1.0, B, T, D).astype(np.float32)


def agrees(network: lstm_ref.Network, lstm: Any) -> None:
    """Outputs and final states are the module's own, also where sequences end early."""
    given = torch.from_numpy(x())
    expected, (h, c) = lstm(given)
    output, (h_n, c_n) = network(x())
    for actual, true in ((output, expected), (h_n, h), (c_n, c)):
        np.testing.assert_allclose(actual.reshape(true.shape), true.detach().numpy(), rtol=0, atol=1e-6)
    lengths = torch.tensor([6, 2, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
    _, (h, _) = lstm(packed)
    mask = np.arange(T) < lengths.numpy()[:, None]
    np.testing.assert_allclose(network(x(), None, mask)[1][0].reshape(h.shape), h.detach().numpy(), rtol=0, atol=1e-6)


def saved(state: Any, path: Path) -> Path:
    """In the format that the suffix stands for."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=path.suffix != ".pth")
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("kind", MODULES)
def test_a_whole_network_computes_what_its_module_does(kind: str, suffix: str, tmp_path: Path) -> None:
    lstm = module(**MODULES[kind])
    path = saved({f"encoder.{name}": value for name, value in lstm.state_dict().items()}, tmp_path / f"m{suffix}")
    agrees(lstm_ref.load(path), lstm)
    (info,) = lstm_ref.inspect(path)
    assert (info.layers, len(info.directions)) == (lstm.num_layers, 1 + lstm.bidirectional)
    assert {part.projection for part in info.parts} == {lstm.proj_size}


Change = Callable[[dict[str, Any]], Any]


def without(*names: str) -> Change:
    return lambda state: {name: value for name, value in state.items() if name not in names}


def put(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda state: {**state, name: change(state[name])}


class Odd(torch.Tensor):
    """A tensor of a class of its own."""


REFUSED: dict[str, tuple[Change, str]] = {
    "sparse": (put("bias_ih_l1", lambda t: t.to_sparse()), "its bias_ih is a sparse tensor"),
    "quantized": (
        put("bias_hh_l0", lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
        "its bias_hh is a quantized tensor",
    ),
    "meta": (put("weight_ih_l1_reverse", lambda t: t.to("meta")), "its weight_ih is a tensor on the meta device"),
    "numpy": (put("bias_ih_l0", lambda t: t.numpy()), "its bias_ih is a NumPy array"),
    "list": (put("bias_ih_l0", lambda t: t.tolist()), "its bias_ih is of Python's type list"),
    "none": (put("bias_ih_l0", lambda t: None), "its bias_ih is of Python's type NoneType"),
    "double-name": (
        lambda state: {"m.weight_ih_l0": torch.ones(16, 3), "m": state},
        "its weight_ih has the name of another one",
    ),
    "key-of-two-types": (
        lambda state: {0: state, "0": state | {"bias_hh_l1": torch.ones(16)}},
        "has the name of another",
    ),
    "integers": (put("bias_hh_l1", lambda t: t.int()), "weights of type float32, int32"),
    "one-bias": (without("bias_hh_l1"), "its bias_hh is not in the file"),
    "biases-of-a-layer": (without("bias_ih_l1", "bias_hh_l1"), "its bias_ih and bias_hh are not in the file"),
    "half-a-layer": (without("weight_hh_l1_reverse"), "its weight_hh is not in the file"),
    "second-layer-alone": (
        lambda state: {name: value for name, value in state.items() if "_l1" in name},
        "weights of its layers 1, and of none between or before",
    ),
    "direction-of-a-layer": (
        lambda state: {name: value for name, value in state.items() if "_l1_reverse" not in name},
        "layer 0 has the directions forward and reverse, its layer 1 has forward",
    ),
    "shape": (put("bias_hh_l1", lambda t: t[:8]), "its tensors are not of one LSTM"),
    "further": (lambda state: {**state, "weight_ch": torch.ones(12)}, "further weights beside an LSTM's"),
}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(kind, suffix) for kind in REFUSED for suffix in (".pt", ".pth")],
)
def test_what_cannot_be_read_or_is_missing_is_refused_by_name(kind: str, suffix: str, tmp_path: Path) -> None:
    change, reason = REFUSED[kind]
    state = dict(module(num_layers=2, bidirectional=True).state_dict())
    path = saved(change(state), tmp_path / f"m{suffix}")
    with pytest.raises(UnsupportedError, match=reason):
        lstm_ref.load(path)
    (info,) = lstm_ref.inspect(path)
    assert info.unsupported


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_negated_view_has_its_sign(dtype: torch.dtype, tmp_path: Path) -> None:
    lstm = module().to(dtype)
    path = saved({name: torch._neg_view(value) for name, value in lstm.state_dict().items()}, tmp_path / "m.pt")
    kernel = lstm_ref.load(path).params.kernel
    np.testing.assert_array_equal(
        kernel.T, -lstm.state_dict()["weight_ih_l0"].to(torch.float64).numpy().astype(kernel.dtype)
    )


def test_tensors_with_attributes_and_weights_of_two_names_are_read(tmp_path: Path) -> None:
    state = dict(module().state_dict())
    state["bias_ih_l0"].note = "mine"
    path = saved({"model": state, "best": state}, tmp_path / "m.pt")
    assert [info.name for info in lstm_ref.inspect(path)] == ["model", "best"]
    np.testing.assert_array_equal(lstm_ref.load(path, "best").params.kernel.T, state["weight_ih_l0"].numpy())


@pytest.mark.parametrize("value", [None, [1.0], torch.ones(2, 4).to_sparse(), torch.ones(1, 2, 4)])
def test_a_projection_that_cannot_be_read_is_refused(value: Any, tmp_path: Path) -> None:
    state = {**module(num_layers=2, proj_size=2).state_dict(), "weight_hr_l1": value}
    path = saved(state, tmp_path / "m.pt")
    with pytest.raises(UnsupportedError, match="'l1': its"):
        lstm_ref.load(path)


class Model(torch.nn.Module):
    """An LSTM inside of a module inside of a module, beside others."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(module(num_layers=2, bidirectional=True))
        self.decoder = torch.nn.LSTMCell(2 * H, 2)
        self.register_buffer("scale", torch.ones(3))
        self.steps = [1, 2, 3]

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        output, _ = self.encoder(given * torch.as_tensor(self.scale))
        h, _ = self.decoder(output[:, 0])
        return torch.as_tensor(h)


EXPORTS: dict[str, Callable[[Any, Path], None]] = {
    "scripted": lambda model, path: torch.jit.script(model).save(path),
    "traced": lambda model, path: torch.jit.trace(model, (torch.from_numpy(x()),)).save(path),  # type: ignore[no-untyped-call]
    "exported": lambda model, path: torch.export.save(torch.export.export(model, (torch.from_numpy(x()),)), path),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_programs_are_read_and_not_run(kind: str, tmp_path: Path) -> None:
    model, path = Model().eval(), tmp_path / "m.pt2"
    EXPORTS[kind](model, path)
    assert [info.name for info in lstm_ref.inspect(path)] == ["encoder.0", "decoder"]
    agrees(lstm_ref.load(path, "encoder.0"), model.encoder[0])
    np.testing.assert_array_equal(
        lstm_ref.load(path, "decoder").params.kernel.T, model.decoder.weight_ih.detach().numpy()
    )


def test_a_weight_that_an_export_pickles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    EXPORTS["exported"](Model().eval(), path)
    changed = tmp_path / "changed.pt2"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("model_weights_config.json"):
                told = json.loads(content)
                told["config"]["encoder.0.bias_hh_l1"]["use_pickle"] = True
                content = json.dumps(told).encode()
            new.writestr(name, content)
    with pytest.raises(UnsupportedError, match="its bias_hh is not stored as plain numbers"):
        lstm_ref.load(changed, "encoder.0")


def test_wrappers_need_not_be_named(tmp_path: Path) -> None:
    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = torch.nn.ModuleDict({"lstm": module(num_layers=2)})
            self.decoder = torch.nn.LSTMCell(D, H)

    model = Pair()
    state = torch.nn.DataParallel(model).state_dict()
    state |= {f"_orig_mod.{name}": value for name, value in model.state_dict().items() if name.startswith("decoder")}
    compiled: Any = Pair()
    compiled.encoder["lstm"] = torch.compile(compiled.encoder["lstm"])
    for content in (state, {"model_state": state}, compiled.state_dict()):
        path = saved(content, tmp_path / "m.pt")
        agrees(lstm_ref.load(path, "encoder.lstm"), model.encoder["lstm"])
    path = saved(state, tmp_path / "m.pt")
    with pytest.raises(LSTMNameError, match="'decoder' fits 2"):
        lstm_ref.load(path, "decoder")


def test_several_modules_are_stacked_if_their_sizes_fit(tmp_path: Path) -> None:
    first, second = module(bidirectional=True), torch.nn.LSTM(2 * H, 2, batch_first=True)
    path = saved({"a": first.state_dict(), "b": second.state_dict()}, tmp_path / "m.pt")
    network = lstm_ref.load(path, ["a", "b"])
    expected = second(first(torch.from_numpy(x()))[0])[0].detach().numpy()
    np.testing.assert_allclose(network(x())[0], expected, rtol=0, atol=1e-6)
    with pytest.raises(LSTMNameError, match=r"layer 0 gives .* with 2 units, and layer 1 takes a sequence of 3"):
        lstm_ref.load(path, ["b", "a"])


def test_an_archive_with_two_entries_of_one_name_is_refused(tmp_path: Path) -> None:
    path = saved(module().state_dict(), tmp_path / "m.pt")
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data/0"))
        content = archive.read(name)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, bytes(len(content)))
    with pytest.raises(UnsafeFileError, match="two entries of one name"):
        lstm_ref.load(path)


def test_what_loads_is_what_torch_loads_tensor_for_tensor(tmp_path: Path) -> None:
    from lstm_ref.formats import contents

    lstm = module(num_layers=2, bidirectional=True)
    wide = torch.arange(200, dtype=torch.float32)
    states: list[dict[str, Any]] = [
        dict(lstm.state_dict()),
        dict(lstm.double().state_dict()),
        {
            "a": wide[3:15].view(3, 4).t(),
            "b": wide.expand(2, 200)[:, ::7],
            "c": wide[5],
            "d": wide[:0],
            "e": wide.half(),
        },
        {"nested": {"list": [wide[:3], {"deep": wide[7:9]}], "p": torch.nn.Parameter(wide[:2])}, "i": torch.arange(3)},
    ]
    for k, state in enumerate(states):
        for suffix in (".pt", ".pth"):
            path = saved(state, tmp_path / f"{k}{suffix}")
            found = contents(path).tensors
            known = dict(flattened(torch.load(path, weights_only=True)))
            assert found.keys() == known.keys()
            for name, tensor in known.items():
                assert found[name].read().tobytes() == tensor.detach().numpy().tobytes(), name
                assert found[name].shape == tuple(tensor.shape)


def flattened(value: Any, *keys: str) -> Any:
    if isinstance(value, torch.Tensor):
        yield ".".join(keys), value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flattened(item, *keys, str(key))
