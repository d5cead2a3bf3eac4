"""A candidate in training: with the suite's losses, heads and optimizers, and its own outputs and gradients."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError
from conformance.fixtures.trajectories import Frozen, frozen
from conformance.implementations.by_case import differentiator
from conformance.judging.trajectory import Trajectory
from conformance.trial.call import Caller
from conformance.trial.results import TRAJECTORY, CheckResult
from lstm_ref.training import train

NEEDED = ("output", "d_kernel", "d_recurrent_kernel", "d_bias", "bias")
"""What nothing can be trained without."""
COTANGENTS = ("d_output", "d_h")
"""Of these, one will do, for tasks whose loss is of the last step."""
HANDED_ON = frozenset(("h0", "c0", "h", "c", "d_h", "d_c", "d_h0", "d_c0"))
IN_PARTS = {"classification": 5}
"""Tasks whose sequences are given in calls of so many steps, one after the other, to a candidate that has all of `HANDED_ON`: so
gradients that reach it through its states have a part in what is learnt."""
ENLARGED = {"counting": 64.0}
"""Tasks whose cotangents are given so many times as large, for gradients that are divided by it: what a candidate cuts off on the
way back shows."""


def require_trainable(name: str, without: frozenset[str]) -> None:
    """Raise what keeps a candidate from being trained at all.

    Raises
    ------
    CandidateError
    """
    lacking = [what for what in NEEDED if what in without]
    lacking += COTANGENTS if without >= {*COTANGENTS} else []
    if lacking:
        raise CandidateError(f"{name} declares that it is without {', '.join(lacking)}: it cannot be trained.")


def to_train(without: frozenset[str], asked: frozenset[str]) -> list[tuple[Frozen, str]]:
    """Every task whose features are asked of a candidate, in every dtype that it knows.

    Parameters
    ----------
    without : frozenset of str
        What it declares that it cannot take or does not give.
    asked : frozenset of str
        The features that are asked of it.
    """
    tasks = [known for known in frozen().values() if "activations" in asked or not known.task.model.options.departures]
    return [(known, dtype) for known in tasks for dtype in DTYPES if dtype not in without]


def training_id(known: Frozen, dtype: str) -> str:
    """The id of the check of a training."""
    return f"trajectory:{known.task.name}:{dtype}"


def _taken(known: Frozen) -> frozenset[str]:
    """The inputs that a task cannot do without."""
    head = known.task.model.head
    taken = [] if head is not None and head.last_step else ["d_output"]
    taken += [] if known.task.state is None else ["h0", "c0"]
    return frozenset(taken)


class _Ended(Exception):  # noqa: N818 - it ends a training, and is told
    """There is nothing to go on with: what a call came to."""

    def __init__(self, reason: str, status: str = "failed") -> None:
        super().__init__(reason)
        self.status = status


def trained(call: Caller, known: Frozen, dtype: str, without: frozenset[str]) -> tuple[CheckResult, Trajectory | None]:
    """Train a candidate on a task, and judge it; there is no trajectory if it cannot take what the task needs.

    Parameters
    ----------
    call : Caller
    known : Frozen
        The task and its losses.
    dtype : str
    without : frozenset of str
        What it declares that it cannot take or does not give.
    """
    task, id = known.task.astype(dtype), training_id(known, dtype)
    if lacking := sorted(_taken(known) & without):
        return CheckResult(id, id, TRAJECTORY, "not provided", f"it takes no {' and no '.join(lacking)}"), None

    def lstm(case: Case) -> dict[str, Any]:
        outcome = call(case)
        if outcome.not_judged:
            raise _Ended(outcome.not_judged, "not judged")
        if outcome.failure:
            raise _Ended(outcome.failure)
        for quantity in NEEDED:
            if quantity in case.shapes and quantity not in outcome.result:
                raise _Ended(f"{quantity} is missing from the result")
        for quantity, array in outcome.result.items():
            if quantity in case.shapes and np.shape(array) != case.shapes[quantity]:
                raise _Ended(f"{quantity} has shape {np.shape(array)}, expected {case.shapes[quantity]}")
        return outcome.result

    differentiate = differentiator(
        lstm,
        id,
        steps_in_call=None if HANDED_ON & without else IN_PARTS.get(task.name),
        last_by_state="d_h" not in without,
        scale=ENLARGED.get(task.name, 1.0),
    )
    updates = train(
        task.model,
        task.batches,
        task.loss,
        task.optimizer,
        epochs=task.epochs_of(len(known.losses)),
        state=task.state,
        differentiate=differentiate,
    )
    losses: list[float] = []
    ended, status = "", "passed"
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite are outside the band
            losses.extend(update.loss for update in islice(updates, len(known.losses)))
    except _Ended as error:
        ended, status = str(error), error.status
    except Exception as error:  # noqa: BLE001 - results of odd types may break the arithmetic
        ended, status = f"its result could not be used: {type(error).__name__}: {error}", "failed"
    found = known.beside(dtype, np.array(losses), ended)
    status = "failed" if found.left is not None else status
    return CheckResult(id, id, TRAJECTORY, status, "" if status == "passed" else str(found)), found
