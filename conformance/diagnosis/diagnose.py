"""From a failed trial to the bug that explains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from conformance.case import QUANTITIES, Case, Result
from conformance.diagnosis.bugs.catalogue import GROUPS, readable
from conformance.diagnosis.bugs.hypothesis import EXCLUDED, FORMULAS, GRADIENTS_ARE, TRUE, Hypothesis
from conformance.diagnosis.evidence import ALIKE, DERIVED, Observation, in_proportion, narrow, observe
from conformance.diagnosis.finding import Diagnosis, Fault, Finding, Statement, is_wrong
from conformance.diagnosis.locate import locate
from conformance.diagnosis.locate.cases import in_cases
from conformance.diagnosis.networks import diagnose_networks
from conformance.diagnosis.reading import COST, LEAKS, Reader, Reading, of_groups
from conformance.diagnosis.stage import Stage
from conformance.judging.tolerance import scale_of
from conformance.trial.call import SECONDS, Caller, caller
from conformance.trial.checks import CHECKS
from conformance.trial.results import CheckResult, Report
from conformance.trial.runner import behave, behaviour_cases

DTYPES = ("float64", "float32")
FIRST_CALLS, FEW_CALLS = 32, 6
"""Of a candidate that keeps something between its calls, so many of the first are explained, so many are read."""
REFINEMENTS = 3
"""How many golden cases that what was read does not explain are read as well."""
LEAST = 0.05
"""What explains no more of the failing checks than this share is not named: it may fit the smallest cases alone."""
SOME = 2
"""So many readings are held against every case where none gives all of what was read."""
DERIVING = 15_000
"""For so many numbers times steps the true gradients of one hypothesis are taken, a second or so, of the smallest cases first."""
PLAIN = ("sizes-", "plain-", "stateless-")
"""The golden vectors in which nothing is special."""
SATURATED = "saturated-"
"""In the names of those whose gates are saturated."""


def diagnose(
    candidate: Callable[[Case], Any] | Caller, report: Report, dtypes: Sequence[str] = DTYPES, seconds: float = SECONDS
) -> Diagnosis:
    """Which bugs a failing candidate has, and what else can be established about it.

    Parameters
    ----------
    candidate : callable
        The candidate, or what calls it.
    report : Report
        Of its trial.
    dtypes : sequence of str
        Whose cases to look at.
    seconds : float
        How long a call may take.

    Returns
    -------
    Diagnosis
        Empty if there is nothing that is wrong or odd.
    """
    plain, found = report.plain, Diagnosis()
    if plain.noticed:
        found = _Examination(caller(candidate, seconds), plain, tuple(dtypes)).diagnosis()
    networks = {r.trial for r in report.failures if report.of_network(r.trial)}
    if not networks:
        return found
    if plain.failures:
        later = f"{len(networks)} cases with features fail as well: look into them once the plain LSTM is right."
        return replace(found, statements=(*found.statements, is_wrong(later)))
    return diagnose_networks(report, dtypes)


@dataclass(frozen=True)
class Explanation:
    """A hypothesis, and what it explains.

    Attributes
    ----------
    hypothesis : Hypothesis
        The bugs that change numbers.
    observed : tuple of str
        The bugs that are seen otherwise.
    checks : frozenset of str
        The ids of the failing checks that they explain.
    of : int
        How many failing checks were looked at.
    odd : tuple of Observation
        The cases in which the hypothesis does not give what the candidate gave, the smallest first.
    """

    hypothesis: Hypothesis
    observed: tuple[str, ...]
    checks: frozenset[str]
    of: int
    odd: tuple[Observation, ...]

    @property
    def bugs(self) -> tuple[str, ...]:
        """All the bugs."""
        return self.hypothesis.bugs + self.observed

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Best first: odd in the fewest cases, then what leaves least unexplained, then with the fewest bugs, the catalogue's."""
        of_no_catalogue = sum(readable()[slug].read_off for slug in self.bugs)
        return len(self.odd), self.of - len(self.checks), len(self.bugs), of_no_catalogue


class _Examination:
    """One diagnosis at work."""

    def __init__(self, call: Caller, report: Report, dtypes: tuple[str, ...]) -> None:
        self.call, self.report, self.dtypes = call, report, dtypes
        self.training = report.profile != "forward"
        self.failures = [r for r in report.to_explain if _dtype(r) in dtypes]

    rounded = False
    """Whether it was read as if it computed in float32, though not every number says so."""

    # What there is to explain.

    @cached_property
    def observations(self) -> dict[str, Observation]:
        """What the candidate gave, by trial, in the order of the calls."""
        report = self.report
        trials = {id: report.trials[id] for id in report.given}
        known = {id: in_proportion(trial.allowed(), trial.expected()) for id, trial in trials.items()}
        seen = {id: observe(trials[id].case, given, self.training, known[id]) for id, given in report.given.items()}
        rounded = {dtype for dtype in DTYPES if narrow(o for o in seen.values() if o.case.dtype == dtype)}
        scales = {id: {name: scale_of(a) for name, a in trial.expected().items()} for id, trial in trials.items()}
        return {id: replace(o, narrow=o.case.dtype.name in rounded, scales=scales[id]) for id, o in seen.items()}

    @cached_property
    def stateful(self) -> bool:
        """Whether the candidate keeps something between its calls."""
        return any(r.quantity == "repeatable" and "is kept" in r.message for r in self.failures)

    @cached_property
    def main(self) -> list[Observation]:
        """What hypotheses have to match first: one small case in which everything shows, or the first calls."""
        if self.stateful:
            return list(self.observations.values())[:FIRST_CALLS]
        failing = [r.trial for r in self.failures if not r.behaviour]
        usable = [o for o in self.observations.values() if o.given and o.case.dtype.name in self.dtypes]
        there = [dtype for dtype in self.dtypes if any(o.case.dtype == dtype for o in usable)]
        first = next((dtype for dtype in there if any(id.endswith(dtype) for id in failing)), next(iter(there), ""))
        usable = [o for o in usable if o.case.dtype.name == first]
        return sorted(usable, key=_poverty)[:1]

    @cached_property
    def reader(self) -> Reader:
        """What reads the candidate."""
        o = self.main[0]
        return Reader(self.call, o.case.dtype.name, self.report.without, self.training, o.narrow)

    # What explains it.

    def diagnosis(self) -> Diagnosis:
        """What explains the failures, and what probing establishes where nothing explains all of them."""
        if not self.main or not self.failures:
            return Diagnosis(statements=tuple(in_cases(self.report)))
        best = self.best()
        certain = len(best) == 1 and not (best[0].odd or self.rounded) and len(best[0].checks) == best[0].of
        findings = tuple(self.finding(one, certain) for one in best)
        if best and len(best[0].checks) == best[0].of:
            return Diagnosis(findings)
        if self.stateful:
            kept = (
                "The same case gave other numbers when it was called again: something is kept between calls, or drawn "
                "at random. So no call says anything by itself: mend that, then check again."
            )
            return Diagnosis(findings, (*in_cases(self.report, best[0].bugs if best else ()), Statement(False, kept)))
        known, observed = (best[0].hypothesis, best[0].observed) if best else (Hypothesis(), ())
        case, narrow = self.main[0].case, self.main[0].narrow
        return Diagnosis(findings, locate(self.call, self.report, case.dtype.name, known, observed, narrow))

    def best(self) -> list[Explanation]:
        """The best explanations: several if nothing tells them apart."""
        explained = self.explained()
        rank = min((one.rank for one in explained), default=None)
        if rank and rank[0] and not self.stateful and self.may_round:
            exact = self.observations, self.main, self.reader
            self.observations = {id: replace(o, narrow=True) for id, o in self.observations.items()}
            self.main = [replace(o, narrow=True) for o in self.main]
            del self.reader
            self.rounded = True
            again = self.explained()
            if min((one.rank for one in again), default=rank)[:2] < rank[:2]:
                explained, rank = again, min(one.rank for one in again)
            else:
                self.observations, self.main, self.reader = exact
                self.rounded = False
        explained.sort(key=lambda one: one.hypothesis.gradients != FORMULAS)
        equal: dict[frozenset[str], Explanation] = {}
        for one in explained:
            if one.rank == rank and one.bugs and len(one.checks) > LEAST * one.of:
                equal.setdefault(frozenset(one.bugs), one)
        return list(equal.values())

    @property
    def may_round(self) -> bool:
        """Whether something may be computed in float32 in between: if results are, or are nearly what was read."""
        given = [(self.report.trials[id].case, arrays) for id, arrays in self.report.given.items()]
        narrower = (
            isinstance(a, np.ndarray) and a.dtype == np.float32
            for case, arrays in given
            if case.dtype == np.float64
            for a in arrays.values()
        )
        return self.main[0].case.dtype == np.float64 and (any(narrower) or self.reader.rounds())

    def explained(self) -> list[Explanation]:
        """What was read, and what of golden cases that this does not explain, held against every case."""
        readings = self.kept() if self.stateful else self.reader.read()
        some = len(readings) if self.reader.knows_all else SOME
        explained = [self.explain(one.hypothesis) for one in readings[:some]]
        for _ in range(REFINEMENTS):
            rank = min(one.rank for one in explained)
            stage = None if self.stateful else self.telling(next(one for one in explained if one.rank == rank))
            if stage is None or self.reader.exhausted:
                break
            starts = [Reading(one.hypothesis) for one in explained]
            further = self.reader.further(starts, stage, of_groups(*GROUPS), COST)
            better = [self.explain(one.hypothesis) for one in further[:some]]
            if min((one.rank for one in better), default=rank) >= rank:
                break
            explained = better
        return explained

    def telling(self, explained: Explanation) -> Stage | None:
        """The smallest of the cases that a hypothesis does not explain in which more is wrong than the last digits."""
        stages = (Stage([o], tuple(o.given)) for o in explained.odd)
        hypothesis = explained.hypothesis
        return next((stage for stage in stages if not stage.parts <= self.reader.right(hypothesis, stage)), None)

    def kept(self) -> list[Reading]:
        """What is read of a candidate that keeps something between its calls, from the first of them."""
        calls = self.main[:FEW_CALLS]
        stage = Stage(calls, tuple(name for name in QUANTITIES if all(name in o.given for o in calls)))
        starts = [Reading(Hypothesis((leak,))) for leak in LEAKS] + [Reading(Hypothesis())]
        return self.reader.further(starts, stage, of_groups(*GROUPS))

    def explain(self, hypothesis: Hypothesis) -> Explanation:
        """Hold a hypothesis against every case."""
        lstm, forward = hypothesis.fresh(), hypothesis.forward()
        right: set[str] = set()
        skipped: set[str] = set()
        odd: list[Observation] = []
        observations = list(self.observations.items())
        if not self.stateful:
            observations.sort(key=lambda item: item[1].weight)
        derived = 0
        for id, o in observations:
            if o.case.dtype.name not in self.dtypes and not self.stateful:  # what keeps something needs every call
                continue
            affordable = hypothesis.gradients != TRUE
            if not affordable and o.weight <= DERIVED and o.case.id.startswith(PLAIN) and derived < DERIVING:
                affordable, derived = True, derived + o.weight
            try:
                with np.errstate(all="ignore"):
                    result = (lstm if affordable else forward)(o.case)
            except EXCLUDED:
                odd.append(o)
                continue
            if o.case.dtype.name not in self.dtypes:
                continue
            differing = o.differing(result)
            if differing and affordable and o.case.dtype == np.float32 and not self.stateful:
                differing = beyond_rounding(o, differing, result, hypothesis)
            if differing:
                odd.append(o)
            right |= {f"{id}:{name}" for name in o.given if name in result and name not in differing}
            skipped |= {f"{id}:{name}" for name in o.given if name not in result}
        looked_at = [r for r in self.failures if r.behaviour or (r.trial in self.observations and r.id not in skipped)]
        seen_otherwise = self.observed(hypothesis)
        checks = {r.id for r in looked_at if not r.behaviour and r.id in right}
        checks |= self.misbehaviours(hypothesis.also(*seen_otherwise), [r for r in looked_at if r.behaviour])
        odd.sort(key=lambda o: o.weight)
        return Explanation(hypothesis, seen_otherwise, frozenset(checks), len(looked_at), tuple(odd))

    def observed(self, hypothesis: Hypothesis) -> tuple[str, ...]:
        """The bugs that are seen without comparing numbers, and that the hypothesis does not show already."""
        report = self.report
        found = []
        if any(r.quantity == "inputs-unchanged" for r in self.failures):
            found.append("input-mutated")
        if any(o.narrow and o.case.dtype.name in self.dtypes for o in self.observations.values()):
            found.append("numbers-approximated" if self.rounded else "dtype-narrowed")
        sizes = {
            array.dtype.itemsize / report.trials[id].case.dtype.itemsize
            for id, given in report.given.items()
            for array in given.values()
            if isinstance(array, np.ndarray)
            and array.dtype.kind == "f"
            and report.trials[id].case.dtype.name in self.dtypes
        }
        if max(sizes, default=1) > 1 and any(r.status == "remark" for r in self.failures):
            found.append("dtype-widened")
        overflow = "overflow encountered in exp"  # not in cosh, of which some build slopes
        warned = [r for r in self.failures if r.quantity == "quiet-when-saturated" and overflow in r.message]
        if warned and self.finite_when_saturated and not self.misbehaviours(hypothesis, warned):
            found.append("sigmoid-overflow")
        return tuple(found)

    @cached_property
    def finite_when_saturated(self) -> bool:
        """Whether saturated gates give no NaN: a tanh made of exponentials does, a sigmoid that overflows does not."""
        saturated = [o for o in self.observations.values() if o.case.id.startswith(SATURATED)]
        return all(np.isfinite(array).all() for o in saturated for array in o.given.values())

    def misbehaviours(self, hypothesis: Hypothesis, failed: Sequence[CheckResult]) -> set[str]:
        """Those of the failed checks of behaviour that an LSTM with these bugs fails as well."""
        found = set()
        formulas = Hypothesis(hypothesis.bugs)  # taking derivatives has a behaviour of its own
        for case in behaviour_cases(self.report.without):
            for result in failed:
                if _dtype(result) == case.dtype.name:
                    call = caller(formulas.fresh())
                    again = behave(
                        result.quantity, CHECKS[result.quantity], call, case, self.report.without, call.mutated
                    )
                    found |= {result.id} if again.status == result.status else set()
        return found

    def finding(self, one: Explanation, certain: bool) -> Finding:
        """A finding in words."""
        entries = [readable()[slug] for slug in one.bugs]
        repair, note = _numbered([entry.repair for entry in entries]), ""
        if one.hypothesis.gradients != FORMULAS:
            note = f"The gradients are {GRADIENTS_ARE[one.hypothesis.gradients]}: they change with it."
            repair += f" {note}"
        title = _numbered([entry.title for entry in entries])
        read = set(one.hypothesis.bugs)
        faults = tuple(
            Fault(
                entry.title,
                entry.repair,
                self.reader.evidence(one.hypothesis, entry.slug) if entry.slug in read else "",
            )
            for entry in entries
        )
        return Finding(one.bugs, certain, title, len(one.checks), one.of, repair, faults, note)


def beyond_rounding(o: Observation, differing: list[str], result: Result, hypothesis: Hypothesis) -> list[str]:
    """Those of the differing quantities that are apart by more than float32 costs the hypothesis, whose numbers may explode."""
    p = o.case.params
    wide = {name: getattr(o.case, name).astype(np.float64) for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    case = replace(o.case, dtype=np.dtype(np.float64), params=p.astype(np.float64), **wide)
    with np.errstate(all="ignore"):
        exact = hypothesis.fresh()(case)
        lost = {name: np.abs(result[name] - exact[name]).max(initial=0.0) for name in differing}
        apart = {name: np.abs(o.given[name] - exact[name]).max(initial=0.0) for name in differing}
    return [name for name in differing if not apart[name] <= ALIKE * lost[name]]


def _numbered(sentences: Sequence[str]) -> str:
    """One sentence as it is, several with numbers."""
    return sentences[0] if len(sentences) == 1 else " ".join(f"({n}) {text}" for n, text in enumerate(sentences, 1))


def _poverty(o: Observation) -> tuple[int, int]:
    """How little a case shows: what is zero in it or special about it; then how many numbers it has."""
    case = o.case
    zeros = sum(not array.any() for array in (case.h0, case.c0, case.d_output, case.d_h, case.d_c))
    special = not case.id.startswith(PLAIN) or case.sizes[1] < 3
    return zeros + 10 * special, o.weight


def _dtype(result: CheckResult) -> str:
    return result.id.split(":")[-1] if result.behaviour else result.trial.rpartition("-")[2]
