"""The allowed error: what rounding does to a case, and who stays within it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.matrix import DTYPES, Spec
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.fixtures.generate import MOST_OF_ALLOWED
from conformance.fixtures.store import as_dtype, golden
from conformance.implementations import ORACLES, built_in
from conformance.judging import tolerance
from conformance.judging.compare import compare
from conformance.judging.noise import Noise, noise, perturbed
from conformance.judging.tolerance import (
    MARGIN,
    allowed_between,
    allowed_error,
    allowed_from_truth,
    roundoff,
    scale_of,
)
from lstm_ref import LSTMParams

FLOAT64, FLOAT32 = (np.dtype(name) for name in DTYPES)


@pytest.fixture(scope="module")
def case() -> Case:
    return Spec(2, 6, 3, 5).build()


def with_weights_times(factor: float, case: Case) -> Case:
    weights = case.params
    assert weights.bias is not None
    scaled = LSTMParams(factor * weights.kernel, factor * weights.recurrent_kernel, factor * weights.bias)
    return replace(case, params=scaled)


def relative(case: Case, quantity: str) -> float:
    """The deviation that rounding causes, in roundoffs of the largest number."""
    found = noise(case, case.dtype)[quantity]
    return found.deviation / found.scale


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_case_has_the_same_noise(dtype: str, case: Case) -> None:
    first = noise(case, np.dtype(dtype))
    noise(Spec(3, 4, 2, 3).build(), np.dtype(dtype))
    assert noise(replace(case, id="another id"), np.dtype(dtype)) == first


def test_without_perturbation_they_are_the_certified_values() -> None:
    for vector in golden(["float64"]):
        run = {quantity: values[0] for quantity, values in perturbed(vector.case, 1).items()}
        assert [
            str(told) for told in compare(vector.case, run, vector.expected, vector.allowed) if not told.passed
        ] == []


def test_every_run_is_perturbed_in_every_quantity(case: Case) -> None:
    for values in perturbed(case, 8).values():
        assert (np.abs(values[1:] - values[0]).reshape(8, -1).max(axis=1) > 0).all()


def test_noise_is_proportional_to_the_roundoff(case: Case) -> None:
    for quantity, values in perturbed(case, 8, 2.0**-24).items():
        finer = perturbed(case, 8, 2.0**-34)[quantity]
        np.testing.assert_allclose(finer[1:] - finer[0], (values[1:] - values[0]) / 1024, rtol=0, atol=1e-13)


def test_noise_grows_with_the_steps() -> None:
    few, many = Spec(2, 4, 3, 5).build(), Spec(2, 300, 3, 5).build()
    for quantity in ("d_kernel", "d_recurrent_kernel", "d_bias"):
        assert noise(many, FLOAT64)[quantity].deviation > 5 * noise(few, FLOAT64)[quantity].deviation


def test_large_weights_are_allowed_a_larger_error(case: Case) -> None:
    assert relative(with_weights_times(16.0, case), "output") > 2 * relative(case, "output")
    assert relative(with_weights_times(16.0, case), "d_x") > 2 * relative(case, "d_x")


def test_the_allowed_error_is_the_margin_times_noise_or_one_roundoff(case: Case) -> None:
    for dtype in (FLOAT64, FLOAT32):
        allowed = allowed_from_truth(case, dtype)
        for quantity, found in noise(case, dtype).items():
            assert allowed[quantity] == MARGIN * max(found.deviation, found.scale) * roundoff(dtype)
    assert allowed_between(case) == {
        quantity: 2 * error for quantity, error in allowed_from_truth(case, FLOAT64).items()
    }


def test_where_everything_is_zero_almost_nothing_is_allowed(case: Case) -> None:
    zero = replace(case, **{name: np.zeros_like(getattr(case, name)) for name in ("d_output", "d_h", "d_c")})
    assert 0 < allowed_from_truth(zero, FLOAT32)["d_x"] < 1e-34


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_frameworks_leave_room_in_every_golden_vector(oracle: str, dtype: str) -> None:
    engine = built_in(oracle)
    for vector in golden([dtype]):
        actual = {name: np.ascontiguousarray(array) for name, array in engine(vector.case).items()}
        worst = max(compare(vector.case, actual, vector.expected, vector.allowed), key=lambda told: told.share)
        assert worst.share <= MOST_OF_ALLOWED, f"{vector.case.id}: {worst}"


def test_a_sigmoid_that_is_off_by_one_in_100_000_is_far_outside_in_float32() -> None:
    wrong = Hypothesis(("sigmoid-epsilon-1e-5",)).fresh()
    shares = [
        max(told.share for told in compare(vector.case, wrong(vector.case), vector.expected, vector.allowed))
        for vector in golden(["float32"])
        if vector.vector.startswith("plain-")
    ]
    assert min(shares) > 10


@pytest.mark.parametrize("place", [lambda case: case.x, lambda case: case.params.kernel])
def test_a_nan_in_the_case_allows_no_error_elsewhere(place: Callable[[Case], np.ndarray], case: Case) -> None:
    with_nan = as_dtype(case, "float64")
    place(with_nan)[0, 0] = np.nan
    usual = allowed_from_truth(case, FLOAT64)
    for quantity, error in allowed_from_truth(with_nan, FLOAT64).items():
        assert 0 < error < 10 * usual[quantity]


@pytest.mark.parametrize(("dtype", "roundoff"), [(np.float64, 2.0**-53), (np.float32, 2.0**-24)])
def test_the_allowed_error_is_four_times_the_larger_of_deviation_and_scale(dtype: type, roundoff: float) -> None:
    kind = np.dtype(dtype)
    assert allowed_error(Noise(deviation=3.0, scale=2.0), kind) == 12 * roundoff
    assert allowed_error(Noise(deviation=2.0, scale=5.0), kind) == 20 * roundoff
    assert allowed_error(Noise(deviation=0.0, scale=0.0), kind) == 1000 * float(np.finfo(kind).tiny)


def test_between_two_roundings_twice_the_error_is_allowed() -> None:
    case = Spec(2, 4, 3, 5).build()
    truth = allowed_from_truth(case, case.dtype)
    assert allowed_between(case) == {quantity: 2 * error for quantity, error in truth.items()}


def test_the_scale_is_the_largest_finite_magnitude() -> None:
    assert scale_of(np.array([0.25, np.nan, -0.5, np.inf])) == 0.5
    assert scale_of(np.array([np.nan])) == scale_of(np.zeros((0, 3))) == 0.0


def test_of_a_case_with_many_numbers_fewer_runs_are_made_and_at_least_four(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def recorded(case: Case, dtype: np.dtype[Any], runs: int) -> dict[str, float]:
        asked.append(runs)
        return {}

    monkeypatch.setattr(tolerance, "allowed_from_truth", recorded)
    for sizes in ((0, 3, 1, 1), (2, 6, 3, 5), (4, 50, 3, 10), (2, 1, 3, 157), (8, 100, 3, 64)):
        allowed_between(Spec(*sizes).build())
    assert asked == [32, 32, 20, 6, 4]
