"""What came of a trial: the result of each check, the verdict, and what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from conformance.case import FORWARD, KINDS, QUANTITIES, Case, Result, is_gradient, kind_of
from conformance.cases.features import FEATURES, features
from conformance.judging.compare import Comparison
from conformance.judging.tolerance import Allowed
from conformance.judging.trajectory import Trajectory
from conformance.trial.checks import CHECKS

PROFILES = {"forward": FORWARD, "training": QUANTITIES, "full": QUANTITIES, "trajectory": QUANTITIES}
"""Profile to the quantities of a plain case that it asks for; behaviour is asked for in each. The full one is the training one
with every feature that a candidate does not declare to be without; the trajectory one has the candidate trained, besides."""
ON_DEMAND = ("full", "trajectory")
"""The profiles that there is a verdict in only if they are asked for."""
TRAJECTORY = "trajectory"
"""What the check of a training is called, where others have a quantity."""

STATUSES = {
    "passed": "passed",
    "failed": "failed",
    "remarks": "remark",
    "not_judged": "not judged",
    "not_provided": "not provided",
    "undeclared": "undeclared",
}
"""What is counted to the status of the checks that it counts."""


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
        """Whether it is about behaviour rather than the values of a case."""
        return self.quantity in CHECKS or self.quantity == TRAJECTORY

    @property
    def share(self) -> float | None:
        """The worst error divided by the allowed one, where there is one."""
        return None if self.comparison is None or self.comparison.reason else self.comparison.share


@dataclass(frozen=True)
class OfProgram:
    """What there is to tell of a candidate that is a program in another language, besides its numbers.

    Attributes
    ----------
    restarts : int
        How often it was begun again in the trial.
    exempt : mapping of str to str
        The checks of behaviour that it was not put to, and why.
    said : mapping of str to str
        Trial id to the end of what it said on standard error during the call, of those with a check that failed or was not judged.
    """

    restarts: int
    exempt: Mapping[str, str]
    said: Mapping[str, str]


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
        What the candidate declared that it cannot take or does not give; of a framework, what it does not have.
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
    features : frozenset of str
        What was asked of it beyond the plain LSTM.
    model : tuple of str
        The words of the command line that name the model whose cases these are; empty for the suite's own.
    not_given : mapping of str to int
        Why a framework was not given some cases, all of whose features it has, to how many those are.
    trajectories : tuple of Trajectory
        How its losses went when it was trained, if it was asked for that.
    program : OfProgram or None
        What else there is to tell, if it is a program in another language.
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
    features: frozenset[str] = frozenset()
    model: tuple[str, ...] = ()
    not_given: Mapping[str, int] = field(default_factory=dict)
    trajectories: tuple[Trajectory, ...] = ()
    program: OfProgram | None = None

    def of_network(self, trial: str) -> bool:
        """Whether a trial's case has features, rather than being a plain LSTM."""
        return trial in self._networks

    @cached_property
    def _networks(self) -> frozenset[str]:
        return frozenset(id for id, trial in self.trials.items() if features(trial.case))

    @cached_property
    def plain(self) -> Report:
        """The report on the plain LSTM alone, without what it was trained on."""
        results = tuple(r for r in self.of_profile("training") if not self.of_network(r.trial))
        trials = {id: trial for id, trial in self.trials.items() if not self.of_network(id)}
        given = {id: result for id, result in self.given.items() if not self.of_network(id)}
        return replace(self, results=results, trials=trials, given=given)

    def of_profile(self, profile: str) -> tuple[CheckResult, ...]:
        """The results that a profile asks for."""
        if profile == "trajectory":
            return self.results
        return self._forward if profile == "forward" else self._untrained

    @cached_property
    def _untrained(self) -> tuple[CheckResult, ...]:
        return tuple(r for r in self.results if r.quantity != TRAJECTORY)

    @cached_property
    def _forward(self) -> tuple[CheckResult, ...]:
        return tuple(r for r in self._untrained if r.behaviour or asks_for("forward", r.quantity))

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that there is a verdict in: those on demand only if they were asked for."""
        return tuple(name for name in PROFILES if name not in ON_DEMAND or self.profile == name)

    @property
    def asked(self) -> tuple[str, ...]:
        """The features that were asked for, in their order."""
        return tuple(name for name in FEATURES if name in self.features)

    @property
    def not_asked(self) -> tuple[str, ...]:
        """The features that were not asked for, and that it does not declare to be without."""
        return tuple(name for name in FEATURES if name not in self.features | self.without)

    @property
    def not_met(self) -> tuple[str, ...]:
        """The features that were asked for, and that no case has that the candidate can be given."""
        met = {name for trial in self.trials.values() for name in features(trial.case)}
        return tuple(name for name in self.asked if name not in met)

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

    def weight(self, trial: str) -> tuple[int, int]:
        """How large a case is: how many features it has, and about how many numbers its first layer has."""
        B, T, D, H = self.sizes[trial]
        special = len(features(self.trials[trial].case)) if trial in self.trials else 0
        return special, B * T * (D + 4 * H) + 4 * H * (D + H)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """What failed in the profile."""
        return tuple(r for r in self.of_profile(self.profile) if r.status == "failed")

    @property
    def noticed(self) -> tuple[CheckResult, ...]:
        """What failed in the profile, and what was remarked on."""
        return self.failures + self.remarks

    @property
    def to_explain(self) -> tuple[CheckResult, ...]:
        """What a diagnosis is to explain: what failed; and what was remarked on, where that counts or nothing failed."""
        return self.noticed if self.strict or not self.failures else self.failures

    @property
    def smallest_failure(self) -> CheckResult | None:
        """The failure whose case has the fewest features, then the fewest numbers, and in it the first quantity."""
        by_value = [r for r in self.failures if not r.behaviour]

        def order(result: CheckResult) -> tuple[tuple[int, int], int]:
            return self.weight(result.trial), KINDS.index(kind_of(result.quantity))

        return min(by_value, key=order, default=self.failures[0] if self.failures else None)


def profile_of(quantities: Iterable[str]) -> str:
    """The profile that a candidate is judged in if nothing else is asked for: "training" if it gives any gradient."""
    return "training" if any(map(is_gradient, quantities)) else "forward"


def asks_for(profile: str, quantity: str) -> bool:
    """Whether a profile asks for a quantity of any case."""
    return profile != "forward" or not is_gradient(quantity)
