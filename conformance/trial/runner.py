"""Puts a candidate on trial: which cases and checks there are, and what comes of each. Prints nothing."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from conformance.case import Case, Result, kind_of
from conformance.cases.features import FEATURES
from conformance.cases.features import features as features_of
from conformance.cases.file import read_case
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError, OracleError
from conformance.fixtures.store import FORMAT, Golden, golden
from conformance.implementations import ORACLES, built_in, refusal
from conformance.judging.compare import compare_quantity
from conformance.judging.tolerance import Allowed, allowed_between
from conformance.trial.call import SECONDS, SLOW, Caller, Outcome, caller, copied
from conformance.trial.checks import CHECKS, OF_NETWORKS, VECTOR, CallFailed, Check, NotApplicable, NotJudged, Remark
from conformance.trial.declare import asked_features, excused, meets, reduced
from conformance.trial.results import PROFILES, CheckResult, OfProgram, Report, Trial, profile_of
from conformance.trial.trajectory import require_trainable, to_train

Value = TypeVar("Value")

AGAINST = ("fixtures", *ORACLES, "all")
KEPT = 200_000
"""Up to so many numbers, what a candidate gave in a case is kept for whoever looks into a failure."""


def trials(
    against: str,
    dtypes: Sequence[str] = DTYPES,
    features: frozenset[str] = frozenset(),
    folder: Path | None = None,
) -> list[Trial]:
    """Every case of a trial with what is expected of it.

    Parameters
    ----------
    against : str
        "fixtures" for the certified values, "torch" or "keras" for a live framework on the same inputs, as far as
        it has their features, and on the sizes of the live matrix, "all" for everything.
    dtypes : sequence of str
    features : frozenset of str
        What cases may have beyond the plain LSTM.
    folder : Path, optional
        Where the golden vectors are; those of this installation when not given.
    """
    if against not in AGAINST:
        raise CandidateError(f"against={against!r} is none of {', '.join(AGAINST)}.")
    vectors = golden(dtypes, folder, features)
    found: list[Trial] = []
    if against in ("fixtures", "all"):
        found += [Trial("fixtures", v.case, _constant(v.expected), _constant(v.allowed)) for v in vectors]
    for oracle in ORACLES:
        if against in (oracle, "all"):
            engine = built_in(oracle)
            found += [
                Trial(oracle, case, _computed(engine, case), allowed)
                for case, allowed in _live_cases(vectors, dtypes)
                if not refusal(oracle, case)
            ]
    return found


def trial_of_file(path: Path) -> Trial:
    """The case that a file holds, as `sweep` writes them, with the true values that stand there.

    Raises
    ------
    CaseFileError
        If it holds none.
    """
    case, expected = read_case(path)
    allowed = {quantity: error / 2 for quantity, error in allowed_between(case).items()}
    return Trial("file", case, _constant(expected), _constant(allowed))


def _constant(value: Value) -> Callable[[], Value]:
    return lambda: value


def _computed(engine: Callable[[Case], Result], case: Case) -> Callable[[], Result]:
    return cache(lambda: engine(copied(case)))


def _live_cases(vectors: Sequence[Golden], dtypes: Sequence[str]) -> Iterator[tuple[Case, Callable[[], Allowed]]]:
    """The cases of a trial against a live framework, and how far two engines may be apart: twice as far as from the truth."""
    from conformance.cases.matrix import Spec, sizes

    try:
        live = sizes()
    except ModuleNotFoundError as error:
        raise OracleError(
            "the sizes of the live matrix need covertable, which is not installed: pip install covertable"
        ) from error
    for vector in vectors:
        yield vector.case, _constant({quantity: 2 * error for quantity, error in vector.allowed.items()})
    for size in live:
        for dtype in dtypes:
            case = Spec(*size, dtype).build()
            yield case, cache(partial(allowed_between, case))


def judge(trial: Trial, outcome: Outcome, without: frozenset[str]) -> list[CheckResult]:
    """The results of one trial: one per quantity that its case has."""
    results = []
    for quantity in trial.case.shapes:
        id = f"{trial.id}:{quantity}"
        if outcome.failure or outcome.not_judged:
            out = excused(quantity, without)
            status = "not provided" if out else "failed" if outcome.failure else "not judged"
            message = "" if out else outcome.failure or outcome.not_judged
            results.append(CheckResult(id, trial.id, quantity, status, message))
        elif quantity not in outcome.result:
            status = "not provided" if excused(quantity, without) else "undeclared"
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


def behaviours(
    call: Caller, without: frozenset[str], quantities: Sequence[str], cases: Sequence[Case] | None = None
) -> list[CheckResult]:
    """The results of all checks of behaviour, in both dtypes, on one golden vector cut to what the candidate takes.

    Parameters
    ----------
    call : Caller
        What it noticed in earlier calls, such as inputs written to, counts as well.
    without : frozenset of str
    quantities : sequence of str
        What is looked at: a profile's.
    cases : sequence of Case, optional
        One of each dtype to check it on instead.
    """

    def narrowed(case: Case) -> Outcome:
        outcome = call(case)
        return replace(outcome, result={name: a for name, a in outcome.result.items() if kind_of(name) in quantities})

    return [
        behave(check, CHECKS[check], narrowed, case, without, call.mutated)
        for case in (behaviour_cases(without) if cases is None else cases)
        for check in (CHECKS if not features_of(case) else OF_NETWORKS)
        if check not in call.exempt
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
    features: frozenset[str] = frozenset(),
    folder: Path | None = None,
    model: Sequence[Trial] | None = None,
    words: tuple[str, ...] = (),
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
        "forward", "training", "full", which asks for all features, or "trajectory", which has the candidate trained as well; when
        not given, "training" if the candidate gives any gradient.
    seconds : float
        How long a call may take; what calls it knows that by itself.
    strict : bool
        Whether remarks count against it.
    features : frozenset of str
        What is asked of it beyond the plain LSTM, besides what it declares that it has.
    folder : Path, optional
        Where the golden vectors are; those of this installation when not given.
    model : sequence of Trial, optional
        The trials of a model, instead of all others; see `conformance.trial.model`. What the model has is asked for.
    words : tuple of str
        How the command line names the model.

    Raises
    ------
    CandidateError
        If it returned what cannot be compared throughout: it does not keep the contract at all. If it is to be trained, and
        declares that it lacks what that takes, or the cases are a model's.
    """
    call = caller(candidate, seconds)
    without = call.without
    if profile == "trajectory":
        if model is not None:
            raise CandidateError(
                "the profile trajectory has tasks with weights of their own: it does not go with a model."
            )
        require_trainable(name, without, call.trains)
    if model is not None:
        features = _features_of(model)
        if lacking := features & without:
            raise CandidateError(f"the model has {', '.join(sorted(lacking))}, and {name} declares that it is without.")
    asked = asked_features(frozenset(FEATURES) if profile == "full" else call.features | features, without)
    found = trials(against, DTYPES, asked, folder) if model is None else model
    meeting = [trial for trial in found if meets(trial.case, without, asked)]
    if not meeting:
        raise CandidateError(f"{name} declares that it is without {', '.join(sorted(without))}: no case meets that.")
    refused = [(trial, reason) for trial in meeting if (reason := call.refusal(trial.case))]
    met = [trial for trial in meeting if not call.refusal(trial.case)]
    if not met:
        raise CandidateError(f"{name} has not what any of the cases asks for: {refused[0][1]}.")
    lacking = _features_of(meeting) - _features_of(met)
    without, asked = without | lacking, asked - lacking
    not_given = Counter(reason for trial, reason in refused if features_of(trial.case) <= asked)
    outcomes = _outcomes(call, in_order(call, met))
    results = [result for trial in met for result in judge(trial, outcomes[trial.id], without)]
    if not any(outcome.failure and not outcome.returned for outcome in outcomes.values()):
        _refuse_misuse(results, name)
    unknown = dict.fromkeys(key for outcome in outcomes.values() for key in outcome.unknown)
    given = {
        trial.id: outcomes[trial.id].result
        for trial in met
        if sum(a.size for a in outcomes[trial.id].result.values() if isinstance(a, np.ndarray)) <= KEPT
    }
    profile = profile or profile_of(r.quantity for r in results if r.comparison is not None)
    behaving = behaviour_cases(without) if model is None else []
    if not behaving or any(call.refusal(case) for case in behaving):  # a model, or what has no plain forward direction
        behaving = _of_each_dtype(met)
    results += behaviours(call, without, PROFILES[profile], behaving)
    trainings = to_train(without, asked, call.trains) if profile == "trajectory" else []
    followed = [training.judged(call, without) for training in trainings]
    results += [result for result, _ in followed]
    sizes = {trial.id: trial.case.sizes for trial in met} | {case.id: case.sizes for case in behaving}
    kept = {trial.id: trial for trial in met}
    odd = dict.fromkeys(r.trial for r in results if r.status in ("failed", "not judged") and r.trial in outcomes)
    said = {id: outcomes[id].trace for id in odd if outcomes[id].trace}
    return Report(
        name,
        against,
        tuple(results),
        profile,
        without,
        tuple(unknown),
        sizes,
        kept,
        given,
        strict,
        asked,
        words,
        not_given,
        tuple(trajectory for _, trajectory in followed if trajectory is not None),
        None if call.restarts is None else OfProgram(call.restarts, call.exempt, said),
    )


def _features_of(some: Sequence[Trial]) -> frozenset[str]:
    """Everything that some cases have beyond the plain LSTM."""
    return frozenset().union(*(features_of(trial.case) for trial in some))


def _of_each_dtype(met: Sequence[Trial]) -> list[Case]:
    """The case with the most samples of each dtype: two may be told apart, and exchanged."""
    cases = sorted((trial.case for trial in met), key=lambda case: (case.sizes[0], case.sizes[1]))
    return list({case.dtype: case for case in cases}.values())


def in_order(call: Caller, met: Sequence[Trial]) -> list[Trial]:
    """Trials in the order in which a candidate is called; one that compiles meets each length, and each shape, in a row."""
    if not call.compiles:
        return list(met)
    return sorted(met, key=lambda trial: (trial.case.dtype.name, trial.case.sizes[1], trial.case.sizes))


def _outcomes(call: Caller, met: Sequence[Trial]) -> dict[str, Outcome]:
    """What came of each trial; after some that took too long, the smallest of the rest come first."""
    outcomes: dict[str, Outcome] = {}
    waiting = list(met)
    while waiting:
        trial = waiting.pop(0)
        before = call.hangs
        outcomes[trial.id] = call(trial.case)
        if before < SLOW <= call.hangs:
            waiting.sort(key=lambda trial: math.prod(trial.case.sizes) * len(trial.case.layers))
    return outcomes


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
    for package in ("lstm-conformance", "torch", "tensorflow-cpu", "keras", "jax", "flax"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"versions": versions, "platform": platform.platform(), "seed": f"golden vectors of format {FORMAT}"}
