"""What can be established about a candidate whose bug the catalogue does not have: by probing, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from conformance.case import FORWARD, GRADIENTS
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.finding import Statement
from conformance.diagnosis.locate.activations import activations
from conformance.diagnosis.locate.cases import in_cases
from conformance.diagnosis.locate.claim import Asked, draws
from conformance.diagnosis.locate.conditions import BOTH, ONE, given, hiding_backward, hiding_forward
from conformance.diagnosis.locate.derivative import of_their_own, products
from conformance.diagnosis.locate.narrowing import all_right, by_size, hidden, narrowed, parts_of
from conformance.trial.call import Caller
from conformance.trial.results import Report

__all__ = ["locate"]


def locate(
    call: Caller, report: Report, dtype: str, known: Hypothesis, observed: Sequence[str], narrow: bool
) -> tuple[Statement, ...]:
    """What probing establishes.

    Parameters
    ----------
    call : Caller
        The candidate.
    report : Report
        Of its trial.
    dtype : str
        In which it is probed.
    known : Hypothesis
        The bugs that are known already: what is right is what an LSTM with them gives.
    observed : sequence of str
        The bugs that are known and change no numbers.
    narrow : bool
        Whether it computes in a narrower dtype.
    """
    found = in_cases(report, (*known.bugs, *observed))
    wrong = {
        r.quantity for r in report.failures if r.comparison is not None
    }  # not those of which there is no result at all
    asked = draws(call, known, dtype, report.without, narrow)
    if wrong & {*FORWARD}:
        told = narrowed(asked, FORWARD, hiding_forward)
        found += told if any(not each.right for each in told) else [*told, *special(asked, report)]
        found += activations(asked)
    if wrong & {*GRADIENTS}:
        found += gradients(asked)
    return tuple(found)


def special(asked: Sequence[Asked], report: Report) -> list[Statement]:
    """What is wrong in the smallest failing case, where nothing is in random ones."""
    failing = [r.trial for r in report.failures if r.comparison is not None and r.quantity in FORWARD]
    smallest = given(report.trials[min(failing, key=lambda id: prod(report.sizes[id]))].case)
    return [
        *parts_of(asked, smallest, FORWARD),
        *hidden(asked, smallest, FORWARD, by_size),
    ]


def gradients(asked: Sequence[Asked]) -> list[Statement]:
    """What is right and wrong in the gradients; where the forward pass is wrong, whether they are the derivatives of it."""
    gives = any(name in asked[0].seen(BOTH).given for name in FORWARD)
    if gives and not all(all_right(each, BOTH, FORWARD) for each in asked):
        return of_their_own(asked)
    found = narrowed(asked, GRADIENTS, hiding_backward)
    return found if all(all_right(each, ONE, GRADIENTS) for each in asked) else found + products(asked)
