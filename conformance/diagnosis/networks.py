"""Which bug of a network it is, where the plain LSTM is right and what is built of it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from conformance.case import Result
from conformance.cases.features import FEATURES, features
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.diagnosis.bugs.entry import Bug
from conformance.diagnosis.evidence import Observation, in_proportion, observe
from conformance.diagnosis.finding import Diagnosis, Fault, Finding, is_wrong
from conformance.implementations.equations import Equations
from conformance.trial.results import CheckResult, Report

MOST = 3
"""So many bugs are looked for, one after the other; and"""
PAIRED = 30
"""where no single one explains a case, pairs of them, if no more than so many could show in it."""


@dataclass(frozen=True)
class Explanation:
    """Some bugs together, and what they explain.

    Attributes
    ----------
    bugs : tuple of Bug
    checks : frozenset of str
        The ids of the failing checks that they explain.
    odd : tuple of str
        The trials in which an LSTM with these bugs does not give what the candidate gave, the smallest first.
    """

    bugs: tuple[Bug, ...]
    checks: frozenset[str]
    odd: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, int, int]:
        """Best first: odd in the fewest cases, leaving least unexplained, with the fewest bugs."""
        return len(self.odd), -len(self.checks), len(self.bugs)


def together(bugs: Sequence[Bug]) -> type[Equations]:
    """The network with all these bugs.

    Raises
    ------
    TypeError
        If their classes cannot be bases of one.
    """
    return type("Together", tuple(bug.make for bug in bugs), {})


def diagnose_networks(report: Report, dtypes: Sequence[str]) -> Diagnosis:
    """Which bugs of networks explain what fails in the cases with features, one or several together.

    Parameters
    ----------
    report : Report
        Of a candidate that is right wherever there is no feature.
    dtypes : sequence of str
        Whose cases to look at: the first in which anything fails is.
    """
    failures = [r for r in report.failures if not r.behaviour and r.trial in report.given]
    dtype = next((d for d in dtypes if any(report.trials[r.trial].case.dtype == d for r in failures)), "")
    if not dtype:
        return Diagnosis()
    return _Search(report, [r for r in failures if report.trials[r.trial].case.dtype == dtype], dtype).diagnosis()


class _Search:
    def __init__(self, report: Report, failures: list[CheckResult], dtype: str) -> None:
        self.report, self.failures, self.dtype = report, failures, dtype
        self.training = report.profile != "forward"
        self.computed: dict[tuple[tuple[str, ...], str], Result] = {}

    @cached_property
    def observations(self) -> dict[str, Observation]:
        """What the candidate gave in every case with features, by trial, the smallest first."""
        report = self.report
        seen = {}
        for id, given in report.given.items():
            trial = report.trials[id]
            if trial.case.dtype == self.dtype and features(trial.case):
                known = in_proportion(trial.allowed(), trial.expected())
                seen[id] = observe(trial.case, given, self.training, known)
        return dict(sorted(seen.items(), key=lambda item: report.weight(item[0])))

    def with_bugs(self, bugs: Sequence[Bug], id: str) -> Result:
        """What a network with all these bugs gives in a trial; those that need features which the case has not do nothing."""
        trial = self.report.trials[id]
        slugs = tuple(bug.slug for bug in bugs if bug.needs <= features(trial.case))
        if not slugs:
            return trial.expected()
        if (slugs, id) not in self.computed:
            lstm = together([network_bugs()[slug] for slug in slugs])()
            with np.errstate(all="ignore"):
                self.computed[slugs, id] = lstm(trial.case)
        return self.computed[slugs, id]

    def diagnosis(self) -> Diagnosis:
        """The findings; where nothing in the catalogue explains it, in which features it fails."""
        best = self.best()
        findings = tuple(self.finding(one, certain=len(best) == 1 and not one.odd) for one in best)
        if best and len(best[0].checks) == len(self.failures):
            return Diagnosis(findings)
        texts = self.raised()
        explained = best[0].checks if best else frozenset()
        if left := {r.trial for r in self.failures if r.comparison is not None and r.id not in explained}:
            texts.append(self.where(left))
        return Diagnosis(findings, tuple(map(is_wrong, texts)))

    def raised(self) -> list[str]:
        """What calls failed with, and the features that all these cases have and none of the others."""
        reasons: dict[str, set[str]] = {}
        for r in self.failures:
            if r.comparison is None and not self.report.given[r.trial]:
                reasons.setdefault(r.message, set()).add(r.trial)
        told = []
        for reason, trials in reasons.items():
            sets = {id: features(o.case) for id, o in self.observations.items()}
            of_all = frozenset.intersection(*(sets[id] for id in trials))
            alone = [name for name in of_all if not any(name in s for id, s in sets.items() if id not in trials)]
            where = f", all those with {' and '.join(sorted(alone))} and no others" if alone else ""
            told.append(f"In {len(trials)} of {len(sets)} cases with features it {reason}{where}.")
        return told

    def where(self, left: set[str]) -> str:
        """How many cases fail without an explanation, the smallest of them, and which features are right where they are alone."""
        failed = {r.trial for r in self.failures}
        sets = {id: features(o.case) for id, o in self.observations.items()}
        wrong = {name for id in left for name in sets[id]}
        wrong_alone = {name for id in failed for name in sets[id] if len(sets[id]) == 1}
        right_alone = {name for id in sets.keys() - failed for name in sets[id] if len(sets[id]) == 1}
        right = [name for name in FEATURES if name in (wrong & right_alone) - wrong_alone]
        smallest = next(id for id in self.observations if id in left)
        tried = "The catalogued bugs of networks, alone and in pairs, do not explain"
        text = f"{tried} {len(left)} of the cases that fail, the smallest of them {smallest}."
        return text + (f" Each of these features is right where it is alone: {', '.join(right)}." if right else "")

    def best(self) -> list[Explanation]:
        """The best explanations, several if nothing tells them apart; a further bug is added for what is left odd."""
        found = [self.explain(())]
        for _ in range(MOST):
            begun = found[0]
            if not begun.odd:
                break
            further = [self.explain((*begun.bugs, *more)) for more in self.matching(begun)]
            rank = min((one.rank for one in further), default=begun.rank)
            if rank >= begun.rank:
                break
            found = [one for one in further if one.rank == rank]
        return [one for one in found if one.bugs and one.checks]

    def matching(self, begun: Explanation) -> list[tuple[Bug, ...]]:
        """The bugs, or failing that the pairs of bugs, that explain the smallest case which is not explained yet."""
        id = begun.odd[0]
        o = self.observations[id]
        possible = [bug for bug in network_bugs().values() if bug.needs <= features(o.case) and bug not in begun.bugs]

        def fit(more: tuple[Bug, ...]) -> bool:
            try:
                return not o.differing(self.with_bugs((*begun.bugs, *more), id))
            except TypeError:  # classes that cannot be bases of one
                return False

        alone: list[tuple[Bug, ...]] = [(bug,) for bug in possible if fit((bug,))]
        if alone or len(possible) > PAIRED:
            return alone
        return [pair for pair in combinations(possible, 2) if fit(pair)]

    def explain(self, bugs: tuple[Bug, ...]) -> Explanation:
        """Hold some bugs against every case."""
        odd: list[str] = []
        right: set[str] = set()
        for id, o in self.observations.items():
            differing = o.differing(self.with_bugs(bugs, id))
            odd += [id] if differing else []
            right |= {f"{id}:{name}" for name in o.given if name not in differing}
        return Explanation(bugs, frozenset(r.id for r in self.failures if r.id in right), tuple(odd))

    def finding(self, one: Explanation, certain: bool) -> Finding:
        """A finding in words."""
        faults = tuple(Fault(bug.title, bug.repair) for bug in one.bugs)
        title, repair = (_numbered([getattr(bug, name) for bug in one.bugs]) for name in ("title", "repair"))
        slugs = tuple(bug.slug for bug in one.bugs)
        return Finding(slugs, certain, title, len(one.checks), len(self.failures), repair, faults)


def _numbered(sentences: Sequence[str]) -> str:
    return sentences[0] if len(sentences) == 1 else " ".join(f"({n}) {text}" for n, text in enumerate(sentences, 1))
