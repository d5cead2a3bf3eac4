"""The equations on a tape of floats and of intervals, beside lstm_ref and each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.matrix import Spec
from conformance.cases.network import NetworkSpec
from conformance.errors import OracleError
from conformance.implementations import certified, equations, reference
from conformance.implementations.tests.networks import SPECS
from lstm_ref import Options

BUILDERS: tuple[Spec | NetworkSpec, ...] = (Spec(2, 6, 3, 5), Spec(3, 4, 2, 1, bias=False), Spec(1, 1, 1, 1), *SPECS)

every_network = pytest.mark.parametrize("spec", BUILDERS, ids=lambda spec: spec.id)


def farthest(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, over the largest number."""
    return float(np.abs(actual - expected).max(initial=0.0) / max(np.abs(expected).max(initial=0.0), 1.0))


@every_network
def test_floats_give_what_the_reference_gives(spec: Spec | NetworkSpec) -> None:
    case = spec.build()
    actual, expected = equations.compute(case), reference.compute(case)
    assert {name: array.shape for name, array in actual.items()} == case.shapes
    assert [name for name in case.shapes if farthest(actual[name], expected[name]) > 1e-12] == []


@every_network
def test_floats_are_at_the_certified_values(spec: Spec | NetworkSpec) -> None:
    case = spec.build()
    actual, expected = equations.compute(case), certified.compute(case)
    assert {name: array.shape for name, array in expected.items()} == case.shapes
    assert [name for name in case.shapes if farthest(actual[name], expected[name]) > 1e-14] == []


@pytest.mark.parametrize("spec", [*SPECS[:3], *SPECS[-3:]], ids=lambda spec: spec.id)
def test_float32_stays_float32(spec: NetworkSpec) -> None:
    assert {array.dtype for array in equations.compute(replace(spec, dtype="float32").build()).values()} == {
        np.dtype(np.float32)
    }


def without_a_look(case: Case) -> Case:
    """The case with NaN wherever a step does not count."""
    assert case.mask is not None
    return replace(case, x=np.where(case.mask[..., np.newaxis], case.x, np.nan))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.mask], ids=lambda spec: spec.id)
def test_what_is_masked_is_not_looked_at(spec: NetworkSpec) -> None:
    case = spec.build()
    for compute in (equations.compute, certified.compute):
        usual = compute(case)
        for name, array in compute(without_a_look(case)).items():
            np.testing.assert_array_equal(array, usual[name], err_msg=name)


def test_an_empty_batch_has_empty_outputs_and_zero_gradients() -> None:
    case = NetworkSpec(0, 3, 2, (4, 4), direction="both").build()
    for compute in (equations.compute, certified.compute):
        given = compute(case)
        assert {name: array.shape for name, array in given.items()} == case.shapes
        assert not given["layers.1.reverse.d_kernel"].any()


def zeros(array: np.ndarray) -> np.ndarray:
    return np.zeros_like(array)


@pytest.mark.parametrize("change", [zeros, lambda array: array * 2.0**-400])
def test_at_a_kink_the_certified_slope_is_the_one_from_below(change: Callable[[np.ndarray], np.ndarray]) -> None:
    """As frameworks have it: the slope of relu at zero is zero. Close to a kink, more bits are taken."""
    case = NetworkSpec(1, 1, 1, (1,), bias=False, options=Options(activation="relu")).build()
    case = replace(case, x=change(case.x), h0=zeros(case.h0))
    assert certified.compute(case)["d_x"].shape == (1, 1, 1)
    if not case.x.any():
        block = certified.compute(case)["d_recurrent_kernel"], certified.compute(case)["d_c0"]
        assert not block[0].any()
        assert block[1].all()


def test_an_interval_on_both_sides_of_a_kink_is_never_guessed() -> None:
    from flint import arb, ctx

    ctx.prec = 53
    wide = np.array([arb(0, 1e-3)], dtype=object)
    computed = certified.Intervals()
    for name in ("relu", "elu"):
        with pytest.raises(certified.UndecidedError):
            computed.activated(name, wide, "")
        with pytest.raises(certified.UndecidedError):
            computed.through(name, wide, wide, wide)
    for name, divisor in (("hard_sigmoid", 6), ("hard_sigmoid_keras2", 5)):
        for end in (-1, 1):
            with pytest.raises(certified.UndecidedError):
                computed.activated(name, wide + end * arb(divisor) / 2, "")
    with pytest.raises(certified.UndecidedError):
        computed.inside(wide + arb(1), 1.0)
    assert list(computed.inside(np.array([arb(1), arb(2)], dtype=object), 1.0)) == [True, False]


def test_values_beyond_every_float_are_refused() -> None:
    case = NetworkSpec(3, 5, 2, (5,), options=Options(activation="exponential")).build()
    with pytest.raises(OracleError, match="1024 bits do not suffice"):
        certified.compute(case)
