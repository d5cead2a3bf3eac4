"""Every catalogued bug of networks is caught by the golden vectors, with room to spare, and named; so are pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from conformance.cases.draw import Draw
from conformance.cases.features import FEATURES, features
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.bugs.adequacy import ENOUGH
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.diagnosis.bugs.entry import Bug
from conformance.diagnosis.networks import diagnose_networks, together
from conformance.fixtures.store import Golden, golden
from conformance.trial.call import Outcome
from conformance.trial.results import Report, Trial
from conformance.trial.runner import judge

PAIRS = 20


@cache
def vectors(dtype: str) -> list[Golden]:
    every = golden((dtype,), features=FEATURES)
    return [vector for vector in every if features(vector.case) and vector.case.sizes[1] < 100]


def report_of(bugs: Sequence[Bug], dtype: str) -> Report:
    """The report on a network with these bugs; what none of them needs is right there."""
    trials, given, results = {}, {}, []
    for vector in vectors(dtype):
        trial = Trial("fixtures", vector.case, lambda v=vector: v.expected, lambda v=vector: v.allowed)  # type: ignore[misc]
        met = [bug for bug in bugs if bug.needs <= features(vector.case)]
        result = {name: array.astype(dtype) for name, array in vector.expected.items()}
        if met:
            with np.errstate(all="ignore"):
                result = dict(together(met)()(vector.case))
        trials[trial.id], given[trial.id] = trial, result
        results += judge(trial, Outcome(result, returned=True), frozenset())
    sizes = {id: trial.case.sizes for id, trial in trials.items()}
    return Report("buggy", "fixtures", tuple(results), "full", sizes=sizes, trials=trials, given=given)


@pytest.mark.parametrize("slug", network_bugs())
def test_the_bug_is_caught_in_both_dtypes_and_named_and_no_other_is_certain(slug: str) -> None:
    reports = {dtype: report_of([network_bugs()[slug]], dtype) for dtype in DTYPES}
    for report in reports.values():
        assert max((r.share for r in report.failures if r.share is not None), default=0.0) >= ENOUGH
    found = diagnose_networks(reports["float64"], ("float64",)).findings
    assert (slug,) in [finding.bugs for finding in found]
    assert found[0].explains == found[0].of > 0
    assert len(found) == 1 or not any(finding.certain for finding in found)


def pairs() -> list[tuple[str, str]]:
    """Random pairs of bugs of different groups whose classes can be bases of one."""
    draw, entries, found = (
        Draw("pairs of bugs of networks"),
        list(network_bugs().values()),
        dict[tuple[str, str], None](),
    )
    while len(found) < PAIRS:
        one, other = sorted((entries[int(i)] for i in draw.integers(len(entries), 2)), key=lambda bug: bug.slug)
        if one.group != other.group:
            found[one.slug, other.slug] = None
    return list(found)


@pytest.mark.parametrize("pair", pairs(), ids="+".join)
def test_of_two_bugs_none_is_named_for_certain_that_is_not_there(pair: tuple[str, str]) -> None:
    report = report_of([network_bugs()[slug] for slug in pair], "float64")
    findings = diagnose_networks(report, ("float64",)).findings
    assert not any(finding.certain and not set(finding.bugs) <= set(pair) for finding in findings)
