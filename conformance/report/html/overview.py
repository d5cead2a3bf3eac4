"""The whole trial in numbers: counts by quantity, and what is nearest to the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.case import KINDS, kind_of
from conformance.trial.results import STATUSES, CheckResult, Report

ASKED = {
    "forward": "the forward pass",
    "training": "the forward pass and all gradients",
    "full": "the forward pass and all gradients of every feature",
    "trajectory": "the forward pass, all gradients, and training with them",
}
"""Profile to what it asks for."""
NEAREST = 8


@dataclass(frozen=True)
class Tally:
    """The checks of a quantity.

    Attributes
    ----------
    quantity : str
        Empty for all of them.
    counts : dict
        Status to how many have it.
    worst : CheckResult or None
        The one with the largest error over the allowed one.
    """

    quantity: str
    counts: dict[str, int]
    worst: CheckResult | None

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def parts(self) -> list[tuple[str, float]]:
        """The statuses that occur, as parts of 1."""
        return [(status, count / self.total) for status, count in self.counts.items() if count]


def tally(name: str, results: Sequence[CheckResult]) -> Tally:
    """Count the checks of a quantity."""
    counts = {status: sum(r.status == status for r in results) for status in STATUSES.values()}
    return Tally(name, counts, next(iter(nearest(results)), None))


def tallies(report: Report) -> list[Tally]:
    """The quantities of a report's profile that have been checked."""
    results = report.of_profile(report.profile)
    met = [name for name in KINDS if any(kind_of(r.quantity) == name for r in results)]
    return [tally(name, [r for r in results if kind_of(r.quantity) == name]) for name in met]


def left_out(report: Report) -> list[str]:
    """What the results lack without a declaration."""
    return [one.quantity for one in tallies(report) if one.counts["undeclared"]]


def nearest(results: Sequence[CheckResult]) -> list[CheckResult]:
    """The checks with the largest errors over the allowed ones, the largest first."""
    return sorted((r for r in results if r.share is not None), key=lambda r: -(r.share or 0.0))[:NEAREST]
