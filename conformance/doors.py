"""One pytest test per check, in a user's own suite or from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from conformance.case import Case
from conformance.checks.behaviour import CHECKS
from conformance.checks.call import Caller, Outcome
from conformance.declare import declared, left_out, meets
from conformance.errors import CandidateError
from conformance.runner import PROFILES, SECONDS, Trial, behave, behaviour_case, judge, trials


@dataclass(frozen=True)
class Check:
    """One check of one candidate; calling it passes, or raises what is wrong.

    Attributes
    ----------
    id : str
        As the report names it.
    case : str
        The case's id.
    """

    id: str
    case: str
    decide: Callable[[], Any]

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        AssertionError
            If it fails; skips, in pytest's sense, what the candidate declared that it does not give.
        """
        import pytest

        result = self.decide()
        if result.status == "not provided":
            pytest.skip(f"declared: {result.message}")  # counted by pytest, never green
        if result.status != "passed":
            pytest.fail(f"{result.id}: {result.message}", pytrace=False)


def checks(
    function: Callable[[Case], Any], against: str = "fixtures", profile: str = "training", seconds: float = SECONDS
) -> list[Check]:
    """Every check of a candidate, to be run one by one; a case's checks share one call.

    Parameters
    ----------
    function : callable
        The candidate.
    against, profile, seconds
        As for `conformance.runner.run`.
    """
    without = declared(function)
    met = [trial for trial in trials(against) if meets(trial.case, without)]
    call = Caller(function, seconds)

    @lru_cache(maxsize=2)
    def outcome(trial: Trial) -> Outcome:
        return call(trial.case)

    def decide(trial: Trial, quantity: str) -> Callable[[], Any]:
        return lambda: next(r for r in judge(trial, outcome(trial), without) if r.quantity == quantity)

    found = [
        Check(f"{trial.id}:{quantity}", trial.id, decide(trial, quantity))
        for trial in met
        for quantity in trial.case.shapes
        if quantity in PROFILES[profile] and quantity not in left_out(without)
    ]
    for dtype in ("float64", "float32"):
        case = behaviour_case([t for t in met if t.oracle == met[0].oracle], without, dtype)
        if case is not None:
            for name in CHECKS:
                bound = _bind(name, call, case, without)
                found.append(Check(f"behaviour:{name}:{dtype}", case.id, bound))
    return found


def _bind(name: str, call: Caller, case: Case, without: frozenset[str]) -> Callable[[], Any]:
    return lambda: behave(name, CHECKS[name], call, case, without)


def parametrize(
    function: Callable[[Case], Any],
    expected_failures: Mapping[str, str] | None = None,
    against: str = "fixtures",
    profile: str = "training",
    seconds: float = SECONDS,
) -> Any:
    """Turn a test function with the argument ``check`` into one test for each check of a candidate.

    Parameters
    ----------
    function : callable
        The candidate.
    expected_failures : mapping of str to str, optional
        Id of a check, or of a case for all of its checks, to the reason why it fails. Strict: one
        that passes after all is a failure.
    against, profile, seconds
        As for the command ``check``.

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
    found = checks(function, against, profile, seconds)
    _refuse_unmatched(expected, found)
    parameters = []
    for check in found:
        reason = expected.get(check.id) or expected.get(check.case)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        parameters.append(pytest.param(check, id=check.id, marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _refuse_unmatched(expected: Mapping[str, str], found: Sequence[Check]) -> None:
    known = {check.id for check in found} | {check.case for check in found}
    if strangers := [entry for entry in expected if entry not in known]:
        raise CandidateError(f"expected failures that match no check: {', '.join(strangers)}.")
    if silent := [entry for entry, reason in expected.items() if not reason.strip()]:
        raise CandidateError(f"expected failures without a reason: {', '.join(silent)}.")
