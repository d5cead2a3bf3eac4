"""Each check of behaviour by itself, on one case; and what is made of a check, and of a trial."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from conformance.case import QUANTITIES, Case, Result
from conformance.cases.matrix import Spec
from conformance.judging.tolerance import allowed_between
from conformance.trial.call import InThread, Outcome
from conformance.trial.checks import CHECKS, CallFailed, Check, NotApplicable, NotJudged, Remark
from conformance.trial.results import Trial
from conformance.trial.runner import behave, judge
from conformance.trial.tests.wrong import correct, shared_buffer
from lstm_ref import LSTMParams

CASE = Spec(4, 7, 2, 3).build()
Candidate = Callable[[Case], Any]
NOTHING: frozenset[str] = frozenset()


def told(name: str, candidate: Candidate, case: Case = CASE) -> str | Remark | None:
    return CHECKS[name](InThread(candidate), case)


def changing(change: Callable[[Case, dict[str, Any]], dict[str, Any]]) -> Candidate:
    """The right results, but for some."""
    return lambda case: {**correct(case), **change(case, dict(correct(case)))}


def by_call(change: Callable[[int, Case, dict[str, Any]], dict[str, Any]]) -> Candidate:
    """The same, by the number of the call."""
    calls = count()
    return changing(lambda case, right: change(next(calls), case, right))


def noting(seen: list[Case]) -> Candidate:
    """The right results, with the cases noted."""

    def notes(case: Case) -> Result:
        seen.append(case)
        return correct(case)

    return notes


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_of_a_right_one_there_is_nothing_to_say(name: str, dtype: str) -> None:
    assert told(name, correct, Spec(4, 7, 2, 3, dtype).build()) is None


@pytest.mark.parametrize("name", CHECKS)
def test_a_call_without_result_is_told_by_its_reason(name: str) -> None:
    with pytest.raises(CallFailed, match="it raised"):
        CHECKS[name](lambda case: Outcome(failure="it raised"), CASE)
    with pytest.raises(NotJudged, match="too long"):
        CHECKS[name](lambda case: Outcome(not_judged="too long"), CASE)


def test_shapes() -> None:
    transposed = changing(lambda case, right: {"h": right["h"].T, "d_x": right["d_x"][None]})
    assert told("shapes", transposed) == (
        "h has shape (3, 4), expected (4, 3); d_x has shape (1, 4, 7, 2), expected (4, 7, 2)"
    )


def test_dtypes() -> None:
    def narrowed(case: Case, right: dict[str, Any]) -> dict[str, Any]:
        return {"h": right["h"].astype("f4"), "d_x": right["d_x"].astype("f2"), "c": right["c"].astype("f4")}

    assert told("dtype", changing(narrowed)) == Remark(
        "float32 results for float64 input: h, c; float16 results for float64 input: d_x"
    )


REPEATED: dict[str, tuple[Callable[[int, Case, dict[str, Any]], dict[str, Any]], Any]] = {
    "counts": (
        lambda n, case, right: {"c": right["c"] + n},
        "the second call gave another c than the first: something is kept between calls",
    ),
    "remembers": (
        lambda n, case, right: {"h": right["h"] + (n == 3)},
        "a call after one with another input gave another h than the first: something is kept between calls",
    ),
    "forgets": (
        lambda n, case, right: {"c": np.zeros(1)} if n == 1 else {},
        "the second call gave another c than the first: something is kept between calls",
    ),
    "rounds": (
        lambda n, case, right: {"h": right["h"] * (1 + n * 2.0**-52), "c": right["c"] * (1 + n * 2.0**-52)},
        Remark("not repeatable to the bit: the second call rounded h, c otherwise"),
    ),
    "rounds-late": (
        lambda n, case, right: {"output": right["output"] * (1 + (n == 3) * 2.0**-52)},
        Remark("not repeatable to the bit: a call after one with another input rounded output otherwise"),
    ),
    "always-nan": (lambda n, case, right: {"c": right["c"] * np.nan}, None),
    "another-other": (lambda n, case, right: {"c": right["c"] + case.id.endswith("-other")}, None),
}


@pytest.mark.parametrize("name", REPEATED)
def test_repeatable(name: str) -> None:
    change, expected = REPEATED[name]
    assert told("repeatable", by_call(change)) == expected


def test_what_a_later_call_changes_was_the_same_memory() -> None:
    said = told("repeatable", shared_buffer)
    assert str(said).endswith(" of the first call was changed by a later one: both are the same memory")


def test_the_call_in_between_has_another_input() -> None:
    seen: list[Case] = []
    told("repeatable", noting(seen))
    assert [np.array_equal(case.x, CASE.x) for case in seen] == [True, True, False, True]
    np.testing.assert_array_equal(seen[2].x, CASE.x[::-1] / 2)


def test_the_changed_sample_is_the_first_and_it_changes() -> None:
    seen: list[Case] = []
    told("samples-independent", noting(seen))
    for name in ("x", "h0", "c0"):
        before, after = getattr(CASE, name), getattr(seen[1], name)
        np.testing.assert_array_equal(after[1:], before[1:])
        np.testing.assert_array_equal(after[0], before[0, ::-1] / 2)


def test_inputs_unchanged() -> None:
    def writes(case: Case) -> Result:
        result = correct(case)
        case.x[0, 0, 0] += 1
        case.params.kernel[0, 0] += 1
        return result

    assert told("inputs-unchanged", writes) == "it wrote to x, params.kernel, which belong to the caller"


@pytest.mark.parametrize(
    ("names", "said"), [(("c",), "c is not finite"), (("h", "d_x"), "h, d_x are not finite"), ((), None)]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_when_saturated(names: tuple[str, ...], said: str | None, value: float) -> None:
    def overflows(case: Case, right: dict[str, Any]) -> dict[str, Any]:
        return {name: right[name] + value for name in names if case.id.endswith("-saturated")}

    assert told("quiet-when-saturated", changing(overflows)) == said


def warning(*texts: str, always: tuple[str, ...] = ()) -> Candidate:
    def warns(case: Case) -> Result:
        for text in (*always, *(texts if case.id.endswith("-saturated") else ())):
            warnings.warn(text, RuntimeWarning, stacklevel=1)
        return correct(case)

    return warns


ONE = "it issued 1 warning where gates saturate; the first: RuntimeWarning:"
OVERFLOW, INVALID = "overflow encountered in exp", "invalid value encountered in divide"


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (warning(OVERFLOW), f"{ONE} {OVERFLOW}"),
        (warning(OVERFLOW, INVALID), f"it issued 2 warnings where gates saturate; the first: RuntimeWarning: {OVERFLOW}"),
        (warning(OVERFLOW, INVALID, always=(OVERFLOW,)), f"{ONE} {INVALID}"),
        (warning(OVERFLOW, always=(OVERFLOW,)), None),
        (warning("this is slow"), None),
    ],
)  # fmt: skip
def test_warnings_when_saturated(candidate: Candidate, said: str | None) -> None:
    assert told("quiet-when-saturated", candidate) == (said and Remark(said))


def test_every_gate_is_saturated_both_ways() -> None:
    seen: list[Case] = []
    case = Spec(4, 7, 2, 5).build()
    told("quiet-when-saturated", noting(seen), case)
    assert case.params.bias is not None
    assert seen[0].params.bias is not None
    np.testing.assert_allclose(seen[0].params.bias - case.params.bias, [1000, -1000, 1000, -1000, 1000] * 4)


def test_who_takes_no_bias_cannot_be_saturated() -> None:
    case = replace(CASE, params=LSTMParams(CASE.params.kernel, CASE.params.recurrent_kernel))
    with pytest.raises(NotApplicable, match="it takes no bias"):
        told("quiet-when-saturated", correct, case)


@pytest.mark.parametrize("at", [0, 1, slice(1, None, 2), 3])
def test_batch_order(at: Any) -> None:
    def by_place(case: Case, right: dict[str, Any]) -> dict[str, Any]:
        right["output"][at] += 1e-3
        return right

    assert str(told("batch-order", changing(by_place))).startswith("with the samples in another order, output: ")


@pytest.mark.parametrize("quantity", ["d_kernel", "d_recurrent_kernel", "d_bias"])
def test_batch_order_of_gradients(quantity: str) -> None:
    def first_counts(case: Case, right: dict[str, Any]) -> dict[str, Any]:
        return {quantity: right[quantity] + case.x[0].sum()}

    said = told("batch-order", changing(first_counts))
    assert str(said).startswith(f"with the samples in another order, {quantity}: ")


@pytest.mark.parametrize("leaks", ["x", "h0", "c0"])
@pytest.mark.parametrize("into", ["output", "d_x"])
def test_samples_independent(leaks: str, into: str) -> None:
    def leaking(case: Case, right: dict[str, Any]) -> dict[str, Any]:
        right[into][1:] += getattr(case, leaks)[0].sum()
        return right

    said = told("samples-independent", changing(leaking))
    assert str(said).startswith(f"after sample 0's input and state changed, {into}: ")


def test_who_takes_no_state_is_given_none_in_any_check() -> None:
    case = replace(CASE, h0=0 * CASE.h0, c0=0 * CASE.c0)

    def stateless(case: Case) -> Result:
        assert not case.h0.any()
        assert not case.c0.any()
        return correct(case)

    assert [told(name, stateless, case) for name in CHECKS if name != "chunks"] == [None] * (len(CHECKS) - 1)


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        (lambda case, right: {"h": right["c"], "c": right["h"]}, "output"),
        (lambda case, right: {"output": np.concatenate([2 * right["output"][:, :1], right["output"][:, 1:]], 1)}, "output"),
        (lambda case, right: {"h": right["h"] + (case.x.shape[1] == 4)}, "h"),
        (lambda case, right: {"c": right["c"] + (case.x.shape[1] == 4)}, "c"),
    ],
)  # fmt: skip
def test_chunks(change: Any, quantity: str) -> None:
    assert str(told("chunks", changing(change))).startswith(f"in two parts, {quantity}: ")


def test_the_parts_make_up_the_whole() -> None:
    seen: list[Case] = []
    told("chunks", noting(seen))
    assert [case.x.shape[1] for case in seen] == [7, 3, 4]
    for name in ("x", "d_output"):
        parts = np.concatenate([getattr(case, name) for case in seen[1:]], axis=1)
        np.testing.assert_array_equal(parts, getattr(CASE, name))


def test_who_gives_no_gradients_can_go_on_all_the_same() -> None:
    def ignores_the_state(case: Case) -> Result:
        result = correct(replace(case, h0=0 * case.h0))
        return {name: result[name] for name in ("output", "h", "c")}

    assert str(told("chunks", ignores_the_state)).startswith("in two parts, output: ")


@pytest.mark.parametrize("lacks", ["output", "h", "c"])
def test_without_a_final_state_nothing_can_go_on(lacks: str) -> None:
    with pytest.raises(NotApplicable, match="it does not give output, h and c"):
        told("chunks", lambda case: {name: array for name, array in correct(case).items() if name != lacks})


# What is made of it.


def raising(error: Exception) -> Check:
    def check(call: Any, case: Case) -> str | None:
        raise error

    return check


@pytest.mark.parametrize(
    ("check", "status", "message"),
    [
        (lambda call, case: None, "passed", ""),
        (lambda call, case: "odd", "failed", "shapes: odd"),
        (lambda call, case: Remark("odd"), "remark", "odd"),
        (raising(NotApplicable("no")), "not provided", "no"),
        (raising(NotJudged("late")), "not judged", "shapes: late"),
        (raising(CallFailed("raised")), "failed", "shapes: raised"),
        (raising(ValueError("shape")), "failed", "shapes: its result could not be used: ValueError: shape"),
    ],
)
def test_what_a_check_comes_to(check: Check, status: str, message: str) -> None:
    result = behave("shapes", check, InThread(correct), CASE, NOTHING, {"float64": "it wrote to x"})
    assert (result.id, result.trial, result.quantity) == ("behaviour:shapes:float64", CASE.id, "shapes")
    assert (result.status, result.message, result.behaviour, result.share) == (status, message, True, None)


def test_what_was_written_to_before_counts_in_its_own_dtype() -> None:
    def behaved(mutated: dict[str, str]) -> tuple[str, str]:
        name = "inputs-unchanged"
        result = behave(name, CHECKS[name], InThread(correct), CASE, NOTHING, mutated)
        return result.status, result.message

    assert behaved({"float64": "it wrote to x"}) == ("failed", "inputs-unchanged: it wrote to x")
    assert behaved({"float32": "it wrote to x"}) == ("passed", "")


@pytest.mark.parametrize("without", [{"h0"}, {"c0"}, {"h0", "c0"}])
def test_who_takes_no_state_is_not_asked_for_chunks(without: set[str]) -> None:
    result = behave("chunks", raising(AssertionError()), InThread(correct), CASE, frozenset(without), {})
    assert (result.status, result.message) == ("not provided", "it takes no initial state")


@pytest.mark.parametrize(("name", "without"), [("chunks", set()), ("chunks", {"bias"}), ("shapes", {"h0", "c0"})])
def test_whatever_else_it_lacks_it_is_asked_all_the_same(name: str, without: set[str]) -> None:
    result = behave(name, lambda call, case: "odd", InThread(correct), CASE, frozenset(without), {})
    assert (result.status, result.message) == ("failed", f"{name}: odd")


def judged(outcome: Outcome, *without: str) -> Iterator[tuple[str, str, str]]:
    trial = Trial("torch", CASE, lambda: correct(CASE), lambda: allowed_between(CASE))
    for result in judge(trial, outcome, frozenset(without)):
        assert result.id == f"torch:{CASE.id}:{result.quantity}"
        assert result.trial == f"torch:{CASE.id}"
        yield result.quantity, result.status, result.message


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome(failure="raised"), "failed"), (Outcome(not_judged="raised"), "not judged")]
)
def test_a_call_without_result_fails_in_all_that_is_asked_for(outcome: Outcome, status: str) -> None:
    assert [*judged(outcome)] == [(name, status, "raised") for name in QUANTITIES]
    assert [*judged(outcome, "d_x")] == [
        (name, "not provided", "") if name == "d_x" else (name, status, "raised") for name in QUANTITIES
    ]


def test_what_is_left_out_is_excused_by_a_declaration_alone() -> None:
    result = {name: array for name, array in correct(CASE).items() if name != "d_h0"}
    missing = "d_h0 is missing from the result"
    for without, status in (((), "undeclared"), (("d_h0",), "not provided"), (("h0",), "not provided")):
        assert [one for one in judged(Outcome(result), *without) if one[1] != "passed"] == [("d_h0", status, missing)]


def test_what_is_given_is_compared_whatever_was_declared() -> None:
    result = {**correct(CASE), "d_h0": correct(CASE)["d_h0"] + 1}
    found = {quantity: (status, message) for quantity, status, message in judged(Outcome(result), "d_h0")}
    assert found.pop("d_h0")[0] == "failed"
    assert set(found.values()) == {("passed", "")}
