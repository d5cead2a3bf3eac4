"""Random roundings of networks: what they do to every quantity, and who stays within what they allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.matrix import DTYPES, Spec
from conformance.cases.network import NetworkSpec
from conformance.implementations import certified, reference
from conformance.implementations.equations import Equations
from conformance.implementations.tape import Tape
from conformance.implementations.tests.networks import SPECS
from conformance.judging.compare import compare
from conformance.judging.noise import RUNS, noise, perturbed
from conformance.judging.roundings import RandomlyRounded
from conformance.judging.tolerance import allowed_between, allowed_from_truth
from lstm_ref import Options

every_network = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)


@every_network
def test_every_quantity_has_noise(spec: NetworkSpec) -> None:
    case = spec.build()
    for dtype in DTYPES:
        found = noise(case, np.dtype(dtype))
        assert set(found) == set(case.shapes)
        for one in found.values():
            assert 1 < one.deviation / one.scale < 1000


@every_network
def test_without_perturbation_it_is_the_certified_value(spec: NetworkSpec) -> None:
    case = spec.build()
    expected = certified.compute(case)
    for quantity, values in perturbed(case, 2).items():
        assert values.shape == (3, *case.shapes[quantity])
        scale = max(np.abs(expected[quantity]).max(), 1.0)
        np.testing.assert_allclose(values[0], expected[quantity], rtol=0, atol=1e-14 * scale)


@every_network
def test_the_reference_is_within_what_is_allowed(spec: NetworkSpec) -> None:
    for dtype in DTYPES:
        case = replace(spec, dtype=dtype).build()
        told = compare(case, reference.compute(case), certified.compute(case), allowed_from_truth(case, case.dtype))
        assert [str(one) for one in told if not one.share < 0.6] == []


@pytest.mark.parametrize("spec", SPECS[1::4], ids=lambda spec: spec.id)
def test_noise_is_proportional_to_the_roundoff(spec: NetworkSpec) -> None:
    case = spec.build()
    finer = perturbed(case, 8, 2.0**-34)
    for quantity, values in perturbed(case, 8, 2.0**-24).items():
        deviations = (values[1:] - values[0]) / 1024
        np.testing.assert_allclose(finer[quantity][1:] - finer[quantity][0], deviations, rtol=0, atol=2e-13)
        assert (np.abs(deviations).reshape(8, -1).max(axis=1) > 0).all(), quantity


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.mask], ids=lambda spec: spec.id)
def test_what_is_masked_makes_no_noise(spec: NetworkSpec) -> None:
    case = spec.build()
    assert case.mask is not None
    masked = replace(case, x=np.where(case.mask[..., np.newaxis], case.x, np.nan))
    assert noise(masked, case.dtype) == noise(case, case.dtype)


@pytest.mark.parametrize("sizes", [(2, 6, 3, 5), (3, 32, 8, 31), (1, 1, 1, 1), (5, 3, 17, 8), (2, 60, 3, 5)])
def test_of_a_plain_case_the_equations_have_the_noise_of_the_faster_way(sizes: tuple[int, int, int, int]) -> None:
    case = Spec(*sizes).build()
    slower: dict[str, Any] = Equations().evaluated(case, Tape(RandomlyRounded(RUNS, 2.0**-24)))
    for quantity, values in perturbed(case, RUNS).items():
        one, other = (np.abs(runs[1:] - runs[0]).std() for runs in (slower[quantity], values))
        assert 0.6 < one / other < 1.7, quantity


def test_the_same_network_has_the_same_noise() -> None:
    case = SPECS[-1].build()
    first = noise(case, case.dtype)
    noise(SPECS[0].build(), case.dtype)
    assert noise(replace(case, id="another id"), case.dtype) == first


def test_of_a_network_with_many_numbers_fewer_runs_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def recorded(case: Any, dtype: Any, runs: int) -> dict[str, float]:
        asked.append(runs)
        return {}

    monkeypatch.setattr("conformance.judging.tolerance.allowed_from_truth", recorded)
    for units, direction in (((10,), "forward"), ((10,), "both"), ((10, 10), "both")):
        allowed_between(NetworkSpec(4, 50, 3, units, direction=direction).build())
    assert asked == [20, 10, 5]


def test_a_slope_that_jumps_where_float32_underflows_has_the_noise_of_it() -> None:
    """At c' = i g with i = 5e-42 and c = 0, relu's slope is 1 in float64, and 0 in float32."""
    options = Options(activation="relu")
    case = replace(NetworkSpec(2, 1, 3, (4,), state=False, options=options, cotangents="h"), dtype="float32").build()
    bias = np.concatenate([np.full(4, -95.0), np.zeros(4), np.full(4, 3.0), np.zeros(4)]).astype(np.float32)
    case = replace(case, params=replace(case.params, bias=bias), layers=())
    wide = of_arrays({n: a.astype("float64") for n, a in arrays_of(case).items()}, "wide", "float64", layers_of(case))
    truth, actual = reference.compute(wide), reference.compute(case)
    assert not np.array_equal(truth["d_c0"] != 0, actual["d_c0"] != 0)
    told = compare(case, actual, truth, allowed_from_truth(case, case.dtype))
    assert [str(one) for one in told if not one.passed] == []
