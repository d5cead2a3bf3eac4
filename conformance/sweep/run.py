"""A sweep from its first case to its last: blocks are given out, merged in their order, and what disagrees is looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from conformance.case import is_gradient
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError
from conformance.implementations import built_in
from conformance.languages.program import PREFIX
from conformance.sweep.block import afresh, drawn
from conformance.sweep.finding import Finding, look_into, save
from conformance.sweep.plan import BLOCK, Plan, Tally, content_of
from conformance.sweep.processes import Executor
from conformance.sweep.state import Look, State
from conformance.trial.call import Caller
from conformance.trial.declare import asked_features, excused

KINDS, LOOKS = 3, 6
"""So many kinds of what disagrees are shown, and so many looked into to find as many that are different once they are small: a
candidate that is wholly wrong has many."""
FIRST = 8
"""So many cases are tried to see what a candidate gives."""
Said = Callable[[Finding, Path | None], str]
Progress = Callable[[int, int], None]


def planned(
    candidate: str,
    call: Caller,
    seed: int = 0,
    features: frozenset[str] = frozenset(),
    measured: bool = False,
    memory: float | None = None,
) -> Plan:
    """What a sweep of a candidate is to be, by what it declares, and what it gives in the first cases.

    Parameters
    ----------
    candidate : str
        As the user named it.
    call : Caller
    seed : int
    features : frozenset of str
        What is asked of it beyond the plain LSTM, besides what it declares.
    measured : bool
        Whether all allowed errors are measured.
    memory : float, optional

    Raises
    ------
    CandidateError
        If nothing that it gives can be compared, or it knows no dtype.
    OracleError
        If PyTorch, Keras or python-flint is not there, whichever it takes.
    """
    if candidate == "certified":
        raise CandidateError("the certified evaluator says what is right; it is no candidate of a sweep.")
    for engine in ("keras" if candidate == "torch" else "torch", "certified"):
        built_in(engine)
    without = call.without
    source, colon, name = candidate.rpartition(":")
    found = (
        f"{Path(source).resolve()}{colon}{name}"
        if source.endswith(".py") and not candidate.startswith(PREFIX)
        else candidate
    )
    dtypes = tuple(dtype for dtype in DTYPES if dtype not in without)
    if not dtypes:
        raise CandidateError(f"{candidate} declares that it is without {' and '.join(DTYPES)}: no case meets that.")
    asked = asked_features(call.features | features, without)
    plan = Plan(
        found, content_of(found), seed, tuple(sorted(asked)), tuple(sorted(without)), dtypes,
        forward=False, measured=measured, seconds=call.seconds, memory=memory,
    )  # fmt: skip
    return replace(plan, forward=not _gives_gradients(candidate, plan, call))


def _gives_gradients(candidate: str, plan: Plan, call: Caller) -> bool:
    """Whether it gives any gradient in the first cases; of one that gives nothing at all, which is all wrong, yes.

    Raises
    ------
    CandidateError
        If what it returns holds none of the quantities.
    """
    for number in range(FIRST):
        case = drawn(plan, number, call)[1]
        outcome = afresh(call, case)
        if outcome.failure or outcome.not_judged:
            continue
        given = [name for name in case.shapes if isinstance(outcome.result.get(name), np.ndarray)]
        if not given:
            raise CandidateError(
                f"nothing that {candidate} gives can be compared: its results hold none of the quantities."
            )
        return any(is_gradient(name) for name in given) or all(
            excused(name, call.without) for name in case.shapes if is_gradient(name)
        )
    return True


def sweep(
    plan: Plan,
    cases: int,
    executor: Executor,
    state: State,
    call: Caller,
    folder: Path,
    say: Said,
    told: Callable[[str], None],
    progress: Progress,
) -> tuple[int, Tally]:
    """How many cases were computed here and now, and what came of all cases; of those up to where there was enough.

    Parameters
    ----------
    plan : Plan
    cases : int
    executor : Executor
    state : State
        What is known of the sweep already; it has been entered.
    call : Caller
        Calls the candidate in this process.
    folder : Path
        Where small cases are written.
    say : callable
        Finding and file to words.
    told : callable
        Is given the words.
    progress : callable
        Is told how many cases are done of how many, whenever a block is.
    """
    tally, total, computed = Tally(), -(-cases // BLOCK), 0
    for known in state.looked_into.values():
        if known.said:
            told(known.said)

    def merge(block: int) -> Tally:
        for failing in state.tallies[block].failing:
            known = state.looked_into
            shown = {each.small for each in known.values() if each.said}
            if failing.kind in known or len(known) >= LOOKS or len(shown) >= KINDS:
                continue
            finding = look_into(plan, failing, call)
            new = finding.kind not in shown
            state.found(
                failing.kind, Look(finding.kind, said := say(finding, save(finding, plan, folder)) if new else "")
            )
            if said:
                told(said)
        return tally + state.tallies[block]

    following = 0
    todo = (block for block in range(total) if block not in state.tallies)
    blocks: Iterator[tuple[int, Tally]] = iter(())
    begun = False
    while following < total and not tally.enough:
        if following in state.tallies:
            tally = merge(following)
            following += 1
            continue
        if not begun:
            blocks, begun = executor.run(plan, todo, cases), True
        block, came = next(blocks)
        state.finished(block, came)
        computed += came.cases
        progress(sum(each.cases for each in state.tallies.values()), cases)
    return computed, tally
