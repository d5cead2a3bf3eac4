"""Each of the five LSTMs conforms; with one line of it edited it does not, and the diagnosis names the bug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from conformance.diagnosis.diagnose import diagnose
from conformance.trial.results import Report, Trial
from conformance.trial.runner import run, trials
from conformance.zoo import shapes
from conformance.zoo.tests.breaks import BREAKS
from conformance.zoo.tests.broken import broken
from lstm_ref import Options

TELLING = ("sizes", "plain", "stateless", "saturated")
"""What the ids of the golden vectors begin with in which everything is random, something is zero, or gates are saturated."""
EDITS = [
    pytest.param(member, *edit, id=f"{member}-{edit[2]}-{n}")
    for member in BREAKS
    for n, edit in enumerate(BREAKS[member])
]


@cache
def telling() -> tuple[Trial, ...]:
    return tuple(trial for trial in trials("fixtures", ("float64",)) if trial.id.startswith(TELLING))


def named_by_diagnosis(candidate: Callable[..., Any], report: Report) -> str:
    """The bugs that are named, which explain all that is wrong."""
    findings = diagnose(candidate, report, ("float64",)).findings
    assert all(finding.explains == finding.of for finding in findings)
    return " or ".join(sorted(" and ".join(sorted(finding.bugs)) for finding in findings))


@pytest.mark.parametrize("member", BREAKS)
def test_it_conforms(member: str) -> None:
    report = run(getattr(shapes, member), member, profile="trajectory")
    assert [report.verdict(profile) for profile in report.profiles] == ["conforms"] * 3
    assert [trajectory.dtype for trajectory in report.trajectories if trajectory.own] == ["float64", "float32"]
    assert not report.remarks
    assert not report.not_met


@pytest.mark.parametrize(("member", "there", "instead", "named"), EDITS)
def test_a_broken_line_is_caught_and_named(member: str, there: str, instead: str, named: str) -> None:
    candidate = broken(member, there, instead)
    report = run(candidate, member, model=telling())
    assert not report.conforms()
    assert named_by_diagnosis(candidate, report) == named


@pytest.mark.parametrize("member", BREAKS)
def test_ten_breaks_of_each_are_named(member: str) -> None:
    assert len({named for _, _, named in BREAKS[member]}) >= 10


def test_no_tanh_on_the_output_is_an_option_where_the_trial_has_it_and_else_a_bug() -> None:
    vectors = trials("fixtures", features=frozenset({"activations"}))
    with_option = [trial for trial in vectors if trial.id.startswith("identity-output")]
    assert run(shapes.linked_nodes, "the option", model=with_option).conforms()

    def always(case: Any) -> Any:
        return shapes.linked_nodes(replace(case, options=Options(output_activation="linear")))

    assert run(always, "always so", model=with_option).conforms()
    report = run(always, "always so", model=telling())
    assert not report.conforms()
    assert named_by_diagnosis(always, report) == "cell-output-tanh-missing"
