"""Every catalogued bug is caught by the golden vectors, with room to spare, whatever a candidate is without, and it is named."""

from __future__ import annotations

import pytest

from conformance.diagnosis.bugs import bugs
from conformance.diagnosis.bugs.adequacy import ENOUGH, trial_of, usual_catches, vectors_met
from conformance.diagnosis.bugs.declarations import USUAL, shows
from conformance.diagnosis.bugs.elsewhere import missed, nodes, passes
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.confusion import Unknown, guess
from conformance.trial.runner import run


@pytest.mark.parametrize("slug", bugs())
def test_the_bug_is_caught_and_named_first_in_both_dtypes_and_no_other_is_certain(slug: str) -> None:
    report = trial_of(slug)
    found = usual_catches(slug, report)
    assert found.keys() == {"", *USUAL}
    for declaration, catches in found.items():
        assert catches
        for catch in catches:
            assert catch.caught or not catch.shows, (
                f"{declaration or 'as it is'}, {catch.dtype}: {catch.margin:.3g} times the allowed error, "
                f"{ENOUGH:g} are asked for"
            )
    guesses = guess(Unknown((slug,)), report)
    assert [g.dtypes for g in guesses] == [("float64",), ("float32",)]
    for g in guesses:
        assert g.first, g
        assert not g.falsely_certain, g
        assert g.findings[0].explains == g.findings[0].of > 0
        assert g.seconds < 10


def test_there_are_at_least_twelve_usual_declarations() -> None:
    assert len(set(USUAL.values())) == len(USUAL) >= 12


@pytest.mark.parametrize("declaration", USUAL)
def test_a_declaration_leaves_vectors_and_bugs_that_can_show(declaration: str) -> None:
    without = USUAL[declaration]
    assert vectors_met(without) >= 5
    assert all(
        shows(slug, without) for slug in ("gate-order-iofc", "sigmoid-clipped", "hidden-not-carried", "state-leaks")
    )
    assert shows("grad-clipped-norm-5", without) == (not {"d_output", "d_h", "d_c"} <= without)


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
