"""Every catalogued bug is caught by the golden vectors, in both dtypes, with room to spare."""

from __future__ import annotations

import pytest

from conformance.diagnosis.bugs import bugs
from conformance.diagnosis.bugs.adequacy import ENOUGH, catches
from conformance.diagnosis.bugs.elsewhere import missed, nodes, passes
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.trial.runner import run


@pytest.mark.parametrize("slug", bugs())
def test_the_bug_is_caught(slug: str) -> None:
    for catch in catches(slug):
        assert catch.caught, f"{catch.dtype}: {catch.margin:.3g} times the allowed error, {ENOUGH:g} are asked for"


def test_without_a_bug_the_same_lstm_conforms() -> None:
    assert run(HookableLSTM(), "hookable").conforms()
    assert all(passes(HookableLSTM(), node) for node in nodes())


def test_there_are_at_least_110_and_each_explains_itself() -> None:
    assert len(bugs()) >= 110
    for bug in bugs().values():
        assert all(len(text) > 8 for text in (bug.title, bug.shows, bug.repair)), bug.slug
        assert bug.title.endswith("."), bug.slug


def test_other_vectors_let_bugs_pass_that_these_catch() -> None:
    overlooked, forward = missed()
    assert 0 < len(overlooked) < len(forward)
