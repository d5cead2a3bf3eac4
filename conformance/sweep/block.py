"""The cases of one block: drawn, given to the candidate, judged. This is what runs in every process of a sweep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from conformance.case import Case
from conformance.cases.at_random import random_case
from conformance.cases.features import features
from conformance.errors import CandidateError, OracleError
from conformance.implementations import BUILT_IN, built_in, refusal
from conformance.languages.program import Program, called
from conformance.sweep.judge import Judge, Verdict
from conformance.sweep.plan import BLOCK, Failing, Plan, Tally, Worst, content_of
from conformance.trial.call import Caller, Outcome, copied, outcome_of
from conformance.trial.declare import meets
from conformance.trial.worker import Worker

ONE_AT_A_TIME = threading.Lock()
"""A Dask worker may have several threads; a candidate's process, and the intervals' precision, are for one."""
_kept: dict[tuple[str, str, float, float | None], Caller] = {}


class Inside(Caller):
    """Calls an engine in this process, with nothing that watches over it."""

    def __init__(self, name: str) -> None:
        super().__init__(float("inf"), frozenset(), built_in=name)
        self.function = built_in(name)

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        return outcome_of(self.function, copied(case))


@contextmanager
def calling(candidate: str, seconds: float, memory: float | None) -> Iterator[Caller]:
    """What calls a candidate: an engine in this process, all others in one of their own."""
    if candidate in BUILT_IN:
        yield Inside(candidate)
        return
    with called(candidate, seconds, memory) as caller:
        yield caller


def afresh(call: Caller, case: Case) -> Outcome:
    """The outcome of a call, whatever came of earlier ones: it depends on the case alone."""
    call.forget()
    return call(case)


def drawn(plan: Plan, number: int, call: Caller | None = None) -> tuple[float, Case]:
    """The scale of the weights of a case of a plan, and the case, which is one that its candidate takes."""
    asked, without = frozenset(plan.features), frozenset(plan.without)

    def taken(case: Case) -> bool:
        refused = refusal(plan.candidate, case) if call is None else call.refusal(case)
        return meets(case, without, asked) and not refused

    return random_case(plan.seed, number, plan.dtypes, asked, without, taken)


def judged(judge: Judge, call: Caller, case: Case) -> tuple[Verdict, bool | None]:
    """The verdict on a case, and whether the certified values confirm what is wrong; None if they were not asked, or cannot tell."""
    outcome = afresh(call, case)
    verdict = judge(case, outcome)
    if verdict.right or verdict.failure:
        return verdict, None
    try:
        certain = judge.arbitrated(case, outcome)
    except OracleError:
        return verdict, None
    return certain, not certain.right


def judge_of(plan: Plan) -> Judge:
    """The judge of a plan's candidate."""
    return Judge(plan.candidate, frozenset(plan.without), plan.forward, plan.measured)


def run_block(plan: Plan, block: int, stop: int) -> Tally:
    """What came of the cases of a block, but for those from number `stop` on.

    Raises
    ------
    CandidateError
        If the candidate cannot be had here.
    """
    with ONE_AT_A_TIME:
        call, judge, tally = _caller(plan), judge_of(plan), Tally()
        for number in range(block * BLOCK, min((block + 1) * BLOCK, stop)):
            tally += run_case(plan, number, call, judge)
            if tally.enough:
                break
        return tally


def _caller(plan: Plan) -> Caller:
    """What calls the plan's candidate in this process, for as long as the process lives."""
    key = (plan.candidate, plan.content, plan.seconds, plan.memory)
    if key not in _kept:
        if content_of(plan.candidate) != plan.content:
            raise CandidateError(f"{plan.candidate} is another file here, or has changed since the sweep began.")
        caller = (
            Inside(plan.candidate) if plan.candidate in BUILT_IN else called(plan.candidate, plan.seconds, plan.memory)
        )
        _kept[key] = caller if isinstance(caller, Inside) else caller.__enter__()
    return _kept[key]


def let_go() -> None:
    """End the candidates' processes that are kept here for the next block."""
    while _kept:
        _, caller = _kept.popitem()
        if isinstance(caller, Worker | Program):
            caller.__exit__(None, None, None)


def run_case(plan: Plan, number: int, call: Caller, judge: Judge) -> Tally:
    """What came of one case."""
    scale, case = drawn(plan, number, call)
    verdict, confirmed = judged(judge, call, case)
    network = bool(features(case))
    known = partial(Tally, cases=1, networks=int(network))
    if verdict.failure:
        return known(hung=call.hangs, failing=(Failing(number, verdict.kind, verdict.failure),))
    if verdict.failing:
        failing = (Failing(number, verdict.kind, str(max(verdict.failing, key=lambda told: told.share))),)
        return known(failing=failing, unarbitrated=(number,) if confirmed is None else ())
    worst = {f"{scale} {case.dtype}{' network' if network else ''}": Worst(1, verdict.share, number)}
    return known(
        undecided=int(bool(verdict.undecided)),
        corrected=(number,) if confirmed is False and not verdict.undecided else (),
        worst=worst if plan.measured else {},
    )
