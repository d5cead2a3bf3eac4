"""What a candidate has to do to slip through: once, in one place, or by giving less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance.case import FORWARD, Case, Result
from conformance.report import json_report
from conformance.trial.call import InThread, Outcome
from conformance.trial.checks import CallFailed, check_repeatable
from conformance.trial.results import Report
from conformance.trial.runner import behaviour_cases, run
from conformance.trial.tests import wrong


def failed(report: Report) -> set[str]:
    return {result.quantity for result in report.failures}


def test_writing_to_x_in_a_single_case_is_noticed() -> None:
    def writes(case: Case) -> Result:
        result = wrong.correct(case)
        if case.sizes[1] == 1:
            case.x[...] = 0
        return result

    assert failed(run(writes, "writes")) == {"inputs-unchanged"}


def test_gradients_alone_are_no_forward_pass() -> None:
    @conformance.candidate(without=FORWARD)
    def gradients_alone(case: Case) -> Result:
        return {name: array for name, array in wrong.correct(case).items() if name not in FORWARD}

    report = run(gradients_alone, "gradients_alone")
    assert report.conforms("training")
    assert report.verdict("forward") == "does not conform"


@pytest.mark.parametrize("without", [("h0", "c0"), ("h0",), ("c0",)])
def test_one_that_takes_no_state_is_not_asked_to_go_on_from_one(without: tuple[str, ...]) -> None:
    @conformance.candidate(without=without)
    def stateless(case: Case) -> Result:
        assert not any(getattr(case, name).any() for name in without)
        return wrong.correct(case)

    report = run(stateless, "stateless")
    assert report.conforms()
    assert {r.status for r in report.results if r.quantity == "chunks"} == {"not provided"}


@pytest.mark.parametrize("what", ["raises", "nan", "infinity"])
def test_what_happens_at_saturation_alone_is_noticed(what: str) -> None:
    def at_saturation(case: Case) -> Result:
        result = wrong.correct(case)
        if not case.id.endswith("-saturated"):
            return result
        if what == "raises":
            raise FloatingPointError("overflow")
        return {**result, "c": result["c"] * case.dtype.type(what)}

    report = run(at_saturation, what)
    assert failed(report) == {"quiet-when-saturated"}
    assert not report.numbers_right


def test_a_first_call_that_fails_is_not_repeatable() -> None:
    first = iter([True])

    def call(case: Case) -> Outcome:
        return Outcome(failure="raised") if next(first, False) else InThread(wrong.correct)(case)

    with pytest.raises(CallFailed, match="raised"):
        check_repeatable(call, behaviour_cases(frozenset())[0])


def test_the_error_of_a_failure_is_a_size() -> None:
    def too_small(case: Case) -> Result:
        result = wrong.correct(case)
        return {**result, "output": result["output"] - case.dtype.type(1)}

    report = run(too_small, "too_small")
    told = [json_report.failure(result) for result in report.failures if result.quantity == "output"]
    assert len(told) > 100
    assert all(one["error"] == pytest.approx(1, rel=1e-3) for one in told)


@pytest.mark.parametrize(
    ("before", "now", "grown"), [(0.002, 0.021, True), (0.0, 0.011, True), (0.0, 0.009, False), (0.01, 0.09, False)]
)
def test_growth_of_an_allowed_error_is_told_from_a_hundredth_on(
    before: float, now: float, grown: bool, tmp_path: Path
) -> None:
    report = run(wrong.correct, "correct")
    one = next(r for r in report.results if r.share is not None and r.comparison is not None)
    assert one.comparison is not None

    def with_share(share: float) -> Report:
        told = replace(one.comparison, share=share)  # type: ignore[type-var]  # asserted above
        return replace(report, results=(replace(one, comparison=told),))

    path = tmp_path / "old.json"
    json_report.write(with_share(before), path)
    changes = json_report.compare_with(with_share(now), path)
    assert [id for id, *_ in changes.grown] == [one.id] * grown
