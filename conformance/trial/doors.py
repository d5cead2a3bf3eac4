"""One pytest test per check, in a user's own suite or from the command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from conformance.case import Case
from conformance.cases.features import FEATURES
from conformance.errors import CandidateError
from conformance.trial.call import SECONDS, caller
from conformance.trial.checks import CHECKS
from conformance.trial.declare import asked_features, excused, meets, named_features
from conformance.trial.results import PROFILES, CheckResult, Trial, asks_for, profile_of
from conformance.trial.runner import behaviour_cases, behaviours, judge, trials
from conformance.trial.trajectory import Training, require_trainable, to_train


class ConformanceRemark(UserWarning):
    """Something odd about a candidate whose numbers are right."""


@dataclass(frozen=True)
class Check:
    """One check of one candidate; calling it passes, or raises what is wrong.

    Attributes
    ----------
    id : str
        As the report names it.
    case : str
        The case's id; empty for a check of behaviour.
    decide : callable
        Gives the check's result.
    siblings : callable
        Gives the results of all checks of the case.
    case_fails : str
        Why the case is expected to fail somewhere; empty if it is not.
    strict : bool
        Whether a remark fails.
    """

    id: str
    case: str
    decide: Callable[[], CheckResult]
    siblings: Callable[[], list[CheckResult]]
    case_fails: str = ""
    strict: bool = False

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        AssertionError
            If it fails; skips, in pytest's sense, what the candidate declared that it does not give. A remark is a
            warning of the category `ConformanceRemark`, and with `strict` a failure.
        """
        import pytest

        result = self.decide()
        if result.status == "remark" and not self.strict:
            warnings.warn(ConformanceRemark(f"{result.id}: {result.message}"), stacklevel=2)
            return
        if result.status == "not provided":
            pytest.skip(f"declared: {result.message}")  # counted by pytest, never green
        if self.case_fails:
            if all(sibling.status in ("passed", "not provided") for sibling in self.siblings()):
                pytest.fail(f"[XPASS(strict)] {self.case_fails}", pytrace=False)
            if result.status != "passed":
                pytest.xfail(self.case_fails)
        if result.status != "passed":
            pytest.fail(f"{result.id}: {result.message}", pytrace=False)


def checks(
    function: Callable[[Case], Any],
    against: str = "fixtures",
    profile: str | None = None,
    seconds: float = SECONDS,
    strict: bool = False,
    features: str | Iterable[str] = (),
) -> list[Check]:
    """Every check of a candidate, to be run one by one; a case's checks share one call.

    Parameters
    ----------
    function : callable
        The candidate.
    against : str
        "fixtures", "torch", "keras" or "all".
    profile : str, optional
        "training", "forward" for the forward pass alone, "full" for all features, or "trajectory", which has it trained as well.
        When not given, the candidate is called once: "training" if it gives any gradient.
    seconds : float
        How long a call may take.
    strict : bool
        Whether remarks fail.
    features : "all" or iterable of str
        What is asked of it beyond the plain LSTM, besides what it declares that it has.

    Raises
    ------
    CandidateError
        If there is no check to run, or an argument is none of these.
    """
    if profile is not None and profile not in PROFILES:
        raise CandidateError(f"profile={profile!r} is none of {', '.join(PROFILES)}.")
    call = caller(function, seconds)
    without = call.without
    if profile == "trajectory":
        require_trainable("the candidate", without, call.trains)
    wanted = frozenset(FEATURES) if profile == "full" else named_features(features) | call.features
    has = asked_features(wanted, without)
    met = [
        trial
        for trial in trials(against, features=has)
        if meets(trial.case, without, has) and not call.refusal(trial.case)
    ]
    profile = profile or profile_of(call(met[0].case).result if met else {})

    @lru_cache(maxsize=2)
    def judged(trial: Trial) -> list[CheckResult]:
        return [r for r in judge(trial, call(trial.case), without) if asks_for(profile, r.quantity)]

    @cache
    def behaved() -> dict[str, CheckResult]:
        return {result.id: result for result in behaviours(call, without, PROFILES[profile])}

    def by_value(trial: Trial, quantity: str) -> Check:
        id = f"{trial.id}:{quantity}"
        return Check(
            id, trial.id, lambda: next(r for r in judged(trial) if r.id == id), lambda: judged(trial), strict=strict
        )

    def of_behaviour(id: str) -> Check:
        return Check(id, "", lambda: behaved()[id], lambda: [behaved()[id]], strict=strict)

    def of_training(training: Training) -> Check:
        decide = cache(lambda: training.judged(call, without)[0])
        return Check(training.id, "", decide, lambda: [decide()], strict=strict)

    found = [
        by_value(trial, quantity)
        for trial in met
        for quantity in trial.case.shapes
        if asks_for(profile, quantity) and not excused(quantity, without)
    ]
    if not found:
        raise CandidateError(
            f"the candidate declares that it is without {', '.join(sorted(without))}: nothing is left to check."
        )
    behaving = [name for name in CHECKS if name not in call.exempt]
    found += [of_behaviour(f"behaviour:{name}:{case.dtype}") for case in behaviour_cases(without) for name in behaving]
    trainings = to_train(without, has, call.trains) if profile == "trajectory" else []
    return found + [of_training(training) for training in trainings]


def parametrize(
    function: Callable[[Case], Any],
    expected_failures: Mapping[str, str] | None = None,
    against: str = "fixtures",
    profile: str | None = None,
    seconds: float = SECONDS,
    strict: bool = False,
    features: str | Iterable[str] = (),
) -> Any:
    """Turn a test function with the argument ``check`` into one test for each check of a candidate.

    Parameters
    ----------
    function : callable
        The candidate.
    expected_failures : mapping of str to str, optional
        Id of a check, or of a case of which at least one check fails, to the reason. Strict: if the
        check, or all of the case, passes after all, that is a failure.
    against, profile, seconds, strict, features
        As for `checks`.

    Examples
    --------
    ::

        @conformance.parametrize(my_lstm, expected_failures={"long-500-float32": "no double accumulators yet"})
        def test_my_lstm(check):
            check()

    Raises
    ------
    CandidateError
        If an entry of `expected_failures` matches no check, or has no reason.
    """
    import pytest

    expected = dict(expected_failures or {})
    found = checks(function, against, profile, seconds, strict, features)
    _refuse_unmatched(expected, found)
    parameters = []
    for check in found:
        reason = expected.get(check.id)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        parameters.append(
            pytest.param(replace(check, case_fails=expected.get(check.case, "")), id=check.id, marks=marks)
        )
    return pytest.mark.parametrize("check", parameters)


def _refuse_unmatched(expected: Mapping[str, str], found: Sequence[Check]) -> None:
    known = {check.id for check in found} | {check.case for check in found if check.case}
    if strangers := [entry for entry in expected if entry not in known]:
        raise CandidateError(f"expected failures that match no check: {', '.join(strangers)}.")
    if silent := [entry for entry, reason in expected.items() if not isinstance(reason, str) or not reason.strip()]:
        raise CandidateError(f"expected failures without a reason: {', '.join(silent)}.")
