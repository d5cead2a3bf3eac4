"""Every catalogued bug of networks is caught by the golden vectors, with room to spare, and named."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.features import FEATURES, features
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.bugs.adequacy import ENOUGH
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.diagnosis.networks import diagnose_networks
from conformance.fixtures.store import Golden, golden
from conformance.implementations.equations import Equations
from conformance.judging.compare import compare
from conformance.trial.results import Report
from conformance.trial.runner import run


@cache
def vectors(dtype: str) -> list[Golden]:
    return [vector for vector in golden((dtype,), features=FEATURES) if features(vector.case)]


@cache
def right(vector: str, dtype: str) -> Any:
    """What the equations give without a bug."""
    return Equations()(next(v.case for v in vectors(dtype) if v.vector == vector))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slug", network_bugs())
def test_the_bug_is_caught_where_its_features_are(slug: str, dtype: str) -> None:
    bug = network_bugs()[slug]
    met = [vector for vector in vectors(dtype) if bug.needs <= features(vector.case)]
    assert met, "no vector has its features"
    worst = 0.0
    for vector in met:
        with np.errstate(all="ignore"):
            given = bug.candidate()(vector.case)
        worst = max(worst, *(c.share for c in compare(vector.case, given, vector.expected, vector.allowed)))
        if worst >= ENOUGH:
            return
    pytest.fail(f"{slug}, {dtype}: {worst:.3g} times the allowed error, {ENOUGH:g} are asked for")
