"""The bugs of networks: each is caught in a case that has what it needs, and nowhere else is anything wrong."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from conformance.case import Case, Result
from conformance.cases.features import FEATURES, features
from conformance.cases.matrix import DTYPES
from conformance.cases.network import NetworkSpec
from conformance.diagnosis.bugs import bugs, network_bugs
from conformance.diagnosis.bugs.entry import GROUPS, NETWORK_GROUPS, enter
from conformance.fixtures.store import golden
from conformance.implementations.equations import Equations
from conformance.implementations.tests.networks import SPECS
from conformance.judging.compare import compare
from lstm_ref import Options

MORE = (
    NetworkSpec(3, 5, 8, (4, 4, 4), direction="both"),
    NetworkSpec(4, 6, 2, (4, 4), direction="both", mask="right"),
    NetworkSpec(3, 5, 2, (4, 4), direction="both", dropout="between"),
    NetworkSpec(3, 5, 2, (5,), options=Options(activation="elu", output_activation="softsign")),
)


@cache
def correct() -> list[tuple[Case, Result]]:
    """Every network, and what it gives without a bug."""
    return [(case, Equations()(case)) for case in (spec.build() for spec in (*SPECS, *MORE))]


@pytest.mark.parametrize("slug", network_bugs())
def test_a_bug_changes_nothing_where_what_it_needs_is_not(slug: str) -> None:
    bug = network_bugs()[slug]
    for case, right in correct():
        if not bug.needs <= features(case):
            result = bug.candidate()(case)
            assert all(np.array_equal(array, right[name]) for name, array in result.items()), case.id


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_bug_nothing_is_wrong(dtype: str) -> None:
    for vector in golden((dtype,), features=FEATURES):
        if features(vector.case):
            told = compare(vector.case, Equations()(vector.case), vector.expected, vector.allowed)
            assert [str(one) for one in told if not one.share < 0.6] == []


def test_a_bug_needs_features_that_there_are() -> None:
    assert {bug.group for bug in network_bugs().values()} == set(NETWORK_GROUPS)
    for bug in network_bugs().values():
        assert bug.needs
        assert bug.needs <= set(FEATURES)
        assert issubclass(bug.make, Equations)


def test_plain_bugs_and_those_of_networks_are_apart() -> None:
    assert {bug.group for bug in bugs().values()} == set(GROUPS)
    assert not any(bug.needs for bug in bugs().values())
    assert not set(bugs()) & set(network_bugs())


def test_a_network_bug_is_entered_with_what_it_needs() -> None:
    with pytest.raises(ValueError, match="in the catalogue already"):
        enter("masks", "mask-late", "t", "s", "r", needs="mask")(Equations)
