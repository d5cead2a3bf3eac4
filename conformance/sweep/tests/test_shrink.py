"""The subtlest bugs of the catalogue are found soon, and their cases made as small as the bug can show in."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.case import Case, Result
from conformance.cases.features import features
from conformance.diagnosis.bugs import bugs, network_bugs
from conformance.implementations import built_in
from conformance.sweep.block import Inside, drawn, judge_of, run_case
from conformance.sweep.finding import Finding, look_into
from conformance.sweep.plan import Plan
from conformance.sweep.shrink import alike, shrink
from conformance.trial.call import InThread

SUBTLEST = (
    "sigmoid-epsilon-1e-5",
    "sigmoid-clipped",
    "sigmoid-epsilon-1e-4",
    "grad-finite-difference",
    "sigmoid-epsilon-1e-3",
    "dtype-narrowed",
    "grad-x-misses-gate-f",
    "grad-forget-uses-new-cell",
    "grad-hidden-cut-between-steps",
    "hard-sigmoid-keras3",
)
"""By `lstm-conformance bugs --matrix`: the ten smallest margins in either dtype of those that are caught by value."""
ENOUGH = 400
"""Cases within which each shows; the sweep is asked for 10,000."""


def plan(*asked: str) -> Plan:
    return Plan("the test", "", 0, asked, (), ("float64", "float32"), False, False, 10.0, None)


def found(call: InThread, plan: Plan, dtype: str = "") -> Finding:
    judge = judge_of(plan)
    for number in range(ENOUGH):
        failing = run_case(plan, number, call, judge).failing
        if failing and (not dtype or number // 8 % 2 == (dtype == "float32")):
            return look_into(plan, failing[0], call)
    raise AssertionError(f"not found in {ENOUGH} cases")


@pytest.mark.parametrize("slug", SUBTLEST)
def test_a_subtle_bug_is_found_and_made_small(slug: str) -> None:
    finding = found(InThread(bugs()[slug].candidate()), plan())
    assert max(finding.case.sizes) <= 2
    assert finding.verdict.oracle == "certified"
    assert finding.expected is not None


def test_a_bug_of_networks_is_found_in_one() -> None:
    bug = network_bugs()["mask-late"]
    finding = found(InThread(bug.candidate()), plan("bidirectional", "mask", "stacked", "zero-output"))
    assert "mask" in features(finding.case)
    assert max(finding.case.sizes) <= 2
    assert finding.case.single


def doubled(case: Case) -> Result:
    """Wrong from five steps on, with two units or more."""
    result = dict(built_in("ref")(case))
    if case.sizes[1] >= 5 and case.sizes[3] >= 2:
        result["d_c0"] = 2 * result["d_c0"] + 1
    return result


def test_what_shows_in_larger_cases_alone_is_made_as_small_as_it_can_be() -> None:
    case = found(InThread(doubled), plan()).case
    assert case.sizes == (1, 5, 1, 2)
    assert not any(a.any() for a in (case.x, case.h0, case.c0, case.params.kernel, case.d_output, case.d_h, case.d_c))


def twice(case: Case) -> Result:
    """Half of its bugs is in the outputs of long cases, the other one in all gradients."""
    result = dict(built_in("ref")(case))
    result["d_h0"] = 1.5 * result["d_h0"]
    if case.sizes[1] >= 4:
        result["output"] = 1.5 * result["output"]
    return result


def test_shrinking_does_not_slip_to_another_bug() -> None:
    call, judge = InThread(twice), judge_of(plan())
    both = next(n for n in range(ENOUGH) if {"output", "d_h0"} <= set(_quantities(n, call)))
    finding = look_into(plan(), run_case(plan(), both, call, judge).failing[0], call)
    assert "output" in finding.verdict.quantities
    assert finding.case.sizes == (1, 4, 1, 1)


def _quantities(number: int, call: InThread) -> list[str]:
    failing = run_case(plan(), number, call, judge_of(plan())).failing
    return failing[0].kind.split() if failing else []


def raising(case: Case) -> Result:
    if case.sizes[2] >= 2:
        raise ValueError(f"{case.sizes[2]} features")
    return built_in("ref")(case)


def test_an_exception_is_made_small_too() -> None:
    finding = found(InThread(raising), plan())
    assert finding.case.sizes == (1, 1, 2, 1)
    assert "raised ValueError: 2 features" in finding.verdict.failure


def test_what_is_right_when_it_is_called_again_is_said_to_be() -> None:
    calls = []

    def once(case: Case) -> Result:
        calls.append(case)
        return {n: a + (len(calls) == 1) for n, a in built_in("ref")(case).items()}

    finding = found(InThread(once), plan())
    assert finding.verdict.right
    assert finding.expected is None


def test_shrinking_ends_after_so_many_calls() -> None:
    call, judge = InThread(doubled), judge_of(plan())
    case = next(c for n in range(ENOUGH) if (c := look(n)) is not None and not judge(c, call(c)).right)
    seen = []

    def fails(case: Case):  # type: ignore[no-untyped-def]  # a verdict
        seen.append(case)
        return judge(case, call(case))

    first = judge(case, call(case))
    shrunk = shrink(first, fails, 7)
    assert len(seen) == shrunk.calls == 7
    assert alike(shrunk.verdict, first)
    assert np.prod(shrunk.verdict.case.sizes) < np.prod(case.sizes)


def look(number: int) -> Case | None:
    case = drawn(plan(), number)[1]
    return case if case.sizes[1] >= 5 and case.sizes[3] >= 2 else None


def test_what_a_candidate_refuses_is_not_drawn() -> None:
    class Plain(Inside):
        def refusal(self, case: Case) -> str:
            return "its batch is for the plain LSTM" if features(case) else ""

    masked = plan("mask")
    assert any(features(drawn(masked, number)[1]) for number in range(8))
    assert not any(features(drawn(masked, number, Plain("ref"))[1]) for number in range(8))
