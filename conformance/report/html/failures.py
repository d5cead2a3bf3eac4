"""The smallest failing case with its arrays."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.report.html import tensors
from conformance.report.html.tensors import Fold, Pair
from conformance.trial.results import Report, Trial


@dataclass(frozen=True)
class Failure:
    """A failing case.

    Attributes
    ----------
    why : str
        Why it is shown, where another one is smaller.
    trial : Trial
    messages : tuple of str
        What is wrong with quantities that cannot be drawn.
    folds : tuple of Fold
        The other quantities.
    """

    why: str
    trial: Trial
    messages: tuple[str, ...]
    folds: tuple[Fold, ...]


def smallest(report: Report) -> list[Failure]:
    """The smallest failing case; where that is too small or too odd to show much, the smallest that is not follows."""
    first = report.smallest_failure
    if first is None or first.behaviour:
        return []
    shown: dict[str, tuple[str, list[Pair]]] = {first.trial: ("", [])}
    for least, why in ((1, "The smallest whose numbers can be compared"), (2, "The smallest with every size above 1")):
        pairs = tensors.smallest(report, least)
        if pairs and not shown.get(trial := pairs[0].result.trial, ("", []))[1]:
            shown[trial] = ("" if trial == first.trial else why, pairs)
    found, budget = [], tensors.BUDGET
    for trial, (why, pairs) in shown.items():
        drawn = {pair.result.quantity for pair in pairs}
        messages = dict.fromkeys(r.message for r in report.failures if r.trial == trial and r.quantity not in drawn)
        folds, budget = tensors.folds(report.trials[trial].case, pairs, budget)
        found.append(Failure(why, report.trials[trial], tuple(messages), folds))
    return found
