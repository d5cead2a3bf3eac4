"""The diagnosis names the bug that a candidate has, also one written by somebody else; of an unknown one it says what is true."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.cli import main
from conformance.diagnosis.bugs import bugs
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.confusion import Guess, Unknown, guess, unknowns
from conformance.diagnosis.diagnose import beyond_rounding, diagnose
from conformance.diagnosis.evidence import observe
from conformance.diagnosis.finding import Diagnosis, Finding
from conformance.diagnosis.probes import drawn, with_weights
from conformance.diagnosis.reading import Reader
from conformance.diagnosis.tests import uncatalogued
from conformance.trial.call import caller
from conformance.trial.runner import run
from conformance.trial.tests import wrong

WRONG = Path(wrong.__file__)
UNCATALOGUED = Path(uncatalogued.__file__)
RANDOM, AT_ONCE = 40, 10  # `bugs --diagnose` tries as many as one asks for

NAMED = {
    "sigmoid_epsilon": ("sigmoid-epsilon-1e-4",),
    "sigmoid_overflow": ("sigmoid-overflow",),
    "gate_order": ("gate-order-ifoc",),
    "recurrent_transposed": ("recurrent-transposed",),
    "output_tanh_missing": ("cell-output-tanh-missing",),
    "forget_ignored": ("forget-ignored",),
    "h0_ignored": ("h0-ignored",),
    "final_states_swapped": ("final-states-swapped",),
    "grad_final_cell_ignored": ("grad-final-cell-ignored",),
    "grad_final_hidden_ignored": ("grad-final-hidden-ignored",),
    "grad_forget_uses_new_cell": ("grad-forget-uses-new-cell",),
    "grad_cell_carry_misses_forget": ("grad-cell-carry-misses-forget",),
    "grad_recurrent_uses_new_hidden": ("grad-recurrent-uses-new-hidden",),
    "grad_batch_mean": ("grad-batch-mean",),
    "dtype_narrowed": ("dtype-narrowed",),
    "dtype_widened": ("dtype-widened",),
    "wide_gradients": ("dtype-widened",),
    "input_mutated": ("input-mutated",),
    "nan_at_saturation": ("sigmoid-nan",),
}


def examined(function: Any, profile: str | None = None) -> Diagnosis:
    return diagnose(function, run(function, "candidate", profile=profile, seconds=2.0), seconds=2.0)


@pytest.mark.parametrize("start", range(0, RANDOM, AT_ONCE))
def test_several_bugs_at_once_are_all_named(start: int) -> None:
    guesses = [guess(unknown)[0] for unknown in islice(unknowns(RANDOM), start, start + AT_ONCE)]
    assert sum(g.named or g.in_other_words for g in guesses) >= 0.9 * AT_ONCE, [str(g) for g in guesses if not g.named]
    assert not any(g.falsely_certain for g in guesses)
    assert all(g.seconds < 10 for g in guesses)
    apart = [unknown for unknown in islice(unknowns(RANDOM), start, start + AT_ONCE) if len(unknown.bugs) > 1]
    assert sum(g.claims for g in guesses) > 3 * len(apart)
    assert not [(str(g), said) for g in guesses for said in g.false]


@pytest.mark.parametrize("name", NAMED)
def test_somebody_elses_bug_is_named(name: str) -> None:
    findings = examined(getattr(wrong, name)).findings
    assert [(f.bugs, f.certain) for f in findings] == [(NAMED[name], True)]
    assert findings[0].explains == findings[0].of


def both(case: Case) -> Any:
    """A wrong forward pass and a wrong backward pass, by somebody else."""
    return wrong.lstm(case, order="ifoc", carry=lambda d_c, f: d_c)


def three(case: Case) -> Any:
    """A layout, the cell and the backward pass."""
    return wrong.lstm(case, order="iofc", output_of=lambda o, c: o * c, hidden_for_weights=lambda before, after: after)


def test_bugs_of_different_groups_are_named_together() -> None:
    assert set(examined(both).findings[0].bugs) == {"gate-order-ifoc", "grad-cell-carry-misses-forget"}
    found = examined(three).findings[0]
    assert set(found.bugs) == {"gate-order-iofc", "cell-output-tanh-missing", "grad-recurrent-uses-new-hidden"}
    assert found.title.startswith("(1) ")
    assert "(3) " in found.repair
    assert [(f.title, f.repair) for f in found.faults] == [
        (bugs()[slug].title, bugs()[slug].repair) for slug in found.bugs
    ]


def no_tanh_and_its_own_backward(case: Case) -> Any:
    """The gradients are right for h = o * c."""
    p = case.params
    W, U = p.kernel, p.recurrent_kernel
    b = np.zeros(W.shape[1], W.dtype) if p.bias is None else p.bias
    h, c, steps, outputs = case.h0, case.c0, [], []
    for t in range(case.x.shape[1]):
        z = np.split(case.x[:, t] @ W + h @ U + b, 4, axis=1)
        i, f, g, o = wrong.sigmoid(z[0]), wrong.sigmoid(z[1]), np.tanh(z[2]), wrong.sigmoid(z[3])
        steps.append((h, c, i, f, g, o))
        c = f * c + i * g
        h = o * c
        outputs.append(h)
    result = {"output": np.stack(outputs, axis=1), "h": h, "c": c}
    dh, dc = case.d_h, case.d_c
    dx, dW, dU, db = np.zeros_like(case.x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    for t, (h, c, i, f, g, o) in reversed(list(enumerate(steps))):
        dh = dh + case.d_output[:, t]
        dc = dc + dh * o
        dz = (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * (f * c + i * g) * o * (1 - o))
        dz_all = np.concatenate(dz, axis=1)
        dx[:, t] = dz_all @ W.T
        dW, dU, db = dW + case.x[:, t].T @ dz_all, dU + h.T @ dz_all, db + dz_all.sum(axis=0)
        dh, dc = dz_all @ U.T, dc * f
    return result | {"d_x": dx, "d_h0": dh, "d_c0": dc, "d_kernel": dW, "d_recurrent_kernel": dU, "d_bias": db}


def test_gradients_that_are_true_to_a_wrong_forward_pass_are_recognised() -> None:
    findings = examined(no_tanh_and_its_own_backward).findings
    assert [(f.bugs, f.certain, f.explains == f.of) for f in findings] == [(("cell-output-tanh-missing",), True, True)]
    assert "The gradients are built with the true slopes of the forward pass as it is" in findings[0].repair


def test_what_cannot_be_told_apart_is_listed_and_not_certain() -> None:
    findings = examined(bugs()["gate-order-fico"].candidate()).findings
    assert [f.bugs for f in findings] == [("gate-order-fico",), ("input-forget-swapped",)]
    assert not any(f.certain for f in findings)


def test_a_candidate_without_states_and_gradients_is_diagnosed() -> None:
    def outputs_only(case: Case) -> Any:
        return {"output": wrong.recurrent_transposed(case)["output"]}

    import conformance

    limited = conformance.candidate(without=("h0", "c0", "h", "c"))(outputs_only)
    assert [f.bugs for f in examined(limited).findings] == [("recurrent-transposed",)]


@pytest.mark.parametrize("name", ["correct", "tanh_sigmoid", "forward_only"])
def test_a_correct_candidate_is_given_no_diagnosis(name: str) -> None:
    assert examined(getattr(wrong, name)) == Diagnosis()


SAID = {
    "ForgetPeephole": (
        "right With one sample and one step, when the initial c is zero: the forward pass.",
        "wrong * not the derivative of its own *",
    ),
    "ScaledCandidate": (
        "right With one sample and one step, when x is zero and the initial h is zero and the bias is zero: the forward pass.",
        "wrong With one sample and one step, when every gate has the same weights: the forward pass.",
    ),
    "SoftCell": (
        "right With one sample and one step: c.",
        "wrong With one unit and one step, *: h over c, which at -2, -0.5, 0.5, 2 is -0.6192, -0.2838, 0.2838, 0.6192 instead *",
        "right * the input gate, the forget gate of c = 1, the candidate, the output gate.",
    ),
    "InputLags": (
        "right With one sample and one step: output, h and c.",
        "wrong With one sample and three steps: h and c; output at steps 1 and 2 of 0 to 2.",
        "right With one sample and three steps: output at step 0 of 0 to 2.",
        "right With one sample and three steps, when x is zero: the forward pass.",
    ),
    "CarryTimesOutputGate": (
        "right Right in every case: output, h and c.",
        "wrong With one sample and one step: d_c0.",
        "right * d_kernel, d_recurrent_kernel, d_x and d_h0 are what follows from d_bias*",
    ),
    "BatchRootMean": (
        "right With one sample and three steps: d_x, d_h0, d_c0, d_kernel, d_recurrent_kernel and d_bias.",
        "wrong With three samples and one step: d_kernel.",
        "right With three samples and one step: d_x, d_h0, d_c0, d_recurrent_kernel and d_bias.",
    ),
    "ForgetBlockDoubled": (
        "wrong With one sample and one step: d_recurrent_kernel at block f.",
        "right * d_kernel, d_x and d_h0 are what follows from d_bias*",
        "wrong * d_recurrent_kernel is not what follows from d_bias*",
    ),
    "CellClipped": ("right With one sample and three steps, when x, h0 and c0 are a 64th: the forward pass.",),
    "FirstSampleTwice": (
        "wrong With three samples and one step: output at sample 2 of 0 to 2;*",
        "right With one sample and three steps: output, h and c.",
        "right With three samples and one step, when the initial h is zero: the forward pass.",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_of_a_bug_that_is_not_in_the_catalogue_true_things_are_said(name: str) -> None:
    from fnmatch import fnmatch

    found = examined(getattr(uncatalogued, name)())
    assert not found.findings
    said = [f"{'right' if s.right else 'wrong'} {s.text}" for s in found.statements]
    for expected in SAID[name]:
        assert any(fnmatch(line, expected) for line in said), (expected, said)


READ = {
    "ForgetSeesCell": {"peephole-f"},
    "LeCunsCandidate": {"g-activation-1-7159-tanh-2z-3"},
    "OlderInput": {"input-lagged"},
    "CarryTimesOutput": {"grad-cell-carry-times-o"},
    "CellClippedToOne": {"cell-clipped-1"},
    "BeginnersBackward": {"grad-sigmoid-of-activated", "grad-tanh-of-activated", "grad-cell-not-carried"},
}


@pytest.mark.parametrize("name", READ)
def test_what_stands_in_the_wrong_place_is_read_off_though_no_catalogue_has_it(name: str) -> None:
    found = examined(getattr(uncatalogued, name)()).findings
    assert [(set(f.bugs), f.certain) for f in found] == [(READ[name], True)]
    assert found[0].explains == found[0].of
    assert all(fault.evidence.startswith("With B=1, ") for fault in found[0].faults)


def test_calls_that_fail_and_axes_in_another_order_are_told() -> None:
    texts = [s.text for s in examined(wrong.raises).statements]
    assert "all those with T of 7 or more and no others" in texts[0]
    texts = [s.text for s in examined(wrong.wrong_shape).statements]
    assert "The axes of output are in another order; with transpose(1, 0, 2) its numbers are right." in texts


def test_a_known_bug_with_an_unknown_one_is_named_and_the_rest_located() -> None:
    class Both(bugs()["gate-order-iofc"].make, uncatalogued.ForgetBlockDoubled):  # type: ignore[misc]
        pass

    found = examined(Both())
    assert [(f.bugs, f.certain) for f in found.findings] == [(("gate-order-iofc",), False)]
    assert found.findings[0].explains < found.findings[0].of
    assert any("d_recurrent_kernel at block" in s.text for s in found.statements)


def test_the_diagnosis_is_in_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "report.json"
    assert main(["check", f"{WRONG}:output_tanh_missing", "--json", str(written)]) == 1
    printed = capsys.readouterr().out
    told = json.loads(written.read_text())
    failed = told["counts"]["failed"]
    assert failed > 1300
    assert f"Diagnosis: cell-output-tanh-missing explains all {failed:,} failing checks." in printed
    assert printed.index("worst error") < printed.index("Diagnosis: ") < printed.index("Smallest failing case")
    entry = told["diagnosis"][0]
    assert entry["bugs"] == ["cell-output-tanh-missing"]
    assert entry["certain"] is True
    assert entry["explains"] == entry["of"] == failed
    assert entry["evidence"].startswith("With B=1, T=1, D=1, H=1 (one-unit-states-zero): h has ")
    assert main(["check", f"{UNCATALOGUED}:first_sample_twice", "--json", str(written)]) == 1
    assert (
        "no bugs that were tried, alone or together, give this. It is narrowed down by probing; right is what is within "
        in capsys.readouterr().out
    )
    established = json.loads(written.read_text())["established"]
    assert {"right": True, "text": "With one sample and three steps: output, h and c."} in established


def test_the_command_lists_what_is_confused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from conformance.diagnosis import confusion

    def said(bugs: str, *of: str, certain: bool = True) -> Guess:
        return Guess(Unknown((bugs,)), ("float64",), tuple(Finding((one,), certain, "t", 1, 1, "r") for one in of), 0.5)

    def told(alone: list[Guess], random: list[Guess]) -> tuple[int, str]:
        monkeypatch.setattr(confusion, "confusion", lambda count, progress: (alone, random))
        return main(["bugs", "--diagnose", "2"]), capsys.readouterr().out

    right, missed = said("gates-tanh", "gates-tanh"), said("gates-tanh")
    code, printed = told([right] * 60, [right, right])
    assert code == 0
    assert "60 diagnoses of each bug alone: 60 name it first" in printed
    assert "2 random LSTMs with one bug: 2 named exactly, 0 in other words: 100.0%" in printed
    reworded = Guess(
        Unknown(("gate-order-fico",)), ("float64",), (Finding(("input-forget-swapped",), True, "t", 1, 1, "r"),), 0.5
    )
    code, printed = told([right], [replace(right, claims=9, false=("right With x zero: h.",))])
    assert code == 1
    assert "FALSE: of gates-tanh: right With x zero: h." in printed
    assert "9 statements, had no bug been named: 1 are false" in printed
    code, printed = told([right], [reworded])
    assert code == 0
    assert "IN OTHER WORDS: gate-order-fico, float64: input-forget-swapped (1 of 1, certain)" in printed
    assert "0 named exactly, 1 in other words: 100.0%" in printed
    code, printed = told([right, missed, said("h0-ignored", "h0-ignored", "c0-ignored", certain=False)], [])
    assert code == 1
    assert "MISSED: gates-tanh, float64: nothing" in printed
    assert "h0-ignored, float64: h0-ignored (1 of 1); or c0-ignored (1 of 1)" in printed
    code, printed = told([right] * 100, [said("h0-ignored", "c0-ignored"), *[right] * 99])
    assert code == 1
    assert "1 claim something else as certain" in printed


def test_bugs_that_exclude_each_other_are_no_explanation() -> None:
    """The one takes samples by themselves, the other the forget gates that the whole batch left."""
    excluding = ("grad-cell-left-over", "grad-cell-carry-earlier-forget")
    assert not Unknown(excluding).shows
    with pytest.raises(ValueError, match="dimension"):
        Unknown(excluding).candidate()(drawn("float64", 3, 4))
    reader = Reader(caller(bugs()["grad-cell-left-over"].candidate(), 2.0), "float64", frozenset(), True, False)
    found = reader.read()
    assert [one.hypothesis.bugs for one in found] == [("grad-cell-left-over",)]
    stage = reader.stages[-3]
    assert not reader.right(found[0].hypothesis.also("grad-cell-carry-earlier-forget"), stage)


def test_bugs_are_one_lstm_in_whatever_order_they_were_found() -> None:
    """1 is added to what was read as the forget gate's bias, not to the block that would be the forget gate's."""
    case = drawn("float64", 2, 3)
    pair = ("forget-bias-added", "gate-order-icof")
    one, other = (Hypothesis(slugs).fresh()(case) for slugs in (pair, pair[::-1]))
    raised = with_weights(case, bias=case.params.bias + np.repeat([0.0, 0, 0, 1], 4))
    right = bugs()["gate-order-icof"].candidate()(raised)
    for name in case.shapes:
        np.testing.assert_allclose(one[name], right[name], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(one[name], other[name])


def test_float32_numbers_may_differ_by_what_float32_costs_them_and_no_more() -> None:
    case, hypothesis = drawn("float32", 2, 12), Hypothesis(("grad-cell-tanh-missing",))
    result = hypothesis.fresh()(case)
    for times, differing in ((1, []), (1000, ["d_x"])):
        moved = {**result, "d_x": result["d_x"] + np.float32(times * 1e-7)}
        assert beyond_rounding(observe(case, moved), ["d_x"], result, hypothesis) == differing


def test_what_is_approximated_beside_a_bug_is_said_and_not_certain() -> None:
    class AddsEpsilon(bugs()["grad-cell-not-carried"].make):  # type: ignore[misc]
        def sigmoid_slope(self, gate: str, a: Any, step: Any) -> Any:
            return super().sigmoid_slope(gate, a, step) + a.dtype.type(1e-8)

    findings = examined(lambda case: AddsEpsilon()(case)).findings
    assert [(set(f.bugs), f.certain) for f in findings] == [({"grad-cell-not-carried", "numbers-approximated"}, False)]


def test_each_bug_of_a_random_lstm_shows_beside_the_others() -> None:
    assert Unknown(("gates-tanh", "grad-cell-not-carried")).shows
    assert not Unknown(("h0-ignored", "batch-leak", "gates-tanh"), without=frozenset({"h0", "c0"})).shows
    assert not Unknown(("grad-time-mean",), without=frozenset({"d_output", "d_h", "d_c"})).shows
    assert [len(unknown.bugs) for unknown in unknowns(3)] == [len(unknown.bugs) for unknown in islice(unknowns(9), 3)]
