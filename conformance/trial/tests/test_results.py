"""What a report makes of the results of its checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

import conformance
from conformance.case import FORWARD, QUANTITIES
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError
from conformance.judging.compare import Comparison
from conformance.trial.checks import CHECKS
from conformance.trial.declare import declared, left_out, meets, reduced
from conformance.trial.results import CheckResult, Report, Trial, profile_of

LARGE, SMALL = "large-float64", "small-float64"


def value(quantity: str, status: str = "passed", trial: str = SMALL, share: float = 0.25) -> CheckResult:
    comparison = Comparison(trial, quantity, share <= 1, share)
    return CheckResult(f"{trial}:{quantity}", trial, quantity, status, "", comparison)


def behaviour(status: str, name: str = "repeatable") -> CheckResult:
    return CheckResult(f"behaviour:{name}:float64", SMALL, name, status)


def report(*results: CheckResult, profile: str = "training", strict: bool = False) -> Report:
    sizes = {SMALL: (2, 3, 4, 5), LARGE: (2, 3, 4, 6)}
    return Report("lstm", "fixtures", results, profile, sizes=sizes, strict=strict)


@pytest.mark.parametrize(
    ("results", "verdict", "strictly"),
    [
        ([value("h")], "conforms", "conforms"),
        ([value("h"), behaviour("remark")], "conforms", "does not conform"),
        ([value("h"), behaviour("not judged")], "incomplete", "incomplete"),
        ([value("h"), value("c", "not judged")], "incomplete", "incomplete"),
        ([value("c", "not judged")], "incomplete", "incomplete"),
        ([value("h"), value("c", "not provided")], "conforms", "conforms"),
        ([value("h"), value("c", "undeclared")], "does not conform", "does not conform"),
        ([value("h"), value("c", "failed")], "does not conform", "does not conform"),
        ([value("h"), behaviour("failed")], "does not conform", "does not conform"),
        ([value("h", "not judged"), value("c", "failed")], "does not conform", "does not conform"),
        ([behaviour("passed")], "does not conform", "does not conform"),
        ([value("h", "not provided"), behaviour("passed")], "does not conform", "does not conform"),
        ([], "does not conform", "does not conform"),
    ],
)
def test_the_verdict(results: list[CheckResult], verdict: str, strictly: str) -> None:
    assert report(*results).verdict() == verdict
    assert report(*results).conforms() == (verdict == "conforms")
    assert report(*results, strict=True).verdict() == strictly


def test_remarks_count_only_where_it_is_asked_for() -> None:
    assert Report("lstm", "fixtures", (value("h"), behaviour("remark")), "training").conforms()


def test_a_profile_asks_for_its_quantities_and_for_behaviour() -> None:
    mixed = report(
        *(value(name, "passed" if name in FORWARD else "failed") for name in QUANTITIES), behaviour("passed")
    )
    assert mixed.verdict("forward") == "conforms"
    assert mixed.verdict("training") == mixed.verdict() == "does not conform"
    assert replace(mixed, profile="forward").verdict() == "conforms"
    assert [r.quantity for r in mixed.of_profile("forward")] == [*FORWARD, "repeatable"]
    assert replace(mixed, profile="forward").failures == ()


def test_what_is_counted() -> None:
    statuses = ("passed", "failed", "remark", "not judged", "not provided", "undeclared")
    mixed = report(*(value("h", status) for status in statuses), value("h"), value("d_x"), behaviour("remark"))
    assert mixed.counts() == {
        "checks": 9, "passed": 3, "failed": 1, "remarks": 2, "not_judged": 1, "not_provided": 1, "undeclared": 1,
    }  # fmt: skip
    assert mixed.counts("forward")["passed"] == 2
    assert [r.status for r in mixed.noticed] == ["failed", "remark", "remark"]
    assert [r.status for r in mixed.to_explain] == ["failed"]
    assert replace(mixed, strict=True).to_explain == mixed.noticed
    assert len(report(value("h"), behaviour("remark")).to_explain) == 1
    assert (len(mixed.remarks), len(mixed.not_judged), len(mixed.failures)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("results", "right"),
    [
        ([value("h")], True),
        ([value("h"), value("c", "not provided")], True),
        ([value("h"), behaviour("remark")], True),
        ([value("h"), behaviour("failed", "inputs-unchanged")], True),
        ([value("h"), behaviour("failed")], False),
        ([value("h"), behaviour("not judged")], False),
        ([value("h"), value("c", "not judged")], False),
        ([value("h"), value("c", "failed")], False),
        ([value("h"), value("c", "undeclared")], False),
        ([value("c", "not provided"), behaviour("passed")], False),
        ([], False),
    ],
)
def test_whether_all_numbers_are_right(results: list[CheckResult], right: bool) -> None:
    assert report(*results).numbers_right == right


def test_the_smallest_failure_is_of_the_smallest_case_and_its_first_quantity() -> None:
    failures = [value("output", "failed", LARGE), value("d_x", "failed"), value("h", "failed"), value("output")]
    assert report(behaviour("failed"), *failures).smallest_failure == failures[2]
    others = behaviour("failed"), behaviour("failed", "chunks")
    assert report(*others, value("h")).smallest_failure == others[0]
    assert report(value("h")).smallest_failure is None
    assert report().weight(SMALL) == (0, 2 * 3 * (4 + 4 * 5) + 4 * 5 * (4 + 5))


def test_a_share_is_there_where_numbers_were_compared() -> None:
    incomparable = replace(value("h"), comparison=Comparison(SMALL, "h", False, 1.0, reason="is a list"))
    assert (value("h").share, behaviour("passed").share, incomparable.share) == (0.25, None, None)
    assert value("h").behaviour is False
    assert all(behaviour("passed", name).behaviour for name in CHECKS)


def test_who_gives_any_gradient_is_judged_as_trained() -> None:
    assert profile_of(["h", "d_bias"]) == "training"
    assert profile_of(FORWARD) == profile_of([]) == "forward"
    assert report(value("h"), value("d_x", "failed")).gives_gradients
    left_out = replace(value("d_x", "undeclared"), comparison=None)
    assert not report(value("h"), left_out).gives_gradients


def test_a_live_trial_is_named_by_its_oracle() -> None:
    case = Spec(2, 3, 4, 5).build()
    ids = [Trial(oracle, case, dict, dict).id for oracle in ("fixtures", "torch")]
    assert ids == [case.id, f"torch:{case.id}"]


# What a candidate declares.

CASE = Spec(2, 3, 4, 5).build()
LOSSES = frozenset(("d_output", "d_h", "d_c"))


def test_a_declaration_is_kept_with_the_function() -> None:
    def lstm(case: conformance.Case) -> conformance.Result:
        return {}

    from functools import partial

    assert declared(lstm) == frozenset()
    conformance.candidate(without="h0")(lstm)
    assert declared(lstm) == declared(partial(partial(lstm))) == {"h0"}
    assert conformance.candidate(without=("d_x", "float32", "bias"))(lstm) is lstm
    assert declared(lstm) == {"d_x", "float32", "bias"}
    with pytest.raises(CandidateError, match="with brackets"):
        conformance.candidate(lstm)  # type: ignore[arg-type]  # what people write
    with pytest.raises(CandidateError, match=r"without=\['x'\] names neither inputs \(h0, "):
        conformance.candidate(without=("x", "h0"))
    with pytest.raises(CandidateError, match="takes no declaration; wrap it"):
        conformance.candidate(without="h0")(len)


@pytest.mark.parametrize("name", ["h0", "c0", "d_output", "d_h", "d_c", "bias"])
def test_a_case_is_met_by_whom_it_gives_nothing_that_he_cannot_take(name: str) -> None:
    without = frozenset((name,))
    assert not meets(CASE, without)
    assert meets(reduced(CASE, without), without)
    others = reduced(CASE, without)
    for other in {"h0", "c0", "d_output", "d_h", "d_c"} - {name}:
        assert getattr(others, other).any()
    assert (others.params.bias is None) == (name == "bias")


def test_a_dtype_that_is_not_known_is_not_met() -> None:
    assert not meets(CASE, frozenset({"float64"}))
    assert meets(CASE, frozenset({"float32"}))
    assert meets(CASE, frozenset({"d_x", "c"}))


def test_who_takes_no_cotangent_gives_no_gradient_and_may_be_given_any() -> None:
    assert meets(CASE, LOSSES)
    assert not meets(CASE, LOSSES | {"h0"})
    assert not meets(CASE, LOSSES | {"bias"})
    assert left_out(LOSSES) == set(QUANTITIES) - set(FORWARD)
    assert left_out(frozenset({"d_output", "d_h"})) == frozenset()
    assert left_out(frozenset({"h0", "bias", "c", "float32"})) == {"d_h0", "d_bias", "c"}
    assert left_out(LOSSES | {"h"}) == {"h"} | set(QUANTITIES) - set(FORWARD)
