"""What is said of candidates whose calls fail, that take no states, whose results are odd, or whose bugs only look catalogued."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conformance
from conformance.case import Case
from conformance.cli import main
from conformance.diagnosis.bugs import bugs
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.diagnose import diagnose
from conformance.diagnosis.finding import Diagnosis
from conformance.diagnosis.locate import locate
from conformance.diagnosis.locate.claim import DRAWS, Asked
from conformance.diagnosis.tests import uncatalogued
from conformance.fixtures.store import golden
from conformance.trial.call import caller
from conformance.trial.runner import run
from conformance.trial.tests import wrong

CASES = len(golden())
"""How many a candidate meets that takes everything."""


def examined(function: Any) -> Diagnosis:
    return diagnose(function, run(function, "candidate", seconds=2.0), seconds=2.0)


def said(function: Any) -> list[str]:
    return [f"{'right' if s.right else 'wrong'} {s.text}" for s in examined(function).statements]


def refusing(refused: Callable[[Case], bool], kind: type[HookableLSTM]) -> Callable[[Case], Any]:
    """A candidate that raises in some cases."""

    def candidate(case: Case) -> Any:
        if refused(case):
            raise ValueError(f"shapes {case.x.shape} and {case.h0.shape} do not fit")
        return kind()(case)

    return candidate


class ThirdOfOutput(HookableLSTM):
    """What is given as output is a third of h, which is right itself."""

    def finish(self, steps: Any, h0: Any, c0: Any) -> Any:
        y, h, c = super().finish(steps, h0, c0)
        return y / 3, h, c


class RecurrentDiagonal(HookableLSTM):
    """Of each recurrent block, the diagonal alone acts."""

    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, np.concatenate([np.diag(np.diag(block)) for block in np.split(U, 4, axis=1)], axis=1), b


class ForwardInFloat32(HookableLSTM):
    """The candidate is scaled and the forward pass is computed in float32; gradients are not."""

    def candidate(self, z: Any) -> Any:
        return np.tanh(z * z.dtype.type(2 / 3))

    def step(self, *given: Any) -> Any:
        step = super().step(*given)
        step.h_next, step.c_next = (a.astype(np.float32).astype(a.dtype) for a in (step.h_next, step.c_next))
        return step


class BiasGradientScaled(HookableLSTM):
    """d_bias is 1.3 times what it should be."""

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        return dW, dU, db * db.dtype.type(1.3)


class StateIgnored(HookableLSTM):
    """It begins with zeros."""

    def inputs(self, case: Any) -> Any:
        return case.x, np.zeros_like(case.h0), np.zeros_like(case.c0)


class CoshOverflows(HookableLSTM):
    """Something is built of cosh, which overflows in saturation; the numbers are right."""

    def activate(self, z: Any) -> Any:
        np.cosh(z)
        return super().activate(z)


class TanhOfExponentials(HookableLSTM):
    """(e^z - e^-z) / (e^z + e^-z), which is NaN where that overflows."""

    def candidate(self, z: Any) -> Any:
        return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))


class KnownAndUnknown(uncatalogued.ForgetBlockDoubled):
    """Another gate order, and a bug that the catalogue does not have."""

    def read(self, case: Any) -> Any:
        return tuple(_exchanged(a) for a in super().read(case))

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        return tuple(_exchanged(a) for a in super().write(dW, dU, db))


def _exchanged(array: Any) -> Any:
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, o, c], axis=-1)


class LaggedTruly(uncatalogued.OlderInput):
    """From the second step on, the step before's input is taken, and d_x is the derivative of that."""

    def __call__(self, case: Any) -> Any:
        result = super().__call__(case)
        d_x = result["d_x"]
        earlier = np.concatenate([d_x[:, 1:], np.zeros_like(d_x[:, :1])], axis=1)
        earlier[:, 0] += d_x[:, 0]
        return {**result, "d_x": earlier}


def lagged_truly(case: Case) -> Any:
    return LaggedTruly()(case)


def known_and_unknown(case: Case) -> Any:
    return KnownAndUnknown()(case)


@pytest.mark.parametrize("kind", [uncatalogued.ScaledCandidate, uncatalogued.CarryTimesOutputGate])
@pytest.mark.parametrize("axis", ["B", "T"])
def test_of_a_candidate_that_raises_for_a_size_of_one_that_is_told_once(kind: type[HookableLSTM], axis: str) -> None:
    lines = said(refusing(lambda case: case.sizes["BTDH".index(axis)] == 1, kind))
    raised = [line for line in lines if "it raised" in line]
    assert len(raised) == 1
    assert f"In 4 of {CASES} cases it raised ValueError" in raised[0]
    assert f"all those with {axis} of 1 or less and no others; the numbers in the message differ" in raised[0]
    assert any(line.startswith("wrong With ") for line in lines)
    assert not any(": ." in line for line in lines)


def test_where_calls_fail_the_forward_pass_is_not_taken_for_wrong() -> None:
    lines = said(refusing(lambda case: case.sizes[1] == 1, uncatalogued.CarryTimesOutputGate))
    none = "none of d_x, d_h0, d_c0, d_kernel, d_recurrent_kernel and d_bias"
    assert f"wrong With one sample and one step it gives {none}." in lines
    assert not any(line.startswith("right With one sample and one step") for line in lines)
    assert not any("derivative of its own" in line for line in lines)


def test_a_candidate_of_which_only_the_first_call_succeeds_is_asked_what_it_keeps() -> None:
    calls: list[str] = []

    def once(case: Case) -> Any:
        calls.append(case.id)
        if len(calls) > 1:
            raise IndexError(f"index {len(calls)} is out of bounds")
        return HookableLSTM()(case)

    lines = said(once)
    assert lines[0].startswith(f"wrong In {CASES - 1} of {CASES} cases it raised IndexError")
    assert "wrong Its first call gave a result and every later one failed: is something kept between calls?" in lines


def test_without_states_nothing_is_said_of_any() -> None:
    lines = said(conformance.candidate(without=("h0", "c0", "d_h", "d_c"))(lambda case: RecurrentDiagonal()(case)))
    assert "right With one sample and one step: output, h and c." in lines
    assert not any("initial" in line for line in lines)


def test_an_output_that_is_not_h_is_wrong_by_itself() -> None:
    lines = said(ThirdOfOutput())
    assert "wrong With one sample and one step: output." in lines
    assert "right With one sample and one step: h and c." in lines


def test_a_claim_is_a_predicate_that_other_lstms_can_be_asked() -> None:
    statements = [s for s in examined(uncatalogued.FirstSampleTwice()).statements if s.claim is not None]
    assert len(statements) > 5
    fresh = [
        Asked(caller(lstm), Hypothesis(), "float64", number=50)
        for lstm in (uncatalogued.FirstSampleTwice(), HookableLSTM())
    ]
    for statement in statements:
        assert statement.claim is not None
        assert not statement.claim.contradicted(fresh[:1]), statement.text
        assert statement.claim.contradicted(fresh[1:]) == (not statement.right), statement.text


def test_a_candidate_is_called_a_bounded_number_of_times() -> None:
    calls: list[str] = []

    def counted(case: Case) -> Any:
        calls.append(case.id)
        return StateIgnored()(case)

    report = run(counted, "candidate")
    before = len(calls)
    said = locate(caller(counted), report, "float64", Hypothesis(), (), False)
    assert said
    assert len(calls) - before < 60 * DRAWS


def test_a_forward_pass_in_float32_is_too_coarse_for_differences() -> None:
    assert any("derivative of its own" in line for line in said(uncatalogued.ScaledCandidate()))
    assert not any("derivative of its own" in line for line in said(ForwardInFloat32()))


def test_for_a_wrong_bias_gradient_the_others_are_not_blamed() -> None:
    lines = said(BiasGradientScaled())
    assert "wrong With one sample and one step: d_bias." in lines
    assert "right With one sample and one step: d_x, d_h0, d_c0, d_kernel and d_recurrent_kernel." in lines
    assert not any("follow" in line for line in lines)


def test_two_bugs_of_one_group_are_found_together() -> None:
    findings = examined(StateIgnored()).findings
    assert [set(f.bugs) for f in findings] == [{"h0-ignored", "c0-ignored"}]
    assert findings[0].explains == findings[0].of


def test_an_ignored_state_is_found_with_a_layout_and_a_gradient_bug() -> None:
    class Three(bugs()["gate-order-ifoc"].make, StateIgnored, bugs()["grad-cell-carry-misses-forget"].make):  # type: ignore[misc]
        pass

    named = [set(f.bugs) for f in examined(Three()).findings]
    assert named == [{"gate-order-ifoc", "h0-ignored", "c0-ignored", "grad-cell-carry-misses-forget"}]


def test_final_cotangents_ignored_both_are_found() -> None:
    def outputs_alone(case: Case) -> Any:
        return wrong.lstm(case, d_h=lambda case: np.zeros_like(case.d_h), d_c=lambda case: np.zeros_like(case.d_c))

    findings = examined(outputs_alone).findings
    assert [set(f.bugs) for f in findings] == [{"grad-final-hidden-ignored", "grad-final-cell-ignored"}]


@pytest.mark.parametrize(
    "slug", ["recurrent-transposed", "recurrent-reshaped", "concat-order-swapped", "kernel-reshaped"]
)
def test_weights_read_wrongly_for_the_forward_pass_alone(slug: str) -> None:
    class ForwardAlone(bugs()[slug].make):  # type: ignore[misc]
        write = HookableLSTM.write

        def input_gradient(self, dz: Any, W: Any) -> Any:
            return dz @ self.case.params.kernel.T

        def carry_hidden(self, dz: Any, U: Any, step: Any) -> Any:
            return dz @ self.case.params.recurrent_kernel.T

    findings = examined(ForwardAlone()).findings
    assert [(f.bugs, f.certain, f.explains == f.of) for f in findings] == [((slug,), True, True)]
    assert "which the forward pass alone reads wrongly" in findings[0].repair


@pytest.mark.parametrize("kind", [CoshOverflows, TanhOfExponentials])
def test_an_overflow_elsewhere_is_not_called_the_sigmoids(kind: type[HookableLSTM]) -> None:
    report = run(kind(), "candidate")
    assert any("overflow" in r.message or "not finite" in r.message for r in report.noticed)
    named = {slug for finding in diagnose(kind(), report).findings for slug in finding.bugs}
    assert named <= {"candidate-nan-exp"}  # which the one of exponentials is


@pytest.mark.parametrize("dtype", [complex, object])
def test_a_result_that_is_no_float_is_told_and_not_called_widened(dtype: Any) -> None:
    def candidate(case: Case) -> Any:
        result = HookableLSTM()(case)
        return {**result, "c": result["c"].astype(dtype)} if np.isfinite(result["c"]).all() else result

    found = examined(candidate)
    assert not found.findings
    assert any(f"this has dtype {np.dtype(dtype)}: c." in s.text for s in found.statements)


def test_whole_numbers_are_compared_and_not_called_widened() -> None:
    def candidate(case: Case) -> Any:
        result = HookableLSTM()(case)
        return {**result, "c": result["c"].astype(int)} if np.isfinite(result["c"]).all() else result

    report = run(candidate, "candidate")
    assert {"int64 results for float64 input: c"} <= {r.message for r in report.remarks}
    assert not any("dtype-widened" in f.bugs for f in diagnose(candidate, report).findings)


def test_a_matrix_is_an_array() -> None:
    def matrices(case: Case) -> Any:
        return {name: a.view(np.matrix) if a.ndim == 2 else a for name, a in wrong.gate_order(case).items()}

    assert [f.bugs for f in examined(matrices).findings] == [("gate-order-ifoc",)]


def test_what_is_drawn_at_random_is_not_called_kept_alone() -> None:
    draw = np.random.default_rng()
    lines = said(lambda case: {"output": draw.uniform(size=case.shapes["output"]).astype(case.dtype)})
    assert any("is kept between calls, or drawn at random" in line for line in lines)


def test_dropout_left_on_is_told() -> None:
    draw = np.random.default_rng(7)

    def dropping(case: Case) -> Any:
        result = dict(HookableLSTM()(case))
        kept = (draw.uniform(size=result["output"].shape) < 0.75) / 0.75
        return {**result, "output": result["output"] * kept.astype(case.dtype)}

    told = [line for line in said(dropping) if "dropout" in line]
    assert len(told) == 1
    assert re.search(r"wrong Of output, 2\d% of the numbers are zero and all others 1.333 times what is right", told[0])


def test_what_is_right_beside_a_known_bug_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{Path(__file__)}:known_and_unknown"]) == 1
    printed = capsys.readouterr().out
    assert (
        "narrowed down by probing; what follows from the bug named above counts as right, and so does what" in printed
    )
    assert "Numbers are wrong in" not in printed  # they are for the known bug alone


def test_it_is_said_how_many_failing_checks_were_not_looked_into(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{Path(__file__)}:lagged_truly"]) == 1
    told = re.search(r"([\d,]+) failing checks that were looked into, of ([\d,]+)\.", capsys.readouterr().out)
    assert told is not None
    looked_into, of = (int(count.replace(",", "")) for count in told.groups())
    assert 500 < looked_into < of
