"""Random cases: the same by number, varied, and with nothing that was not asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.at_random import LONGEST, SCALES, SHORT, random_case
from conformance.cases.features import FEATURES, features
from conformance.cases.flat import arrays_of, layers_of
from conformance.cases.matrix import DTYPES
from conformance.implementations import built_in, refusal
from conformance.trial.declare import asked_features, meets

EVERY = frozenset(FEATURES)


def same(one: Case, other: Case) -> bool:
    a, b = arrays_of(one), arrays_of(other)
    return layers_of(one) == layers_of(other) and a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize("asked", [frozenset[str](), EVERY])
def test_a_number_of_a_seed_is_one_case(asked: frozenset[str]) -> None:
    for number in range(40):
        case = random_case(5, number, DTYPES, asked)[1]
        assert same(case, random_case(5, number, DTYPES, asked)[1])
        assert not same(case, random_case(6, number, DTYPES, asked)[1])


def test_cases_differ_in_all_that_they_can() -> None:
    found = Counter[tuple[str, Any]]()
    for number in range(1600):
        scale, case = random_case(0, number, DTYPES)
        found.update(zip("BTDH", case.sizes, strict=True))
        found["scale", scale] += 1
        found["dtype", case.dtype.name] += 1
        found["bias", case.params.bias is not None] += 1
        found["state", bool(case.h0.any() or case.c0.any())] += 1
        found["cotangents", (bool(case.d_output.any()), bool(case.d_h.any()), bool(case.d_c.any()))] += 1
    steps = {size for kind, size in found if kind == "T" and isinstance(size, int)}
    assert steps >= set(range(1, SHORT + 1))
    assert max(steps) > 0.9 * LONGEST
    assert all(found[kind, size] > 30 for kind in "DH" for size in range(1, 9))
    assert all(found["scale", scale] == 1600 / len(SCALES) for scale in SCALES)
    assert found["dtype", "float64"] == found["dtype", "float32"]
    assert all(found["bias", there] > 200 and found["state", there] > 200 for there in (True, False))
    assert len({which for kind, which in found if kind == "cotangents"}) >= 4


def test_float32_represents_every_number() -> None:
    for number in range(64):
        for a in arrays_of(random_case(1, number, ("float64",), EVERY)[1]).values():
            assert a.dtype == bool or (a.astype(np.float32) == a).all()


@pytest.mark.parametrize(
    ("named", "without"),
    [
        (["stacked", "mask"], ["h0", "c0", "d_h", "d_c"]),
        (["widths", "merge"], ["bias", "d_output"]),
        (["projection"], ["d_output", "d_h", "d_c"]),
        ([], ["h0", "d_c", "bias"]),
    ],
)
def test_nothing_is_drawn_that_a_candidate_is_not_for(named: list[str], without: list[str]) -> None:
    lacking = frozenset(without)
    asked = asked_features(frozenset(named), lacking)
    found = [random_case(2, number, DTYPES, asked, lacking)[1] for number in range(100)]
    assert all(meets(case, lacking, asked) for case in found)
    assert {name for case in found for name in features(case)} == asked


def test_every_feature_occurs_and_every_network_can_be_computed() -> None:
    found = Counter[str]()
    for number in range(1, 301, 2):
        case = random_case(3, number, DTYPES, EVERY)[1]
        found.update(features(case))
        assert built_in("ref")(case).keys() == case.shapes.keys()
    assert found.keys() == FEATURES.keys()


def test_what_cannot_be_taken_is_drawn_anew() -> None:
    found = [
        random_case(4, n, DTYPES, EVERY, taken=lambda case: not refusal("torch", case))[1] for n in range(1, 60, 2)
    ]
    assert not any(refusal("torch", case) for case in found)
    assert sum(bool(features(case)) for case in found) > 20
