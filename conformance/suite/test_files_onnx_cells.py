"""LSTM cells that a model computes by single operators are listed with what to do, and never passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstm_ref
from conformance.suite.measuring import measured
from conformance.suite.onnx_models import B, D, H, constant, model, saved, some_input
from conformance.suite.test_files_onnx import EXPORTERS, exported
from lstm_ref.errors import LSTMNameError, NoLSTMError, UnsupportedError

onnx = pytest.importorskip("onnx")
helper = onnx.helper


class Cells(torch.nn.Module):
    """Two cells, of which the first goes several steps; and an LSTM, if it is wanted."""

    def __init__(self, steps: int, bias: bool, with_lstm: bool) -> None:
        super().__init__()
        self.enc = torch.nn.ModuleList([torch.nn.LSTMCell(D, H, bias=bias)])
        self.dec = torch.nn.LSTMCell(H, 4)
        self.steps = steps
        self.lstm: Any = torch.nn.LSTM(D, 4) if with_lstm else None

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        for step in range(self.steps):
            h, c = self.enc[0](x[step], (h, c))
        h, c = self.dec(h)
        return h if self.lstm is None else self.lstm(x, (h[None], c[None]))


@pytest.mark.parametrize("how", EXPORTERS)
@pytest.mark.parametrize(("steps", "bias"), [(1, True), (3, False)])
@pytest.mark.parametrize("with_lstm", [False, True])
def test_cells_that_pytorch_exports_are_listed_and_refused(
    with_lstm: bool, steps: int, bias: bool, how: str, tmp_path: Path
) -> None:
    if how == "dynamo":
        pytest.importorskip("onnxscript")
    cells = Cells(steps, bias, with_lstm)
    given = torch.from_numpy(some_input()), torch.from_numpy(some_input(B, H)), torch.from_numpy(some_input(B, H))
    path = exported(cells, tmp_path / "m.onnx", how, *given)
    infos = lstm_ref.inspect(path)
    assert [info.name for info in infos] == ["lstm", "enc.0", "dec"][not with_lstm :]
    for info in infos[-2:]:
        assert "LSTM cell of single operators" in info.unsupported
        with pytest.raises(UnsupportedError, match=r"weights '.*state_dict\(\) in a \.pt file"):
            lstm_ref.load(path, info.name)
    with pytest.raises(LSTMNameError, match=r"'enc\.0', 'dec'"):
        lstm_ref.load(path)
    if cells.lstm is not None:
        expected = cells.lstm.weight_ih_l0.detach().numpy().T
        np.testing.assert_array_equal(lstm_ref.load(path, "lstm").params.kernel, expected)


@pytest.mark.parametrize("module", [torch.nn.GRUCell(D, H), torch.nn.RNNCell(D, H), torch.nn.GLU()], ids=repr)
def test_other_cells_are_none(module: torch.nn.Module, tmp_path: Path) -> None:
    given = (
        torch.from_numpy(some_input(B, 4)) if isinstance(module, torch.nn.GLU) else torch.from_numpy(some_input(B, D))
    )
    path = exported(module, tmp_path / "m.onnx", "torchscript", given)
    assert lstm_ref.inspect(path) == []
    with pytest.raises(NoLSTMError):
        lstm_ref.load(path)


def by_hand(cast: str = "Identity", activation: str = "Tanh", order: int = 1) -> list[Any]:
    """A cell with its two matrices in one, as TensorFlow has it."""
    node = helper.make_node
    return [
        node("Concat", ["X", "h"], ["xh"], axis=-1),
        node("MatMul", ["xh", "kernel"], ["z"]),
        node("Split", ["z"], ["zi", "zg", "zf", "zo"], axis=-1),
        *(node("Sigmoid", [f"z{n}"], [n]) for n in "ifo"),
        node(activation, ["zg"], ["g"]),
        node("Mul", ["i", "g"][::order], ["ig"]),
        node("Mul", ["f", "c"][::order], ["fc"]),
        node("Add", ["fc", "ig"][::order], ["sum"]),
        node(cast, ["sum"], ["c1"], **({"to": 1} if cast == "Cast" else {})),
        node(activation, ["c1"], ["a"]),
        node("Mul", ["a", "o"][::order], ["Y"]),
    ]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("cast", ["Identity", "Cast", "Clip"])
@pytest.mark.parametrize("activation", ["Tanh", "Relu"])
def test_cells_by_hand(activation: str, cast: str, order: int, tmp_path: Path) -> None:
    states = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [B, H]) for n in "hc"]
    made = model(by_hand(cast, activation, order), {"kernel": some_input(D + H, 4 * H)}, ["Y"], states, [B, D])
    (info,) = lstm_ref.inspect(saved(tmp_path / "m.onnx", made))
    assert "of the weights 'kernel' (8, 20)" in info.unsupported


def test_a_cell_in_the_body_of_a_loop(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    F = onnx.TensorProto.FLOAT
    inputs = [value("h", F, [B, H]), value("c", F, [B, H]), value("X", F, [B, D])]
    body = helper.make_graph(
        [*by_hand(), helper.make_node("Identity", ["Y"], ["out"])],
        "body",
        inputs,
        [value(n, F, None) for n in ("Y", "c1", "out")],
    )
    scan = helper.make_node("Scan", ["h0", "c0", "X0"], ["h1", "c2", "Z"], name="scan", num_scan_inputs=1, body=body)
    outer = helper.make_node("Identity", ["X"], ["X0"])
    states = [constant(n, np.zeros((B, H), np.float32)) for n in ("h0", "c0")]
    made = model([outer, *states, scan], {"kernel": some_input(D + H, 4 * H)}, ["Z"])
    (info,) = lstm_ref.inspect(saved(tmp_path / "m.onnx", made))
    assert "of single operators" in info.unsupported
    assert "'kernel' (8, 20)" in info.unsupported


def test_the_reader_has_bounds_of_time_for_very_many(tmp_path: Path) -> None:
    """A thousand cells of one another, all with the same weights."""
    nodes = []
    for k in range(1000):
        for node in by_hand():
            node.input[:] = [
                {"h": f"Y{k - 1}", "c": f"c1{k - 1}"}.get(n, n if n in ("X", "kernel") else f"{n}{k}")
                for n in node.input
            ]
            node.output[:] = [f"{n}{k}" for n in node.output]
            nodes.append(node)
    path = saved(tmp_path / "m.onnx", model(nodes, {"kernel": some_input(D + H, 4 * H)}, ["Y999"]))
    reading = measured(path)
    assert reading.told == ["read", "UnsupportedError"]
    assert reading.within_bounds, reading
