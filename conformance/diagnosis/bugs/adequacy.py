"""Whether the golden vectors catch the catalogue: every bug run as a candidate, in both dtypes.

A candidate that declares what it is without meets fewer of them: then it is about the bugs that such a candidate can show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from conformance.case import QUANTITIES, Case
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.declarations import USUAL, declared, misbehaviours, shows
from conformance.fixtures.store import golden
from conformance.trial.declare import left_out, meets
from conformance.trial.results import CheckResult, Report
from conformance.trial.runner import run

ENOUGH = 10.0
"""How many times the allowed error a bug has to reach somewhere, unless a check of behaviour catches it."""
EVERYTHING: frozenset[str] = frozenset()
"""What a candidate is without that takes and gives everything."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Catch:
    """How a bug is caught in one dtype.

    Attributes
    ----------
    slug, dtype : str
    margins : dict
        Quantity to the largest error over the allowed one; inf for NaN.
    behaviours : tuple of str
        The checks of behaviour that it fails.
    shows : bool
        Whether it can show at all in a candidate that is without what it declares; see `declarations.shows`.
    """

    slug: str
    dtype: str
    margins: dict[str, float]
    behaviours: tuple[str, ...]
    shows: bool = True

    @property
    def margin(self) -> float:
        """The largest error over the allowed one, in any quantity."""
        return max(self.margins.values(), default=0.0)

    @property
    def caught(self) -> bool:
        """Whether it is caught with room to spare."""
        return self.margin >= ENOUGH or bool(self.behaviours)


def catches(slug: str, without: frozenset[str] = EVERYTHING) -> list[Catch]:
    """How a bug is caught that declares what it is without: once per dtype that it knows.

    Raises
    ------
    CandidateError
        If no golden vector meets the declaration.
    """
    report = run(declared(slug, without), slug, profile="training")
    told = [(r.quantity, r.trial.rpartition("-")[2]) for r in report.noticed if r.behaviour]
    return _catches(slug, without, report.noticed, told, shows(slug, without))


def trial_of(slug: str) -> Report:
    """A bug on trial as a candidate that declares nothing."""
    return run(bugs()[slug].candidate(), slug, profile="training")


def usual_catches(slug: str, report: Report | None = None) -> dict[str, list[Catch]]:
    """How a bug is caught by each of the usual declarations, and, under "", without any: once per dtype.

    It is run once, on all golden vectors. What a candidate gives in those that meet a declaration as they are, it gives as well
    when it makes that declaration. Of a bug that keeps something between calls this does not hold: it counts as caught
    there by behaviour alone.

    Parameters
    ----------
    slug : str
    report : Report, optional
        What `trial_of` gave, where it was asked.
    """
    report = report or trial_of(slug)
    behaved = [(r.quantity, r.trial.rpartition("-")[2]) for r in report.noticed if r.behaviour]
    stateful = any(check == "repeatable" for check, _ in behaved)
    found = {"": _catches(slug, EVERYTHING, report.noticed, behaved)}
    for name, without in USUAL.items():
        met = _met(without)
        asked = set(QUANTITIES) - left_out(without)
        noticed = [r for r in report.noticed if r.trial in met and r.quantity in asked and not stateful]
        by_value = _catches(slug, without, noticed)
        if all(catch.caught for catch in by_value):
            found[name] = by_value
        else:
            found[name] = _catches(slug, without, noticed, misbehaviours(slug, without), shows(slug, without))
    return found


@cache
def _met(without: frozenset[str]) -> frozenset[str]:
    """The ids of the golden vectors' cases that meet a declaration as they are."""
    return frozenset(case.id for case in _cases() if meets(case, without))


@cache
def _cases() -> tuple[Case, ...]:
    return tuple(vector.case for vector in golden())


def vectors_met(without: frozenset[str]) -> int:
    """How many golden vectors meet a declaration as they are."""
    return len({id.rpartition("-")[0] for id in _met(without)})


def _catches(
    slug: str,
    without: frozenset[str],
    noticed: Sequence[CheckResult],
    behaved: Sequence[tuple[str, str]] = (),
    can_show: bool = True,
) -> list[Catch]:
    """The catches of a bug, of what was noticed by value, and of the (check of behaviour, dtype) that it fails."""
    margins: dict[str, dict[str, float]] = {dtype: {} for dtype in DTYPES if dtype not in without}
    for r in noticed:
        dtype, share = r.trial.rpartition("-")[2], r.share
        if share is not None:
            margins[dtype][r.quantity] = max(share, margins[dtype].get(r.quantity, 0.0))
    return [
        Catch(slug, dtype, of_dtype, tuple(sorted({check for check, its in behaved if its == dtype})), can_show)
        for dtype, of_dtype in margins.items()
    ]


def matrix(progress: Progress = lambda done, total, what: None, without: frozenset[str] = EVERYTHING) -> list[Catch]:
    """How every bug of the catalogue is caught, as a candidate that is without something, in each dtype; on all cores."""
    return [catch for found in _of_all(partial(catches, without=without), progress) for catch in found]


def usual_matrix(progress: Progress = lambda done, total, what: None) -> dict[str, list[Catch]]:
    """How every bug of the catalogue is caught by each of the usual declarations; on all cores."""
    every = _of_all(usual_catches, progress)
    return {name: [catch for found in every for catch in found[name]] for name in USUAL}


def _of_all(of_one: Callable[[str], Any], progress: Progress) -> list[Any]:
    """What a function gives for every bug of the catalogue."""
    slugs, found = list(bugs()), []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (slug, one) in enumerate(zip(slugs, pool.map(of_one, slugs), strict=True), 1):
            progress(done, len(slugs), slug)
            found.append(one)
    return found


def as_dict(found: Sequence[Catch]) -> dict[str, Any]:
    """The matrix bug x check as plain values."""
    by_bug: dict[str, Any] = {}
    for catch in found:
        margins = {
            name: float(f"{margin:.4g}") if margin != float("inf") else "inf" for name, margin in catch.margins.items()
        }
        by_bug.setdefault(catch.slug, {})[catch.dtype] = {
            "shows": catch.shows,
            "caught": catch.caught,
            "margins": margins,
            "behaviours": list(catch.behaviours),
        }
    return {"enough": ENOUGH, "bugs": by_bug}
