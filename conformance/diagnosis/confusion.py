"""How often the diagnosis is right: the catalogue's bugs, alone and several at once, as candidates that do not say what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.cases.draw import Draw
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.declarations import USUAL, cases
from conformance.diagnosis.bugs.hypothesis import AS_GIVEN, AS_READ, EXCLUDED, FORMULAS, STEPWISE, Hypothesis
from conformance.diagnosis.diagnose import DTYPES, diagnose
from conformance.diagnosis.finding import Finding
from conformance.diagnosis.locate import locate
from conformance.diagnosis.locate.claim import Asked
from conformance.diagnosis.reading import LEAKS, OBSERVED
from conformance.errors import UnknownBugError
from conformance.trial.call import caller
from conformance.trial.declare import candidate, left_out
from conformance.trial.results import Report
from conformance.trial.runner import run

AT_ONCE = 5
"""So many bugs an LSTM has at most."""
DIFFERENT = 1e-9
"""Numbers in float64 are others if they differ by more than so much of the largest one."""

TINY = 1e-12
"""Numbers below are as good as zero: what is left of slopes in saturation."""

FRESH = range(101, 107)
"""Draws in which nobody looks but whoever holds statements against the truth."""


@dataclass(frozen=True)
class Unknown:
    """An LSTM with known bugs, for a diagnosis that does not know them.

    Attributes
    ----------
    bugs : tuple of str
        Slugs.
    gradients : str
        One of `GRADIENTS_ARE`.
    without : frozenset of str
        What it declares that it is without.
    """

    bugs: tuple[str, ...]
    gradients: str = FORMULAS
    without: frozenset[str] = frozenset()

    def candidate(self) -> Callable[[Case], Result]:
        """It as a candidate."""
        lstm, excused = Hypothesis(self.bugs, self.gradients).fresh(), left_out(self.without)

        @candidate(without=self.without)
        def lacking(case: Case) -> Result:
            return {name: array for name, array in lstm(case).items() if name not in excused}

        return lacking

    @cached_property
    def shows(self) -> bool:
        """Whether each of its bugs changes numbers that it gives, beside the others; not so of bugs that exclude each other."""
        try:
            numbers = self._numbers(self.bugs)
            fewer = (self._numbers(tuple(other for other in self.bugs if other != slug)) for slug in self.bugs)
            return all(any(map(_differ, numbers, other)) for other in fewer)
        except EXCLUDED:
            return False

    def equals(self, slugs: tuple[str, ...]) -> bool:
        """Whether these bugs, with gradients of some kind, are the same numbers."""
        numbers = self._numbers(self.bugs)
        others = (replace(self, gradients=kind)._numbers(slugs) for kind in (FORMULAS, STEPWISE, AS_READ, AS_GIVEN))
        return any(not any(map(_differ, other, numbers)) for other in others)

    def _numbers(self, slugs: tuple[str, ...]) -> list[Any]:
        lstm = replace(self, bugs=slugs).candidate()
        with np.errstate(all="ignore"):
            return [array for case in cases(self.without - {*DTYPES}) for array in lstm(case).values()]


def _differ(one: Any, other: Any) -> bool:
    scale = np.abs(other).max(initial=0.0, where=np.isfinite(other))
    return not np.allclose(one, other, rtol=0, atol=DIFFERENT * scale + TINY, equal_nan=True)


@dataclass(frozen=True)
class Guess:
    """What was said of bugs that are known.

    Attributes
    ----------
    unknown : Unknown
        What they are.
    dtypes : tuple of str
        Whose cases were looked at.
    findings : tuple of Finding
        What was said.
    seconds : float
        How long it took: the processor's, whatever else the machine was doing.
    claims : int
        How many statements probing would have made if it had been told none of them.
    false : tuple of str
        Those that the LSTM contradicts, in draws that were not looked at when they were made.
    """

    unknown: Unknown
    dtypes: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float
    claims: int = 0
    false: tuple[str, ...] = ()

    @property
    def bugs(self) -> tuple[str, ...]:
        """The right ones."""
        return self.unknown.bugs

    @property
    def first(self) -> bool:
        """Whether the right bugs were named first, and no others with them."""
        return bool(self.findings) and set(self.findings[0].bugs) == set(self.bugs)

    @property
    def named(self) -> bool:
        """Whether the right bugs were named together, first or among others that give the same."""
        return any(set(finding.bugs) == set(self.bugs) for finding in self.findings)

    @cached_property
    def in_other_words(self) -> bool:
        """Whether other bugs were named which, in every random case, are the same numbers."""
        return not self.named and any(self.unknown.equals(finding.bugs) for finding in self.findings)

    @property
    def falsely_certain(self) -> bool:
        """Whether something was claimed as certain that is neither the right bugs nor the same numbers."""
        return any(finding.certain for finding in self.findings) and not (self.named or self.in_other_words)

    def __str__(self) -> str:
        said = "; or ".join(
            f"{' and '.join(f.bugs)} ({f.explains} of {f.of}{', certain' if f.certain else ''})" for f in self.findings
        )
        without = f" without {', '.join(sorted(self.unknown.without))}" * bool(self.unknown.without)
        gradients = f", gradients {self.unknown.gradients}" * (self.unknown.gradients != FORMULAS)
        return f"{' and '.join(self.bugs)}, {' and '.join(self.dtypes)}{without}{gradients}: {said or 'nothing'}"


def guess(unknown: Unknown, report: Report | None = None) -> list[Guess]:
    """The diagnosis of bugs: of one bug that declares nothing once per dtype, of others once with all their dtypes.

    Parameters
    ----------
    unknown : Unknown
    report : Report, optional
        Of its trial, where there was one.
    """
    lstm = unknown.candidate()
    report = report or run(lstm, "unknown", profile="training")
    apart = len(unknown.bugs) == 1 and not unknown.without
    claims, false = (0, ()) if apart else stated(unknown, report)
    guesses = []
    for dtypes in [(dtype,) for dtype in DTYPES] if apart else [DTYPES]:
        start = time.process_time()
        findings = diagnose(lstm, report, dtypes).findings
        guesses.append(Guess(unknown, dtypes, findings, time.process_time() - start, claims, false))
    return guesses


def stated(unknown: Unknown, report: Report) -> tuple[int, tuple[str, ...]]:
    """How many statements are made of it, as if no bug were known; and those that it contradicts in fresh draws."""
    dtype = next(dtype for dtype in DTYPES if dtype not in unknown.without)
    lstm = caller(unknown.candidate())
    said = [each for each in locate(lstm, report, dtype, Hypothesis(), (), False) if each.claim is not None]
    fresh = [Asked(lstm, Hypothesis(), dtype, unknown.without, number=number) for number in FRESH]
    false = [each for each in said if each.claim and each.claim.contradicted(fresh)]
    return len(said), tuple(f"{'right' if each.right else 'wrong'} {each.text}" for each in false)


def unknowns(count: int) -> Iterator[Unknown]:
    """Random LSTMs with one to five bugs, each of which shows beside the others; always the same.

    They are of all groups, no two of one family, with every kind of gradients that their bugs allow; half of them declare that
    they are without something.

    Raises
    ------
    UnknownBugError
        If `count` is negative.
    """
    if count < 0:
        raise UnknownBugError(f"{count} random LSTMs were asked for; expected 0 or more.")
    draw = Draw("several bugs at once")
    entries = [slug for slug in bugs() if slug not in (*OBSERVED, *LEAKS)]
    declarations = [frozenset[str]()] * len(USUAL) + list(USUAL.values())
    found = 0
    while found < count:
        several = 1 + int(draw.integers(AT_ONCE, 1)[0])
        slugs = tuple(sorted({entries[int(n)] for n in draw.integers(len(entries), several)}))
        families, groups = {bugs()[slug].family for slug in slugs}, {bugs()[slug].group for slug in slugs}
        kinds = [FORMULAS, *([AS_READ, AS_GIVEN] * ("weights" in groups)), *([STEPWISE] * ("cell" in groups))]
        kind = kinds[int(draw.integers(len(kinds), 1)[0])]
        without = declarations[int(draw.integers(len(declarations), 1)[0])]
        unknown = Unknown(slugs, kind, without)
        if len(families) == several and unknown.shows:
            found += 1
            yield unknown


def confusion(
    count: int, progress: Callable[[int, int, str], None] = lambda done, total, what: None
) -> tuple[list[Guess], list[Guess]]:
    """What is said of every bug alone, in each dtype, and of so many random LSTMs; on all cores."""
    asked = [*(Unknown((slug,)) for slug in bugs()), *unknowns(count)]
    said: list[list[Guess]] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (unknown, guesses) in enumerate(zip(asked, pool.map(guess, asked), strict=True), 1):
            progress(done, len(asked), " ".join(unknown.bugs))
            said.append(guesses)
    alone, random = said[: len(bugs())], said[len(bugs()) :]
    return [g for guesses in alone for g in guesses], [g for guesses in random for g in guesses]
