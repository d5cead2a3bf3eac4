"""The verdict on a case: the same with the screen and without, and what it is where nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.at_random import random_case
from conformance.cases.features import FEATURES
from conformance.cases.matrix import DTYPES
from conformance.implementations import built_in, refusal
from conformance.judging.tolerance import allowed_between
from conformance.sweep.block import Inside, judge_of, run_case
from conformance.sweep.judge import Judge
from conformance.sweep.plan import Plan, Tally
from conformance.trial.call import Outcome

NOTHING = frozenset[str]()
CHAOTIC = 1199
"""A case of seed 0 in float32 whose gradients rounding alone multiplies by a thousand."""


def outcome(case: Case, change: Callable[[str, np.ndarray], np.ndarray] = lambda name, a: a) -> Outcome:
    return Outcome({name: change(name, np.array(a)) for name, a in built_in("ref")(case).items()}, returned=True)


@pytest.mark.parametrize("features", [NOTHING, frozenset(FEATURES)])
def test_the_screen_changes_no_verdict(features: frozenset[str]) -> None:
    screened, measured, verdicts = Judge("ref", NOTHING), Judge("ref", NOTHING, measured=True), set()
    for number in range(48):
        case = random_case(11, number, DTYPES, features)[1]
        allowed, share = allowed_between(case), 0.1 * 1.2**number  # from 0.1 of the allowed error to hundreds of times

        given = outcome(case)
        given.result["d_x"].flat[:1] += share * allowed["d_x"]
        one, other = screened(case, given), measured(case, given)
        assert (one.right, one.quantities, one.undecided) == (other.right, other.quantities, other.undecided)
        verdicts.add((one.right, one.share != one.share))
    assert verdicts == {(True, True), (True, False), (False, False)}  # screened, measured and right, wrong


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_wrong_also_where_rounding_is_all(value: float) -> None:
    for number in (0, CHAOTIC):
        case = random_case(0, number, DTYPES)[1]
        given = outcome(case, lambda name, a: np.full_like(a, value) if name == "d_x" else a)
        assert Judge("ref", NOTHING)(case, given).quantities == ("d_x",)


def test_where_rounding_alone_changes_everything_an_error_is_no_failure() -> None:
    case = random_case(0, CHAOTIC, DTYPES)[1]
    verdict = Judge("ref", NOTHING)(case, outcome(case, lambda name, a: 1e9 * a if name == "d_x" else a))
    assert verdict.right
    assert "d_x" in verdict.undecided


@pytest.mark.parametrize("number", [0, 8])
def test_what_is_not_zero_where_zero_belongs_is_wrong(number: int) -> None:
    case = random_case(0, number, DTYPES)[1]
    case = replace(case, **{name: np.zeros_like(getattr(case, name)) for name in ("d_output", "d_h", "d_c")})
    given = outcome(case, lambda name, a: a + 1e-3 if name == "d_x" else a)
    assert Judge("ref", NOTHING)(case, given).quantities == ("d_x",)


@pytest.mark.parametrize("name", ["ref", "torch", "keras", "onnx"])
def test_correct_engines_raise_no_false_alarm(name: str) -> None:
    features = ("mask", "stacked", "bidirectional", "zero-output") if name == "ref" else ()
    plan = Plan(name, "", 1997, features, (), DTYPES, name == "onnx", True, 10.0, None)
    call, judge = Inside(name), judge_of(plan)
    tally = sum((run_case(plan, number, call, judge) for number in range(48)), Tally())
    assert (tally.cases, tally.failing, tally.corrected, tally.undecided) == (48, (), (), 0)
    assert sum(worst.cases for worst in tally.worst.values()) == 48
    assert max(worst.share for worst in tally.worst.values()) <= 1


def test_kept_modules_give_what_new_ones_give() -> None:
    features = frozenset(("stacked", "widths", "bidirectional", "mask", "zero-output", "projection"))
    for number in range(48):
        case = random_case(7, number, DTYPES, features)[1]
        if not refusal("torch", case):
            new, kept = (built_in("torch", often=often)(case) for often in (False, True))
            assert new.keys() == kept.keys()
            assert all(np.array_equal(new[name], kept[name], equal_nan=True) for name in new)


def test_an_engine_is_not_its_own_oracle() -> None:
    case = random_case(0, 0, DTYPES)[1]
    oracles = {name: Judge(name, NOTHING)(case, Inside(name)(case)).oracle for name in ("ref", "torch", "keras")}
    assert oracles == {"ref": "torch", "torch": "keras", "keras": "torch"}


def test_what_is_left_out_fails_unless_it_was_declared_or_nothing_gives_gradients() -> None:
    case = random_case(0, 0, DTYPES)[1]
    given = Outcome({name: a for name, a in built_in("ref")(case).items() if name != "d_x"}, returned=True)
    assert "is missing" in str(Judge("ref", NOTHING)(case, given).failing[0])
    assert Judge("ref", frozenset({"d_x"}))(case, given).right
    assert Judge("ref", NOTHING, forward=True)(case, given).right


def test_what_no_engine_has_is_compared_with_the_certified_values() -> None:
    case = next(
        c
        for n in range(1, 99, 2)
        if (c := random_case(0, n, DTYPES, frozenset({"peephole"}))[1]).params.peephole is not None
    )
    verdict = Judge("ref", NOTHING)(case, outcome(case))
    assert (verdict.oracle, verdict.right) == ("certified", True)


def test_the_certified_values_decide_when_an_engine_is_wrong() -> None:
    case = random_case(0, 0, DTYPES)[1]
    judge = Judge("ref", NOTHING)
    assert judge.arbitrated(case, outcome(case)).right
    assert judge.arbitrated(case, outcome(case, lambda name, a: a * (1 + 1e-6))).failing
