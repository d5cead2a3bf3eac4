"""Networks with every feature, alone and in pairs, give what PyTorch and Keras give, and forward what onnxruntime gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest

from conformance.case import Case, Result
from conformance.cases.degenerate import unexcused
from conformance.cases.features import FEATURES, features
from conformance.cases.matrix import DTYPES
from conformance.cases.network import NetworkSpec
from conformance.fixtures.networks import network_plan
from conformance.implementations import FORWARD_ONLY, ORACLES, built_in, refusal

SPECS = [
    replace(vector.spec, B=3, T=9, D=2, dtype=dtype, stream=f"live-{vector.id}")
    for vector in network_plan()
    for dtype in DTYPES
    if vector.spec.T < 100 and vector.spec.B > 1
]
"""What the golden vectors have, of other sizes and with other numbers."""
MET = [(spec, oracle) for spec in SPECS for oracle in (*ORACLES, *FORWARD_ONLY) if not refusal(oracle, spec.build())]


@lru_cache(maxsize=4)  # a case's oracles follow each other
def computed(spec: NetworkSpec) -> tuple[Case, Result]:
    case = spec.build()
    excused = frozenset({"zero-state"} if not spec.state else ())
    assert unexcused(case, excused) == [], "the case could let a bug pass"
    return case, built_in("ref")(case)


@pytest.mark.parametrize(
    ("spec", "oracle"), [pytest.param(spec, oracle, id=f"{oracle}-{spec.id}") for spec, oracle in MET]
)
def test_network_is_the_frameworks(spec: NetworkSpec, oracle: str, verdict: Callable[..., None]) -> None:
    case, actual = computed(spec)
    verdict(oracle, case, actual, built_in(oracle)(case))


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_compared_with_a_framework_that_has_it(feature: str) -> None:
    assert any(feature in features(spec.build()) for spec, _ in MET)
