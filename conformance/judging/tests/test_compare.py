"""The comparison, and the linter of cases, that all verdicts rest on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.case import KINDS, QUANTITIES, WEIGHT_AXES, Case, Result
from conformance.cases.degenerate import unexcused
from conformance.cases.matrix import Spec, edges, flags_of_sizes, matrix
from conformance.implementations import built_in
from conformance.judging.compare import Comparison, compare, name_index
from conformance.judging.tolerance import allowed_between
from lstm_ref import LSTMParams


@pytest.fixture(scope="module")
def case() -> Case:
    return Spec(2, 4, 3, 5, flags=flags_of_sizes(2, 4, 3, 5)).build()


@pytest.fixture(scope="module")
def result(case: Case) -> Result:
    return built_in("ref")(case)


def failures(case: Case, actual: Result, expected: Result) -> dict[str, str]:
    return {c.quantity: str(c) for c in compare(case, actual, expected, allowed_between(case)) if not c.passed}


def test_a_result_agrees_with_itself(case: Case, result: Result) -> None:
    assert failures(case, result, result) == {}
    assert [c.quantity for c in compare(case, result, result, allowed_between(case))] == list(QUANTITIES)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_one_wrong_number_is_found_and_named(quantity: str, case: Case, result: Result) -> None:
    wrong = result[quantity].copy()
    wrong[(-1,) * wrong.ndim] += 1e-6
    found = failures(case, {**result, quantity: wrong}, result)
    assert list(found) == [quantity]
    last = name_index(case, quantity, tuple(n - 1 for n in wrong.shape))
    assert f"1 of {wrong.size} numbers are wrong; worst at {last}: expected " in found[quantity]


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("side", [-1, 1])
def test_the_allowed_error_is_the_border(quantity: str, side: int, case: Case, result: Result) -> None:
    allowed = allowed_between(case)[quantity]
    index = np.unravel_index(np.abs(result[quantity]).argmin(), result[quantity].shape)
    for factor, wrong in ((0.9, []), (1.1, [quantity])):
        changed = result[quantity].copy()
        changed[index] += side * factor * allowed
        assert list(failures(case, {**result, quantity: changed}, result)) == wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.astype("float32"), "24 of 24 numbers are wrong"),
        (lambda a: a.astype(object), "has dtype object, expected numbers"),
        (lambda a: a.T, r"has shape"),
        (lambda a: a[None], r"has shape"),
        (lambda a: a.tolist(), "is a list, expected a NumPy array"),
        (lambda a: None, "is a NoneType"),
        (lambda a: np.where(a == a.max(), np.nan, a), "it is NaN, expected"),
        (lambda a: np.where(a == a.max(), np.inf, a), "actual inf"),
    ],
)
def test_what_cannot_be_compared_fails(change, message: str, case: Case, result: Result) -> None:  # type: ignore[no-untyped-def]  # lambdas
    assert message in failures(case, {**result, "d_x": change(result["d_x"])}, result)["d_x"]


def test_nan_and_infinity_are_right_only_where_they_are_expected(case: Case, result: Result) -> None:
    expected = {name: array.copy() for name, array in result.items()}
    expected["h"][0, 0], expected["h"][1, 1] = np.nan, np.inf
    assert failures(case, expected, expected) == {}
    assert list(failures(case, result, expected)) == ["h"]
    assert list(failures(case, {**expected, "h": np.full((2, 5), np.nan)}, expected)) == ["h"]


def test_a_quantity_left_out_fails(case: Case, result: Result) -> None:
    without = {name: array for name, array in result.items() if name != "d_c0"}
    assert failures(case, without, result) == {"d_c0": "d_c0: is missing from the result"}


def test_without_a_bias_there_is_no_d_bias() -> None:
    case = Spec(2, 4, 3, 5, bias=False).build()
    result = built_in("ref")(case)
    assert "d_bias" not in [c.quantity for c in compare(case, result, result, allowed_between(case))]


def test_a_comparison_has_the_numbers_of_the_worst_place(case: Case, result: Result) -> None:
    actual = {**result, "h": result["h"] + [[0, 0, 0.25, 0, 0], [0, 0, 0, -2, 0.75]]}
    told = {c.quantity: c for c in compare(case, actual, result, dict.fromkeys(QUANTITIES, 0.5))}
    wrong, right = told["h"], told["output"]
    assert (wrong.passed, wrong.wrong, wrong.total, wrong.index, wrong.allowed) == (False, 2, 10, "b=1 unit=3", 0.5)
    assert (wrong.expected, wrong.actual) == (result["h"][1, 3], actual["h"][1, 3])
    assert (wrong.share, wrong.relative) == pytest.approx((4.0, 2 / np.abs(result["h"]).max()))
    assert "error 2, allowed 0.5, 4 times over" in str(wrong)
    assert (right.passed, right.wrong, right.share, right.relative, right.reason) == (True, 0, 0.0, 0.0, "")


def test_where_zero_is_expected_the_error_stands_for_itself(case: Case, result: Result) -> None:
    zeros = {**result, "c": np.zeros((2, 5))}
    told = {
        c.quantity: c for c in compare(case, {**result, "c": np.full((2, 5), 0.25)}, zeros, dict.fromkeys(result, 1.0))
    }
    assert (told["c"].relative, told["c"].share, told["c"].passed) == (0.25, 0.25, True)


def test_an_error_as_large_as_the_allowed_one_is_allowed(case: Case, result: Result) -> None:
    zeros = {**result, "c": np.zeros((2, 5))}
    for error, wrong in ((1.0, 0), (np.nextafter(1.0, 2.0), 10)):
        actual = {**result, "c": np.full((2, 5), error)}
        told = {c.quantity: c for c in compare(case, actual, zeros, dict.fromkeys(result, 1.0))}["c"]
        assert (told.passed, told.wrong) == (not wrong, wrong)


def test_what_is_incomparable_or_missing_has_no_numbers(case: Case, result: Result) -> None:
    given = {name: array for name, array in result.items() if name != "c"} | {"h": result["h"][:1]}
    told = {c.quantity: c for c in compare(case, given, result, allowed_between(case))}
    for quantity, reason in (("h", "has shape (1, 5), expected (2, 5)"), ("c", "is missing from the result")):
        nothing = Comparison(case.id, quantity, False, np.inf, np.inf, 0, 0, "", 0.0, 0.0, 0.0, reason)
        assert told[quantity] == nothing


def test_an_empty_batch_is_right_and_a_single_number_can_be_wrong() -> None:
    empty = Spec(0, 4, 3, 5, edge="empty-batch").build()
    result = built_in("ref")(empty)
    told = {c.quantity: c for c in compare(empty, result, result, allowed_between(empty))}
    assert told["h"] == Comparison(empty.id, "h", True, 0.0, 0.0, 0, 0, "", 0.0, 0.0, 0.0, "")
    single = Spec(1, 1, 1, 1).build()
    result = built_in("ref")(single)
    assert set(failures(single, {**result, "h": result["h"] + 1}, result)) == {"h"}


def test_integers_and_booleans_are_numbers(case: Case, result: Result) -> None:
    ones = {**result, "h": np.ones((2, 5))}
    for dtype in (bool, np.int64, np.uint8, np.float16):
        assert failures(case, {**ones, "h": np.ones((2, 5), dtype)}, ones) == {}


def test_an_index_of_another_rank_is_no_index(case: Case) -> None:
    with pytest.raises(ValueError, match="zip"):
        name_index(case, "output", (0, 2))


def test_index_names_unit_and_gate(case: Case) -> None:
    assert name_index(case, "output", (0, 2, 3)) == "b=0 t=2 unit=3"
    assert name_index(case, "d_kernel", (1, 8)) == "feature=1 unit=3 gate=f"


def test_every_weights_gradient_is_of_a_kind_that_the_summary_tells() -> None:
    assert {f"d_{weight}" for weight in WEIGHT_AXES} <= set(KINDS)


def changed(case: Case, **arrays: Any) -> Case:
    params = case.params
    weights = {name: arrays.pop(name, getattr(params, name)) for name in ("kernel", "recurrent_kernel", "bias")}
    return replace(case, params=LSTMParams(**weights), **arrays)


def test_every_case_of_the_matrix_is_fit_or_flagged() -> None:
    small = [s for s in [*matrix(), *edges()] if s.B * s.T * (s.D + s.H) < 20_000]
    assert len(small) > 500
    assert {s.id: w for s in small if (w := unexcused(s.build(), s.flags))} == {}


@pytest.mark.parametrize(
    ("weaken", "message"),
    [
        (lambda c: changed(c, kernel=np.full((3, 20), 0.1)), "kernel repeats its values"),
        (lambda c: changed(c, recurrent_kernel=np.zeros((5, 20))), "recurrent_kernel repeats its values"),
        (lambda c: changed(c, bias=np.zeros(20)), "bias repeats its values"),
        (lambda c: changed(c, kernel=np.tile(c.params.kernel[:, :5], 4)), "two gates share one block of kernel"),
        (
            lambda c: changed(
                c, recurrent_kernel=np.hstack([b + b.T for b in np.split(c.params.recurrent_kernel, 4, 1)])
            ),
            "symmetric",
        ),
        (lambda c: changed(c, h0=np.zeros((2, 5)), c0=np.zeros((2, 5))), "h0 and c0 are zero"),
        (lambda c: changed(c, c0=c.h0), "h0 equals c0"),
        (lambda c: changed(c, d_c=c.d_h), "two cotangents are equal"),
        (lambda c: changed(c, d_c=0 * c.d_h, d_h=0 * c.d_h, d_output=0 * c.d_output), "every cotangent is zero"),
        (lambda c: changed(c, x=np.full((2, 4, 3), np.nan)), "not finite"),
        (lambda c: changed(c, c0=c.c0 * 1000), "far beyond 100"),
        (lambda c: changed(c, x=c.x[:0], h0=c.h0[:0], c0=c.c0[:0], d_output=c.d_output[:0]), "B is 0"),
        (
            lambda c: changed(c, d_c=0 * c.d_c, d_output=0 * c.d_output, d_h=np.eye(2, 5, 3)[::-1] * [[0], [1]]),
            "a single",
        ),
        (lambda c: changed(c, recurrent_kernel=np.tile(c.params.recurrent_kernel[:, :5], 4)), "of recurrent_kernel"),
        (lambda c: Spec(2, 1, 3, 5).build(), "T is 1"),
        (lambda c: Spec(2, 2, 3, 5).build(), "T is 2"),
        (lambda c: Spec(1, 4, 3, 5).build(), "B is 1"),
        (lambda c: Spec(2, 4, 5, 5).build(), "not all different"),
        (lambda c: Spec(2, 100, 3, 5).build(), "T is 100"),
    ],
)
def test_a_degenerate_case_without_a_flag_is_refused(weaken, message: str, case: Case) -> None:  # type: ignore[no-untyped-def]  # lambdas
    assert unexcused(case, frozenset()) == []
    assert any(message in weakness for weakness in unexcused(weaken(case), frozenset()))


def test_a_flag_excuses_its_own_weakness_and_no_other(case: Case) -> None:
    weak = changed(case, h0=np.zeros((2, 5)), c0=np.zeros((2, 5)))
    assert unexcused(weak, frozenset({"zero-state"})) == []
    assert unexcused(weak, frozenset({"zeros"})) == []
    for flag in ("saturated", "tiny", "long", "one-hot", "nan-in-one-sample"):
        assert unexcused(weak, frozenset({flag})) == ["h0 and c0 are zero"], flag
