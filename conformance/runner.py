"""Puts a candidate on trial: which checks there are, their results, and the verdict. Prints nothing."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from conformance.case import FORWARD, QUANTITIES, Case, Result
from conformance.checks.behaviour import CHECKS, CallFailed, Check, NotApplicable
from conformance.checks.call import Caller, Outcome
from conformance.compare import Comparison, compare_quantity
from conformance.declare import declared, left_out, meets
from conformance.errors import CandidateError
from conformance.fixtures.store import Golden, golden
from conformance.implementations import ORACLES, built_in

PROFILES = {"forward": FORWARD, "training": QUANTITIES}
"""Profile to the quantities that it asks for; behaviour is asked for in both."""

AGAINST = ("fixtures", *ORACLES, "all")
SECONDS = 10.0


@dataclass(frozen=True)
class Trial:
    """One case and who says what is right: a golden vector's certified values, or a live framework."""

    oracle: str
    case: Case
    expected: Callable[[], Result]

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
        "passed", "failed", "not provided" (and declared so) or "undeclared" (left out without a word).
    message : str
        What is wrong; empty if nothing is.
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
    """

    candidate: str
    against: str
    results: tuple[CheckResult, ...]
    profile: str
    without: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)

    def of_profile(self, profile: str) -> tuple[CheckResult, ...]:
        """The results that a profile asks for."""
        return tuple(r for r in self.results if r.behaviour or r.quantity in PROFILES[profile])

    def counts(self, profile: str | None = None) -> dict[str, int]:
        """How many checks there were, and of which status."""
        results = self.of_profile(profile or self.profile)
        counted = {name: sum(r.status == name.replace("_", " ") for r in results) for name in STATUSES}
        return {"checks": len(results), **counted}

    def conforms(self, profile: str | None = None) -> bool:
        """Whether nothing of the profile failed or was left out undeclared, and something passed by value."""
        results = self.of_profile(profile or self.profile)
        passed = any(r.status == "passed" and not r.behaviour for r in results)
        return passed and all(r.status in ("passed", "not provided") for r in results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """What failed in the profile."""
        return tuple(r for r in self.of_profile(self.profile) if r.status == "failed")

    @property
    def smallest_failure(self) -> CheckResult | None:
        """The failure whose case has the fewest numbers, and in it the first quantity."""
        by_value = [r for r in self.failures if not r.behaviour]

        def weight(result: CheckResult) -> tuple[int, int]:
            B, T, D, H = self.sizes[result.trial]
            return B * T * (D + 4 * H) + 4 * H * (D + H), QUANTITIES.index(result.quantity)

        return min(by_value, key=weight, default=self.failures[0] if self.failures else None)


STATUSES = ("passed", "failed", "not_provided", "undeclared")


def trials(against: str, dtypes: Sequence[str] = ("float64", "float32")) -> list[Trial]:
    """Every case of a trial with what is expected of it.

    Parameters
    ----------
    against : str
        "fixtures" for the certified values, "torch" or "keras" for a live framework on the same inputs
        and on the sizes of the live matrix, "all" for everything.
    dtypes : sequence of str
    """
    vectors = golden(dtypes)
    found: list[Trial] = []
    if against in ("fixtures", "all"):
        found += [Trial("fixtures", v.case, _constant(v)) for v in vectors]
    for oracle in ORACLES:
        if against in (oracle, "all"):
            engine = built_in(oracle)
            found += [Trial(oracle, case, _computed(engine, case)) for case in _live_cases(vectors, dtypes)]
    return found


def _constant(vector: Golden) -> Callable[[], Result]:
    return lambda: vector.expected


def _computed(engine: Callable[[Case], Result], case: Case) -> Callable[[], Result]:
    return lambda: engine(case)


def _live_cases(vectors: Sequence[Golden], dtypes: Sequence[str]) -> Iterator[Case]:
    from conformance.cases import Spec, sizes

    yield from (vector.case for vector in vectors)
    yield from (Spec(*size, dtype).build() for size in sizes() for dtype in dtypes)


def judge(trial: Trial, outcome: Outcome, without: frozenset[str]) -> list[CheckResult]:
    """The results of one trial: one per quantity that its case has."""
    results = []
    for quantity in trial.case.shapes:
        id = f"{trial.id}:{quantity}"
        if outcome.failure:
            excused = quantity in left_out(without)
            status, message = ("not provided", "") if excused else ("failed", outcome.failure)
            results.append(CheckResult(id, trial.id, quantity, status, message))
        elif quantity not in outcome.result:
            status = "not provided" if quantity in left_out(without) else "undeclared"
            results.append(CheckResult(id, trial.id, quantity, status, f"{quantity} is missing from the result"))
        else:
            comparison = compare_quantity(trial.case, quantity, outcome.result[quantity], trial.expected())
            status, message = ("passed", "") if comparison.passed else ("failed", str(comparison))
            results.append(CheckResult(id, trial.id, quantity, status, message, comparison))
    return results


def behave(name: str, check: Check, call: Caller, case: Case, without: frozenset[str]) -> CheckResult:
    """The result of one behavioural check on one case."""
    id = f"behaviour:{name}:{case.dtype}"
    if name == "chunks" and {"h0", "c0"} & without:
        return CheckResult(id, case.id, name, "not provided", "it takes no initial state")
    try:
        problem = check(call, case)
    except NotApplicable as error:
        return CheckResult(id, case.id, name, "not provided", str(error))
    except CallFailed as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - results of odd types or shapes may break a check's arithmetic
        problem = f"its result could not be used: {type(error).__name__}: {error}"
    return CheckResult(id, case.id, name, "failed" if problem else "passed", f"{name}: {problem}" if problem else "")


def behaviour_case(candidates: Sequence[Trial], without: frozenset[str], dtype: str) -> Case | None:
    """A case to check behaviour on: several samples and steps, and everything that the candidate takes."""
    for trial in candidates:
        B, T, D, H = trial.case.sizes
        usual = B >= 3 and T >= 4 and len({B, T, D, H}) == 4 and T < 10 and B < 10
        if usual and trial.case.dtype == dtype and meets(trial.case, without) and trial.case.x.any():
            return trial.case
    return None


def run(
    function: Callable[[Case], Any],
    name: str,
    against: str = "fixtures",
    profile: str | None = None,
    seconds: float = SECONDS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Put a candidate on trial.

    Parameters
    ----------
    function : callable
        The candidate: takes a `Case`, gives a mapping of quantities.
    name : str
        What to call it.
    against : str
        One of `AGAINST`.
    profile : str, optional
        "forward" or "training"; when not given, "training" if the candidate gives any gradient.
    seconds : float
        How long a call may take.
    progress : callable, optional
        Called with how many trials are done, of how many.

    Raises
    ------
    CandidateError
        If it never gave a single array of the right shape: it does not keep the contract at all.
    """
    without = declared(function)
    every = trials(against)
    met = [trial for trial in every if meets(trial.case, without)]
    call = Caller(function, seconds)
    results: list[CheckResult] = []
    unknown: dict[str, None] = {}
    for done, trial in enumerate(met):
        progress(done, len(met))
        outcome = call(trial.case)
        unknown |= dict.fromkeys(outcome.unknown)
        results += judge(trial, outcome, without)
    progress(len(met), len(met))
    _refuse_misuse(results, name)
    for dtype in ("float64", "float32"):
        case = behaviour_case([t for t in met if t.oracle == met[0].oracle], without, dtype)
        if case is not None:
            results += [behave(check, CHECKS[check], call, case, without) for check in CHECKS]
    if profile is None:
        gradients = set(PROFILES["training"]) - set(PROFILES["forward"])
        given = any(r.quantity in gradients and r.status in ("passed", "failed") and r.comparison for r in results)
        profile = "training" if given else "forward"
    sizes = {trial.id: trial.case.sizes for trial in met} | {t.case.id: t.case.sizes for t in met}
    return Report(name, against, tuple(results), profile, without, tuple(unknown), sizes)


def _refuse_misuse(results: Sequence[CheckResult], name: str) -> None:
    """Raise if nothing could be compared: then there is a mistake in the adapter, not a bug in an LSTM."""
    if any(
        r.comparison is not None and (not r.comparison.reason or "has dtype" in r.comparison.reason) for r in results
    ):
        return
    reasons: dict[str, int] = {}
    for r in results:
        if r.status == "failed":
            reasons[r.message] = reasons.get(r.message, 0) + 1
    reason = max(reasons, key=lambda message: reasons[message], default="its results hold none of the quantities")
    raise CandidateError(f"{name} never gave an array of the right shape in {len(results)} checks. Mostly: {reason}.")


def environment() -> dict[str, Any]:
    """Versions and platform, for the report."""
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    for package in ("lstm-conformance", "torch", "tensorflow-cpu", "keras"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"versions": versions, "platform": platform.platform(), "seed": "golden vectors of format 1"}
