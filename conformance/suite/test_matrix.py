"""Over the whole case matrix, outputs, final state and all gradients are those of PyTorch and of Keras."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations, product

import pytest

from conformance.case import Case, Result
from conformance.cases.degenerate import unexcused
from conformance.cases.matrix import SIZES, Spec, edges, matrix, sizes
from conformance.implementations import ORACLES, built_in


@lru_cache(maxsize=4)  # a case's oracles follow each other
def computed(spec: Spec) -> tuple[Case, Result]:
    case = spec.build()
    assert unexcused(case, spec.flags) == [], "the case could let a bug pass and carries no flag that says so"
    return case, built_in("ref")(case)


def parameters(specs: list[Spec]) -> list[object]:
    return [pytest.param(spec, oracle, id=f"{oracle}-{spec.id}") for spec in specs for oracle in ORACLES]


@pytest.mark.parametrize(("spec", "oracle"), parameters(list(edges())))
def test_edge_case_is_the_frameworks(spec: Spec, oracle: str, verdict: Callable[..., None]) -> None:
    case, actual = computed(spec)
    verdict(oracle, case, actual, built_in(oracle)(case))


@pytest.mark.parametrize(("spec", "oracle"), parameters(list(matrix())))
def test_result_is_the_frameworks(spec: Spec, oracle: str, verdict: Callable[..., None]) -> None:
    case, actual = computed(spec)
    verdict(oracle, case, actual, built_in(oracle)(case))


@pytest.mark.parametrize(("one", "other"), list(combinations("BTDH", 2)))
def test_every_pair_of_size_classes_occurs(one: str, other: str) -> None:
    met = {(row["BTDH".index(one)], row["BTDH".index(other)]) for row in sizes()}
    assert met == set(product(SIZES[one], SIZES[other]))
