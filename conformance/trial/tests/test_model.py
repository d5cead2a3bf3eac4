"""A trial with a trained model's own weights: right and wrong ports of it, its inputs, and who says what is right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import conformance
import lstm_ref
from conformance.case import Case, Result
from conformance.cases.model import model_cases, read_inputs
from conformance.cli import main
from conformance.diagnosis.finding import Diagnosis
from conformance.errors import CandidateError, OracleError
from conformance.implementations import built_in
from conformance.report import json_report
from conformance.trial.model import by_layer, model_trials
from conformance.trial.runner import run
from lstm_ref import Layer, LSTMParams, Options

PORT = """
import numpy as np
from lstm_ref import Layer, Network

def port(case, layers=None):
    output, (h, c) = Network(layers or case.layers)(case.x, (case.h0, case.c0), case.mask)
    return {"output": output, "h": h, "c": c}

def wrong_weights(case):
    first, last = case.layers
    return port(case, [first, Layer(last.forward, last.forward)])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, rng = tmp_path_factory.mktemp("model") / "encoder.safetensors", np.random.default_rng(3)
    shapes = {
        f"encoder.{role}_l{layer}{suffix}": shape
        for layer, D in enumerate((3, 8))
        for suffix in ("", "_reverse")
        for role, shape in (("weight_ih", (16, D)), ("weight_hh", (16, 4)), ("bias_ih", (16,)), ("bias_hh", (16,)))
    }
    shapes |= {"decoder.weight_ih": (20, 3), "decoder.weight_hh": (20, 5)}
    save_file({name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}, path)
    path.with_name("port.py").write_text(PORT)
    return path


def checked(model: Path, name: str, *words: str) -> list[str]:
    return ["check", f"{model.with_name('port.py')}:{name}", "--model", f"{model}:encoder", *words]


def test_a_right_port_conforms(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(checked(model, "port")) == 0
    told = capsys.readouterr().out
    assert "conforms: all numbers are right (profile forward, against model)" in told
    assert f"Asked for the network of {model}:encoder: stacked, bidirectional" in told
    assert "Layer by layer" not in told


def test_of_a_wrong_port_the_first_layer_that_is_wrong_is_named_and_it_can_be_repeated(
    model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    assert main(checked(model, "wrong_weights", "--json", str(report))) == 1
    told = capsys.readouterr().out
    lines = [line.split() for line in told.splitlines() if line.startswith("  layer ")]
    assert [line[1:3] for line in lines] == [["0", "forward"], ["0", "reverse"], ["1", "forward"], ["1", "reverse"]]
    assert ["<-" in line for line in lines] == [False, False, False, True]
    assert all(float(line[4]) < 1 for line in lines[:3])
    assert float(lines[3][4]) > 1000
    assert json.loads(report.read_text())["against"] == "model"

    (repeat,) = [line for line in told.splitlines() if line.startswith("Repeat it:")]
    assert repeat.endswith(f"--model {model}:encoder")
    assert main(repeat.removeprefix("Repeat it:  lstm-conformance ").split()) == 1
    program = capsys.readouterr().out.partition("since the case is of many parts:\n\n")[2]
    assert "lstm_ref.load" in program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    actual, expected = (float(line.split()[1]) for line in done.stdout.splitlines())
    assert abs(actual - expected) > 1e-3


def test_the_models_weights_and_the_inputs_given_are_what_is_tried(model: Path, tmp_path: Path) -> None:
    network = lstm_ref.load(model, "encoder")
    x = np.arange(30, dtype=np.float32).reshape(2, 5, 3) / 30
    mask = np.ones((2, 5), bool)
    mask[1, 3:] = False
    np.savez(tmp_path / "x.npz", x=x, mask=mask)
    (*drawn, given) = model_cases(network.layers, "float64", read_inputs(tmp_path / "x.npz"))
    assert len(drawn) == 4
    assert all(case.mask is None for case in drawn)
    np.testing.assert_array_equal(given.x, x)
    np.testing.assert_array_equal(given.mask, mask)
    for case in (*drawn, given):
        np.testing.assert_array_equal(
            case.layers[1].directions["reverse"].kernel, network.layers[1].directions["reverse"].kernel
        )
    assert len({case.x.shape for case in drawn}) == 3


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"y": np.zeros((1, 2, 3))}, "holds y; expected x"),
        ({"x": np.zeros((2, 3))}, r"shape \(2, 3\)"),
        ({"x": np.zeros((1, 2, 3)), "z": np.zeros(1)}, "holds x, z; expected x"),
        ({"x": np.array([[["a"]]])}, "dtype <U1, expected numbers"),
        ({"x": np.zeros((1, 2, 4))}, r"x has shape \(1, 2, 4\), expected \(1, 2, 3\)"),
        ({"x": np.zeros((1, 2, 3)), "h0": np.zeros((1, 4))}, r"h0 has shape \(1, 4\), expected \(4, 1, 4\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(arrays: dict[str, Any], told: str, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(CandidateError, match=told):
        list(model_cases(lstm_ref.load(model, "encoder").layers, "float32", read_inputs(tmp_path / "x.npz")))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "ref", "--input", "x.npz"], "--input goes with --model"),
        (["check", "ref", "--model", "MODEL:encoder", "--against", "torch"], "exclude each other"),
        (["check", "ref", "--model", "MODEL"], "holds 2 LSTMs"),
        (["check", "ref", "--model", "nothing.pt:encoder"], "there is no file"),
        (["check", "ref", "--model", "MODEL:encoder", "--input", "nothing.npz"], "cannot be read"),
    ],
)
def test_misuse_is_told(words: list[str], told: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.replace("MODEL", str(model)) for word in words]) == 2
    assert told in capsys.readouterr().err


def test_what_no_framework_has_is_proven_and_too_large_for_that_is_refused(drawn: Callable[..., LSTMParams]) -> None:
    peephole = Layer(drawn(3, 4, peephole=True), options=Options(clip=0.75))
    trials = model_trials([peephole])
    assert {trial.oracle for trial in trials} == {"certified"}
    report = run(built_in("ref"), "ref", "model", model=trials, words=("--model", "m"))
    assert report.conforms()
    assert report.counts()["passed"] > 80
    with pytest.raises(
        OracleError, match=r"nobody to say what is right(.|\n)*torch: (.|\n)*certified: .*multiplications"
    ):
        model_trials([Layer(drawn(300, 300, peephole=True))])


def test_a_network_whose_widths_differ_is_told_layer_by_layer(drawn: Callable[..., LSTMParams]) -> None:
    layers = [Layer(drawn(3, 4)), Layer(drawn(4, 2))]
    right = built_in("ref")

    def wrong(case: Case) -> Result:
        result = dict(right(case))
        return result | {"layers.1.h": result["layers.1.h"] * 1.5}

    report = run(wrong, "wrong", "model", model=model_trials(layers), words=("--model", "m"))
    assert not report.conforms()
    assert report.smallest_failure is not None
    rows = dict(by_layer(report, report.smallest_failure.trial))
    assert rows["layer 0 forward"]["h"] < 1 < rows["layer 1 forward"]["h"]
    assert rows["layer 1 forward"]["c"] < 1
    json_report.as_dict(report, Diagnosis())


@pytest.fixture
def drawn() -> Callable[..., LSTMParams]:
    def params(D: int, H: int, peephole: bool = False) -> LSTMParams:
        rng = np.random.default_rng(D)
        shapes = {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,)}
        shapes |= {"peephole": (3, H)} if peephole else {}
        return LSTMParams(**{name: rng.normal(0, 0.4, shape) for name, shape in shapes.items()})

    return params


def test_a_model_that_has_what_a_candidate_declares_to_be_without_is_refused(model: Path) -> None:
    trials = model_trials(lstm_ref.load(model, "encoder").layers)

    @conformance.candidate(without=("stacked",))
    def plain(case: Case) -> Result:
        return {}

    with pytest.raises(CandidateError, match="the model has stacked"):
        run(plain, "plain", "model", model=trials)
