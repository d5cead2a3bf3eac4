"""Every feature alone, every pair, and what a framework has together: the reference is every framework that has all of it.

The networks are those of the golden vectors with other numbers and sizes; those that no framework has all of, such as dropout
with peepholes, have their golden vectors alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
import pytest

from conformance.case import Case, Result
from conformance.cases.degenerate import unexcused
from conformance.cases.features import FEATURES, features
from conformance.cases.matrix import flags_of_sizes
from conformance.cases.network import NetworkSpec
from conformance.fixtures.networks import NetworkVector, network_plan
from conformance.implementations import FORWARD_ONLY, ORACLES, built_in, refusal
from lstm_ref import Options
from lstm_ref.errors import UnsupportedError

EVERYONE = (*ORACLES, *FORWARD_ONLY)

FLOAT32_ALONE = {"coupled", "clip"}
"""onnxruntime has them and nobody else, and it computes in float32."""


def live(vector: NetworkVector, dtype: str) -> NetworkSpec:
    """The vector's network with other numbers, and other sizes where its own are not its point."""
    spec = vector.spec
    B, T = {3: 6}.get(spec.B, spec.B), {6: 7}.get(spec.T, spec.T)
    return replace(spec, B=B, T=T, D=3, stream=f"live-{vector.id}", dtype=dtype)


def flags(vector: NetworkVector, spec: NetworkSpec) -> frozenset[str]:
    """The vector's flags, with those of its new sizes for those of its old ones."""
    old, new = (flags_of_sizes(s.B, s.T, s.D, s.units[0], s.state) for s in (vector.spec, spec))
    return vector.flags - old | new


VECTORS = {live(vector, dtype): vector for vector in network_plan() for dtype in ("float64", "float32")}


@cache
def oracles(spec: NetworkSpec) -> tuple[str, ...]:
    """Who has all of it; but Keras, whose steps take milliseconds, is not asked for long ones, nor twice for pairs."""
    case, dear = spec.build(), spec.T > 10 or (spec.dtype == "float32" and "-and-" in spec.stream)
    return tuple(name for name in EVERYONE if not (name == "keras" and dear) and not refusal(name, case))


def parameters() -> list[object]:
    return [pytest.param(spec, oracle, id=f"{oracle}-{spec.id}") for spec in VECTORS for oracle in oracles(spec)]


@lru_cache(maxsize=4)  # a case's oracles follow each other
def computed(spec: NetworkSpec) -> tuple[Case, Result]:
    case = spec.build()
    assert unexcused(case, flags(VECTORS[spec], spec)) == [], "the case could let a bug pass and carries no flag"
    return case, built_in("ref")(case)


@pytest.mark.parametrize(("spec", "oracle"), parameters())
def test_network_is_the_frameworks(spec: NetworkSpec, oracle: str, verdict: Callable[..., None]) -> None:
    case, actual = computed(spec)
    engine = built_in(oracle, seldom=True)  # most kinds are met once or twice
    verdict(oracle, case, actual, engine(case), forward_only=oracle in FORWARD_ONLY)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_feature_is_met_by_a_framework(dtype: str) -> None:
    met: dict[str, set[str]] = defaultdict(set)
    for spec in VECTORS:
        if spec.dtype == dtype:
            for feature in features(spec.build()):
                met[feature].update(oracles(spec))
    unmet = {feature for feature in FEATURES if not met[feature]}
    assert unmet == (FLOAT32_ALONE if dtype == "float64" else set())


def test_what_an_engine_has_not_it_refuses() -> None:
    for spec in VECTORS:
        for name in set(FORWARD_ONLY) - set(oracles(spec)):
            with pytest.raises(UnsupportedError):
                built_in(name)(spec.build())


def test_onnxruntime_drops_the_initial_state_of_a_row_without_a_step_so_that_is_refused() -> None:
    spec = NetworkSpec(3, 5, 2, (4,), mask="right", dtype="float32", options=Options(zero_output_for_mask=True))
    case = spec.build()
    assert case.mask is not None
    empty = replace(case, mask=case.mask & (np.arange(3)[:, np.newaxis] != 1))
    assert np.array_equal(built_in("ref")(empty)["h"][1], case.h0[1]), "the reference hands it on"
    assert "initial state" in refusal("onnxruntime", empty)
    assert not refusal("onnxruntime", case)
