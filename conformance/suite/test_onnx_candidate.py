"""ONNX files as candidates: their own graphs, with a case's weights in place of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from conformance.cli import main
from conformance.errors import CONFORMS, DOES_NOT, MISUSE
from conformance.suite.onnx_models import lstm, model, saved, weights

STATES = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in ("h0", "c0")]
LENGTHS = helper.make_tensor_value_info("lengths", TensorProto.INT32, [None])


def batch_first(path: Path, states: Sequence[str] = ("h0", "c0"), perm: Sequence[int] = (1, 0, 2)) -> Path:
    """A graph that takes (B, T, D) and gives (B, T, H), and states without an axis of directions."""
    nodes = [
        helper.make_node("Transpose", ["X"], ["turned"], perm=perm),
        lstm("turned", extra=["", *states]),
        helper.make_node("Squeeze", ["Y", "one"], ["no directions"]),
        helper.make_node("Transpose", ["no directions"], ["out"], perm=[1, 0, 2]),
        helper.make_node("Squeeze", ["Y_h", "zero"], ["h"]),
        helper.make_node("Squeeze", ["Y_c", "zero"], ["c"]),
    ]
    arrays = weights() | {"one": np.array([1]), "zero": np.array([0])}
    inputs = [*STATES] if "h0" in states else []
    return saved(path, model(nodes, arrays, ["out", "h", "c"], inputs, ("B", "T", "D")))


def checked(capsys: Any, *words: str) -> tuple[int, str]:
    status = main(["check", *words])
    out = capsys.readouterr()
    return status, out.out + out.err


@pytest.mark.parametrize(("engine", "count"), [("", 353), (":evaluator", 706)])
def test_a_graph_is_run_with_the_cases_weights_in_all_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str, count: int
) -> None:
    status, text = checked(capsys, f"onnx:{batch_first(tmp_path / 'm.onnx')}{engine}")
    assert status == CONFORMS, text
    assert f"{count} checks: {count} passed" in text


def test_which_input_is_which_state_is_told_by_the_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = checked(capsys, f"onnx:{batch_first(tmp_path / 'm.onnx', ('c0', 'h0'))}")
    assert status == CONFORMS, text


def test_a_graph_that_turns_the_wrong_axes_does_not_conform(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [
        lstm(extra=["", "h0", "c0"]),
        helper.make_node("Reshape", ["Y", "target"], ["out"]),  # (T, 1, B, H) taken for (B, T, H)
    ]
    shape = [
        helper.make_node("Shape", ["X"], ["TBD"]),
        helper.make_node("Gather", ["TBD", "turn"], ["BT"]),
        helper.make_node("Concat", ["BT", "rest"], ["target"], axis=0),
    ]
    arrays = weights() | {"turn": np.array([1, 0]), "rest": np.array([-1])}
    path = saved(tmp_path / "m.onnx", model([*shape, *nodes], arrays, ["out", "Y_h", "Y_c"], STATES))
    status, text = checked(capsys, f"onnx:{path}")
    assert status == DOES_NOT
    assert "numbers are wrong" in text
    assert "h                        115" in text


@pytest.mark.parametrize("engine", ["", ":evaluator"])
def test_its_own_direction_and_options_choose_the_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    node = lstm(extra=["", "h0", "c0", "P"], direction="reverse")
    path = saved(tmp_path / "m.onnx", model([node], weights(peephole=True), inputs=STATES))
    status, text = checked(capsys, f"onnx:{path}{engine}")
    assert status == CONFORMS, text
    assert "Asked for the plain LSTM, reverse, peephole; not for" in text
    assert "its LSTM is reverse (" in text


def test_lengths_that_are_an_input_are_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = model([lstm(extra=["lengths", "h0", "c0"])], weights(), inputs=[*STATES, LENGTHS])
    path = saved(tmp_path / "m.onnx", made)
    status, text = checked(capsys, f"onnx:{path}")
    assert status == CONFORMS, text
    assert "Asked for the plain LSTM, mask, zero-output; not for" in text
    status, text = checked(capsys, f"onnx:{path}:evaluator")
    assert status == CONFORMS, text
    assert "without: mask, zero-output" in text


def test_a_state_that_is_no_input_is_declared_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = checked(capsys, f"onnx:{batch_first(tmp_path / 'm.onnx', ())}")
    assert status == CONFORMS, text
    assert "It declares that it is without: c0, float64, h0" in text


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], made: Any, engine: str = "") -> str:
    status, text = checked(capsys, f"onnx:{saved(tmp_path / 'm.onnx', made)}{engine}")
    assert status == MISUSE
    assert text.count("\n") == 1, text
    return text


def test_what_cannot_be_followed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = [lstm(), lstm(prefix="2")]
    both = model(twice, weights() | weights(prefix="2"), ["Y", "2Y"])
    assert "has 2 LSTM nodes in its main graph" in refused(tmp_path, capsys, both)
    scaled = model([helper.make_node("Relu", ["X"], ["positive"]), lstm("positive")], weights())
    assert "LSTM's x stands a node Relu" in refused(tmp_path, capsys, scaled)
    headed = model([lstm(), helper.make_node("Relu", ["Y"], ["out"])], weights(), ["out"])
    assert "none of its outputs is the LSTM's own" in refused(tmp_path, capsys, headed)
    more = helper.make_tensor_value_info("speaker", TensorProto.FLOAT, [1])
    assert "its inputs speaker are none" in refused(tmp_path, capsys, model([lstm()], weights(), inputs=[more]))
    fixed = [lstm(), helper.make_node("Reshape", ["Y", "target"], ["out"])]
    sized = model(fixed, weights() | {"target": np.array([6, 4, 5])}, ["out"])
    assert "sizes of its own are fixed in it" in refused(tmp_path, capsys, sized)
    plain = model([lstm()], weights())
    assert "there is no engine 'tract'" in refused(tmp_path, capsys, plain, ":tract")
    clipped = model([lstm(clip=0.5)], weights())
    assert "ignores activations, input_forget and clip" in refused(tmp_path, capsys, clipped, ":evaluator")
    status, text = checked(capsys, "onnx:nothing.onnx")
    assert status == MISUSE
    assert "there is no file nothing.onnx" in text


def test_the_weights_of_the_file_take_no_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = model([lstm(extra=["", "h0", "c0"])], weights(), inputs=STATES)
    for tensor in made.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.nan, tensor.name))
    status, text = checked(capsys, f"onnx:{saved(tmp_path / 'm.onnx', made)}")
    assert status == CONFORMS, text


@pytest.mark.parametrize(
    ("engine", "told"), [("onnxruntime", "in float32 alone"), ("onnx", "It declares that it is without: mask")]
)
def test_an_engine_is_a_candidate_by_its_name(capsys: pytest.CaptureFixture[str], engine: str, told: str) -> None:
    status, text = checked(capsys, engine, "--features", "stacked,peephole,mask")
    assert status == CONFORMS, text
    assert "Asked for the plain LSTM, stacked" in text
    assert told in text
