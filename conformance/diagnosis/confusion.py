"""How often the diagnosis is right: the catalogue's bugs, alone and in pairs, as candidates that do not say what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations

from conformance.cases.draw import Draw
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.diagnose import DTYPES, diagnose
from conformance.diagnosis.finding import Finding
from conformance.errors import UnknownBugError
from conformance.trial.results import Report
from conformance.trial.runner import run


@dataclass(frozen=True)
class Guess:
    """What was said of bugs that are known.

    Attributes
    ----------
    bugs : tuple of str
        What they are.
    dtypes : tuple of str
        Whose cases were looked at.
    findings : tuple of Finding
        What was said.
    seconds : float
        How long it took: the processor's, whatever else the machine was doing.
    """

    bugs: tuple[str, ...]
    dtypes: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def first(self) -> bool:
        """Whether the right bugs were named first, and no others with them."""
        return bool(self.findings) and set(self.findings[0].bugs) == set(self.bugs)

    @property
    def named(self) -> bool:
        """Whether the right bugs were named together, first or among others that give the same."""
        return any(set(finding.bugs) == set(self.bugs) for finding in self.findings)

    @property
    def falsely_certain(self) -> bool:
        """Whether something else was claimed as certain."""
        return any(finding.certain and set(finding.bugs) != set(self.bugs) for finding in self.findings)

    def __str__(self) -> str:
        said = "; or ".join(
            f"{' and '.join(f.bugs)} ({f.explains} of {f.of}{', certain' if f.certain else ''})" for f in self.findings
        )
        return f"{' and '.join(self.bugs)}, {' and '.join(self.dtypes)}: {said or 'nothing'}"


def guess(slugs: tuple[str, ...], report: Report | None = None) -> list[Guess]:
    """The diagnosis of bugs: of one bug once per dtype, of several once with both dtypes.

    Parameters
    ----------
    slugs : tuple of str
    report : Report, optional
        Of their trial, where there was one.
    """
    lstm = Hypothesis(slugs).fresh()
    report = report or run(lstm, "unknown", profile="training")
    guesses = []
    for dtypes in [(dtype,) for dtype in DTYPES] if len(slugs) == 1 else [DTYPES]:
        start = time.process_time()
        findings = diagnose(lstm, report, dtypes).findings
        guesses.append(Guess(slugs, dtypes, findings, time.process_time() - start))
    return guesses


def pairs(count: int) -> list[tuple[str, str]]:
    """Random pairs of bugs of different groups; always the same.

    Raises
    ------
    UnknownBugError
        If there are not so many.
    """
    draw, entries, found = Draw("pairs of bugs"), list(bugs().values()), dict[tuple[str, str], None]()
    most = sum(one.group != other.group for one, other in combinations(entries, 2))
    if not 0 <= count <= most:
        raise UnknownBugError(f"{count} pairs were asked for; the catalogue has 0 to {most} of different groups.")
    while len(found) < count:
        one, other = (entries[int(place)] for place in draw.integers(len(entries), 2))
        if one.group != other.group:
            found[min(one.slug, other.slug), max(one.slug, other.slug)] = None
    return list(found)


def confusion(
    count: int, progress: Callable[[int, int, str], None] = lambda done, total, what: None
) -> tuple[list[Guess], list[Guess]]:
    """What is said of every bug alone, in each dtype, and of so many pairs; on all cores."""
    asked: Sequence[tuple[str, ...]] = [*((slug,) for slug in bugs()), *pairs(count)]
    said: list[Guess] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (slugs, guesses) in enumerate(zip(asked, pool.map(guess, asked), strict=True), 1):
            progress(done, len(asked), " ".join(slugs))
            said += guesses
    return [g for g in said if len(g.bugs) == 1], [g for g in said if len(g.bugs) > 1]
