"""Puts a candidate on trial: which checks there are, their results, and the verdict. Prints nothing."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np

from conformance.case import FORWARD, GRADIENTS, QUANTITIES, Case, Result
from conformance.errors import CandidateError, OracleError
from conformance.fixtures.store import FORMAT, Golden, golden
from conformance.implementations import ORACLES, built_in
from conformance.judging.compare import Comparison, compare_quantity
from conformance.judging.tolerance import Allowed, allowed_between
from conformance.trial.call import SECONDS, SLOW, Caller, Outcome, caller, copied
from conformance.trial.checks import CHECKS, VECTOR, CallFailed, Check, NotApplicable, NotJudged, Remark
from conformance.trial.declare import left_out, meets, reduced

Value = TypeVar("Value")

PROFILES = {"forward": FORWARD, "training": QUANTITIES}
"""Profile to the quantities that it asks for; behaviour is asked for in both."""

AGAINST = ("fixtures", *ORACLES, "all")
KEPT = 200_000
"""Up to so many numbers, what a candidate gave in a case is kept for whoever looks into a failure."""


@dataclass(frozen=True)
class Trial:
    """One case, who says what is right, a golden vector's certified values or a live framework, and how nearly."""

    oracle: str
    case: Case
    expected: Callable[[], Result]
    allowed: Callable[[], Allowed]

    @property
    def id(self) -> str:
        """The case's id, with the oracle before it unless it is the fixtures."""
        return self.case.id if self.oracle == "fixtures" else f"{self.oracle}:{self.case.id}"


@dataclass(frozen=True)
class CheckResult:
    """One property asserted of the candidate.

    Attributes
    ----------
    id : str
        Unique: the trial's id and the quantity, or "behaviour" and the check.
    trial : str
        The trial's id.
    quantity : str
        The quantity, or the behaviour's name.
    status : str
        "passed"; "failed": something is wrong; "remark": something is odd while the numbers are right; "not judged", as
        a call ran out of time; "not provided" (and declared so); or "undeclared" (left out without a word).
    message : str
        What is wrong or odd; empty if nothing is.
    comparison : Comparison or None
        The numbers, for a quantity that could be compared.
    """

    id: str
    trial: str
    quantity: str
    status: str
    message: str = ""
    comparison: Comparison | None = None

    @property
    def behaviour(self) -> bool:
        """Whether it is about behaviour rather than values."""
        return self.quantity in CHECKS

    @property
    def share(self) -> float | None:
        """The worst error divided by the allowed one, where there is one."""
        return None if self.comparison is None or self.comparison.reason else self.comparison.share


@dataclass(frozen=True)
class Report:
    """The outcome of a trial.

    Attributes
    ----------
    candidate : str
        Its name.
    against : str
    results : tuple of CheckResult
    profile : str
        The one that the verdict is about.
    without : frozenset of str
        What the candidate declared that it cannot take or does not give.
    unknown : tuple of str
        Keys of its results that name no quantity.
    sizes : dict
        Trial id to (B, T, D, H).
    trials : dict
        Trial id to the trial, in the order in which they were run.
    given : dict
        Trial id to what the candidate gave; without results of more than `KEPT` numbers.
    strict : bool
        Whether remarks count against the candidate.
    """

    candidate: str
    against: str
    results: tuple[CheckResult, ...]
    profile: str
    without: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    strict: bool = False

    def of_profile(self, profile: str) -> tuple[CheckResult, ...]:
        """The results that a profile asks for."""
        return tuple(r for r in self.results if r.behaviour or r.quantity in PROFILES[profile])

    def counts(self, profile: str | None = None) -> dict[str, int]:
        """How many checks there were, and of which status."""
        results = self.of_profile(profile or self.profile)
        counted = {name: sum(r.status == status for r in results) for name, status in STATUSES.items()}
        return {"checks": len(results), **counted}

    def verdict(self, profile: str | None = None) -> str:
        """What is said of the candidate in a profile.

        "conforms" if nothing failed or was left out undeclared, and something passed by value; remarks only count if the
        report is strict. "incomplete" if that holds but for what was not judged. Else "does not conform".
        """
        results = self.of_profile(profile or self.profile)
        passed = any(r.status == "passed" and not r.behaviour for r in results)
        against = {"failed", "undeclared", *(["remark"] if self.strict else [])}
        unjudged = any(r.status == "not judged" for r in results)
        if any(r.status in against for r in results) or not (passed or unjudged):
            return "does not conform"
        return "incomplete" if unjudged else "conforms"

    def conforms(self, profile: str | None = None) -> bool:
        """Whether the verdict is "conforms"."""
        return self.verdict(profile) == "conforms"

    @property
    def numbers_right(self) -> bool:
        """Whether every number of the profile that was asked for was compared, and is right, whatever the call was like."""
        results = self.of_profile(self.profile)
        values = {r.status for r in results if not r.behaviour}
        elsewhere = {r.quantity for r in results if r.behaviour and r.status in ("failed", "not judged")}
        return "passed" in values and values <= {"passed", "not provided"} and elsewhere <= {"inputs-unchanged"}

    @property
    def not_judged(self) -> tuple[CheckResult, ...]:
        """What could not be judged in the profile."""
        return tuple(r for r in self.of_profile(self.profile) if r.status == "not judged")

    @property
    def remarks(self) -> tuple[CheckResult, ...]:
        """What was remarked on in the profile."""
        return tuple(r for r in self.of_profile(self.profile) if r.status == "remark")

    @property
    def gives_gradients(self) -> bool:
        """Whether it gave any gradient, right or wrong."""
        return profile_of(r.quantity for r in self.results if r.comparison is not None) == "training"

    def weight(self, trial: str) -> int:
        """About how many numbers a case has."""
        B, T, D, H = self.sizes[trial]
        return B * T * (D + 4 * H) + 4 * H * (D + H)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """What failed in the profile."""
        return tuple(r for r in self.of_profile(self.profile) if r.status == "failed")

    @property
    def noticed(self) -> tuple[CheckResult, ...]:
        """What failed in the profile, and what was remarked on: all that a diagnosis is to explain."""
        return self.failures + self.remarks

    @property
    def smallest_failure(self) -> CheckResult | None:
        """The failure whose case has the fewest numbers, and in it the first quantity."""
        by_value = [r for r in self.failures if not r.behaviour]

        def order(result: CheckResult) -> tuple[int, int]:
            return self.weight(result.trial), QUANTITIES.index(result.quantity)

        return min(by_value, key=order, default=self.failures[0] if self.failures else None)


STATUSES = {
    "passed": "passed",
    "failed": "failed",
    "remarks": "remark",
    "not_judged": "not judged",
    "not_provided": "not provided",
    "undeclared": "undeclared",
}
"""What is counted to the status of the checks that it counts."""


def trials(against: str, dtypes: Sequence[str] = ("float64", "float32")) -> list[Trial]:
    """Every case of a trial with what is expected of it.

    Parameters
    ----------
    against : str
        "fixtures" for the certified values, "torch" or "keras" for a live framework on the same inputs
        and on the sizes of the live matrix, "all" for everything.
    dtypes : sequence of str
    """
    if against not in AGAINST:
        raise CandidateError(f"against={against!r} is none of {', '.join(AGAINST)}.")
    vectors = golden(dtypes)
    found: list[Trial] = []
    if against in ("fixtures", "all"):
        found += [Trial("fixtures", v.case, _constant(v.expected), _constant(v.allowed)) for v in vectors]
    for oracle in ORACLES:
        if against in (oracle, "all"):
            engine = built_in(oracle)
            found += [
                Trial(oracle, case, _computed(engine, case), _estimated(case)) for case in _live_cases(vectors, dtypes)
            ]
    return found


def _constant(value: Value) -> Callable[[], Value]:
    return lambda: value


def _computed(engine: Callable[[Case], Result], case: Case) -> Callable[[], Result]:
    return cache(lambda: engine(copied(case)))


def _estimated(case: Case) -> Callable[[], Allowed]:
    return cache(lambda: allowed_between(case))


def _live_cases(vectors: Sequence[Golden], dtypes: Sequence[str]) -> Iterator[Case]:
    from conformance.cases.matrix import Spec, sizes

    try:
        live = sizes()
    except ModuleNotFoundError as error:
        raise OracleError(
            "the sizes of the live matrix need covertable, which is not installed: pip install covertable"
        ) from error
    yield from (vector.case for vector in vectors)
    yield from (Spec(*size, dtype).build() for size in live for dtype in dtypes)


def judge(trial: Trial, outcome: Outcome, without: frozenset[str]) -> list[CheckResult]:
    """The results of one trial: one per quantity that its case has."""
    results = []
    for quantity in trial.case.shapes:
        id = f"{trial.id}:{quantity}"
        if outcome.failure or outcome.not_judged:
            excused = quantity in left_out(without)
            status = "not provided" if excused else "failed" if outcome.failure else "not judged"
            message = "" if excused else outcome.failure or outcome.not_judged
            results.append(CheckResult(id, trial.id, quantity, status, message))
        elif quantity not in outcome.result:
            status = "not provided" if quantity in left_out(without) else "undeclared"
            results.append(CheckResult(id, trial.id, quantity, status, f"{quantity} is missing from the result"))
        else:
            comparison = compare_quantity(
                trial.case, quantity, outcome.result[quantity], trial.expected(), trial.allowed()
            )
            status, message = ("passed", "") if comparison.passed else ("failed", str(comparison))
            results.append(CheckResult(id, trial.id, quantity, status, message, comparison))
    return results


def behave(
    name: str,
    check: Check,
    call: Callable[[Case], Outcome],
    case: Case,
    without: frozenset[str],
    mutated: Mapping[str, str],
) -> CheckResult:
    """The result of one behavioural check on one case; `mutated` says by dtype which inputs were written to before."""
    id = f"behaviour:{name}:{case.dtype}"
    if name == "chunks" and {"h0", "c0"} & without:
        return CheckResult(id, case.id, name, "not provided", "it takes no initial state")
    problem: str | Remark | None
    try:
        problem = check(call, case)
    except NotApplicable as error:
        return CheckResult(id, case.id, name, "not provided", str(error))
    except NotJudged as error:
        return CheckResult(id, case.id, name, "not judged", f"{name}: {error}")
    except CallFailed as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - results of odd types or shapes may break a check's arithmetic
        problem = f"its result could not be used: {type(error).__name__}: {error}"
    if name == "inputs-unchanged" and problem is None:
        problem = mutated.get(case.dtype.name)
    if isinstance(problem, Remark):
        return CheckResult(id, case.id, name, "remark", problem.text)
    return CheckResult(id, case.id, name, "failed" if problem else "passed", f"{name}: {problem}" if problem else "")


def behaviours(call: Caller, without: frozenset[str], quantities: Sequence[str]) -> list[CheckResult]:
    """The results of all checks of behaviour, in both dtypes, on one golden vector cut to what the candidate takes.

    Parameters
    ----------
    call : Caller
        What it noticed in earlier calls, such as inputs written to, counts as well.
    without : frozenset of str
    quantities : sequence of str
        What is looked at: a profile's.
    """

    def narrowed(case: Case) -> Outcome:
        outcome = call(case)
        return replace(outcome, result={name: a for name, a in outcome.result.items() if name in quantities})

    return [
        behave(check, CHECKS[check], narrowed, case, without, call.mutated)
        for case in behaviour_cases(without)
        for check in CHECKS
    ]


def behaviour_cases(without: frozenset[str]) -> list[Case]:
    """The cases that behaviour is checked on, one per dtype."""
    return [reduced(case, without) for case in _behaviour_vector() if case.dtype.name not in without]


@cache
def _behaviour_vector() -> tuple[Case, ...]:
    return tuple(vector.case for vector in golden() if vector.vector == VECTOR)


def run(
    candidate: Callable[[Case], Any] | Caller,
    name: str,
    against: str = "fixtures",
    profile: str | None = None,
    seconds: float = SECONDS,
    strict: bool = False,
) -> Report:
    """Put a candidate on trial.

    Parameters
    ----------
    candidate : callable
        Takes a `Case`, gives a mapping of quantities; or what calls it.
    name : str
        What to call it.
    against : str
        One of `AGAINST`.
    profile : str, optional
        "forward" or "training"; when not given, "training" if the candidate gives any gradient.
    seconds : float
        How long a call may take; what calls it knows that by itself.
    strict : bool
        Whether remarks count against it.

    Raises
    ------
    CandidateError
        If it returned what cannot be compared throughout: it does not keep the contract at all.
    """
    call = caller(candidate, seconds)
    without = call.without
    met = [trial for trial in trials(against) if meets(trial.case, without)]
    if not met:
        raise CandidateError(f"{name} declares that it is without {', '.join(sorted(without))}: no case meets that.")
    outcomes = _outcomes(call, met)
    results = [result for trial in met for result in judge(trial, outcomes[trial.id], without)]
    if not any(outcome.failure and not outcome.returned for outcome in outcomes.values()):
        _refuse_misuse(results, name)
    unknown = dict.fromkeys(key for outcome in outcomes.values() for key in outcome.unknown)
    given = {
        trial.id: outcomes[trial.id].result
        for trial in met
        if sum(np.size(array) for array in outcomes[trial.id].result.values()) <= KEPT
    }
    profile = profile or profile_of(r.quantity for r in results if r.comparison is not None)
    results += behaviours(call, without, PROFILES[profile])
    sizes = {trial.id: trial.case.sizes for trial in met} | {case.id: case.sizes for case in behaviour_cases(without)}
    kept = {trial.id: trial for trial in met}
    return Report(name, against, tuple(results), profile, without, tuple(unknown), sizes, kept, given, strict)


def _outcomes(call: Caller, met: Sequence[Trial]) -> dict[str, Outcome]:
    """What came of each trial; after some that took too long, the smallest of the rest come first."""
    outcomes: dict[str, Outcome] = {}
    waiting = list(met)
    while waiting:
        trial = waiting.pop(0)
        before = call.hangs
        outcomes[trial.id] = call(trial.case)
        if before < SLOW <= call.hangs:
            waiting.sort(key=lambda trial: math.prod(trial.case.sizes))
    return outcomes


def profile_of(quantities: Iterable[str]) -> str:
    """The profile that a candidate is judged in if nothing else is asked for: "training" if it gives any gradient."""
    return "training" if set(quantities) & set(GRADIENTS) else "forward"


def _refuse_misuse(results: Sequence[CheckResult], name: str) -> None:
    """Raise if nothing could be compared: then there is a mistake in the adapter, not a bug in an LSTM."""
    if not any(r.status in ("failed", "undeclared") for r in results) or any(
        r.comparison is not None and not r.comparison.reason for r in results
    ):
        return
    reasons: dict[str, int] = {}
    for r in results:
        if r.status == "failed":
            reasons[r.message] = reasons.get(r.message, 0) + 1
    reason = max(reasons, key=lambda message: reasons[message], default="its results hold none of the quantities")
    raise CandidateError(f"nothing that {name} gave in {len(results)} checks can be compared. Mostly: {reason}.")


def environment() -> dict[str, Any]:
    """Versions and platform, for the report."""
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    for package in ("lstm-conformance", "torch", "tensorflow-cpu", "keras"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"versions": versions, "platform": platform.platform(), "seed": f"golden vectors of format {FORMAT}"}
