"""A damaged or hostile ONNX model gives one clear error or a correct load, in little time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_ref
from conformance.cases.draw import Draw
from conformance.suite.hostile.test_damaged import attempt
from conformance.suite.onnx_models import B, D, H, lstm, model, saved, weights
from lstm_ref.errors import CorruptFileError, LSTMError, UnknownFormatError

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto


def content(**attributes: Any) -> bytes:
    return bytes(model([lstm(name="memory", **attributes)], weights()).SerializeToString())


def test_a_truncated_copy_is_refused(tmp_path: Path) -> None:
    whole = content()
    for length in range(1, len(whole), 29):
        path = tmp_path / "m.onnx"
        path.write_bytes(whole[:length])
        assert isinstance(attempt(path), CorruptFileError | UnknownFormatError), length


def test_ten_random_bytes_changed(tmp_path: Path) -> None:
    whole = content(activations=["Sigmoid", "Tanh", "Tanh"], direction="reverse", clip=3.0)
    draw = Draw("ten bytes of ONNX")
    refused = 0
    for number in range(300):
        damaged = bytearray(whole)
        places = draw.integers(len(whole), 10).tolist()
        if number % 2:  # what is not numbers is where damage does most
            places = [k if k < 150 else len(whole) - 1 - k % 150 for k in draw.integers(300, 10)]
        for place, byte in zip(places, draw.integers(256, 10), strict=True):
            damaged[place] = byte
        path = tmp_path / "m.onnx"
        path.write_bytes(damaged)
        refused += attempt(path) is not None
    assert refused > 100


def test_fields_in_another_order(tmp_path: Path) -> None:
    whole = onnx.ModelProto.FromString(content())
    graph = onnx.ModelProto(graph=whole.graph).SerializeToString()
    whole.ClearField("graph")
    path = tmp_path / "m.onnx"
    path.write_bytes(graph + whole.SerializeToString())
    assert lstm_ref.load(path).params.hidden_size == H


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def of_graph(graph: bytes) -> bytes:
    return b"\x08\x08" + field(7, graph)


def nested(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return of_graph(graph)


def grown(op: str, steps: int, count: int = 2) -> bytes:
    more = {"axis": 0} if op == "Concat" else {}
    count = count if op == "Concat" else 1
    nodes = [helper.make_node(op, [f"w{k}"] * count, [f"w{k + 1}"], **more) for k in range(steps)]
    arrays = weights()
    arrays["w0"] = arrays.pop("W")
    node = helper.make_node("LSTM", ["X", f"w{steps}", "R", "B"], ["Y"], name="memory")
    return bytes(model([*nodes, node], arrays, ["Y"]).SerializeToString())


def many(joined: bool) -> bytes:
    nodes, x = [], "X"
    for k in range(5000):
        nodes += [helper.make_node("LSTM", [x, "W", "R", "B"], [f"Y{k}"])]
        if joined:
            nodes += [helper.make_node("Squeeze", [f"Y{k}", "one"], [f"x{k}"])]
            x = f"x{k}"
    arrays = weights(inputs=H) | {"one": np.array([1])}
    return bytes(model(nodes, arrays, [], shape=["T", "B", H]).SerializeToString())


def told(dims: list[int], data: bytes) -> bytes:
    arrays = weights()
    arrays.pop("W")
    made = model([lstm()], arrays)
    made.graph.initializer.append(TensorProto(name="W", data_type=1, dims=dims, raw_data=data))
    return bytes(made.SerializeToString())


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "millions of nodes": (lambda: of_graph(field(1, b"") * 3_000_000), "many small parts"),
    "packed numbers": (lambda: of_graph(field(1, field(5, field(8, bytes(10_000_000))))), "many small parts"),
    "deep": (lambda: nested(5000), "more than 100 deep"),
    "doubled": (lambda: grown("Concat", 60), "in more than 200 steps"),
    "repeated": (lambda: grown("Concat", 1, 50_000), "larger than what the file holds"),
    "turned": (lambda: grown("Transpose", 5000), "in more than 200 steps"),
    "named": (lambda: grown("Identity", 5000), ""),
    "huge": (lambda: told([1, 2**60, 2**60], b"1234"), "has 1 numbers, expected"),
    "huge and empty": (lambda: told([1, 0, 2**60], b""), "its W has shape"),
    "negative": (lambda: told([1, -20, -3], bytes(240)), r"its W has shape \(1, -20, -3\)"),
    "of many axes": (lambda: told([1] * 100, bytes(4)), "its W has shape"),
    "5000 nodes": (lambda: many(joined=False), "holds 5000 LSTMs"),
    "5000 layers": (lambda: many(joined=True), ""),
    "long names": (lambda: content(activations=["x" * 100_000] * 3), "'xxx"),
}

TRY = """
import resource, sys, time, numpy, lstm_ref
from lstm_ref.errors import LSTMError
import onnx
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    lstm_ref.load(sys.argv[1])
    message = ""
except LSTMError as error:
    message = str(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, message)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_files_made_to_exhaust_the_reader(name: str, tmp_path: Path) -> None:
    data, message = HOSTILE[name][0](), HOSTILE[name][1]
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    started = time.monotonic()
    command = [sys.executable, "-c", TRY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=os.getcwd())
    assert time.monotonic() - started < 20 + len(data) / 1e7
    kilobytes, _, said = done.stdout.partition(" ")
    assert int(kilobytes) < 64e3 + 4 * len(data) / 1e3
    if message:
        with pytest.raises(LSTMError, match=message):
            lstm_ref.load(path)
        assert len(said) < 1000
    else:
        assert not said.strip()


def test_the_memory_that_is_counted_is_what_protobuf_takes() -> None:
    """The count must not be below what is taken, or the limit is none."""
    from lstm_ref.formats import onnx_wire

    data = of_graph(
        field(1, b"") * 300_000 + field(5, b"\x08\x01" * 300_000) + field(1, field(5, field(8, bytes(3_000_000))))
    )
    counted = onnx_wire.weight(data, onnx.ModelProto.DESCRIPTOR, 1e12)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = onnx.ModelProto.FromString(data)
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert kept.graph
    assert taken < counted


def test_names_that_are_no_text_or_that_a_terminal_would_obey(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from conformance.cli import main

    path = tmp_path / "m.onnx"
    path.write_bytes(content().replace(b"memory", b"\x1b[31m\xff"))
    assert main(["inspect", str(path)]) == 0
    assert "\\x1b[31m\\udcff.l0" in capsys.readouterr().out


@pytest.mark.parametrize("twice", ["initializer", "output", "both"])
def test_two_values_of_one_name_are_refused(twice: str, tmp_path: Path) -> None:
    made = model([lstm()], weights())
    if twice == "initializer":
        made.graph.initializer.append(made.graph.initializer[0])
    elif twice == "output":
        made.graph.node.append(made.graph.node[0])
    else:
        made.graph.node.append(helper.make_node("Identity", ["X"], ["W"]))
    with pytest.raises(CorruptFileError, match="of one graph are called"):
        lstm_ref.load(saved(tmp_path / "m.onnx", made))


def test_a_pipe_beside_the_model_is_not_waited_for(tmp_path: Path) -> None:
    arrays = weights()
    arrays.pop("W")
    made = model([lstm()], arrays)
    tensor = made.graph.initializer.add(name="W", data_type=1, dims=[1, 4 * H, D], data_location=1)
    tensor.external_data.add(key="location", value="pipe")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LSTMError, match="'pipe', which is no file"):
        lstm_ref.load(saved(tmp_path / "m.onnx", made))


def test_onnx_that_is_not_installed_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content())
    program = (
        "import sys; sys.modules['onnx'] = None; import lstm_ref\n"
        "try: lstm_ref.load(sys.argv[1])\nexcept lstm_ref.errors.MissingPackageError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "pip install 'lstm-conformance[onnx]'" in done.stdout


def test_a_shared_shape_of_states_is_no_state(tmp_path: Path) -> None:
    """A state that is both constant and given is told as what is worse."""
    nodes = [helper.make_node("Concat", ["X0", "h0"], ["h"], axis=0), lstm(extra=["", "h"])]
    inputs = [helper.make_tensor_value_info("X0", TensorProto.FLOAT, [0, B, H])]
    path = saved(tmp_path / "m.onnx", model(nodes, weights() | {"h0": np.ones((1, B, H), "f4")}, inputs=inputs))
    with pytest.raises(LSTMError, match=r"initial_h of 'Y' is constant and not zero \('h0'\)"):
        lstm_ref.load(path)
