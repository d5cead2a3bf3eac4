"""A candidate in training: its outputs and gradients with the suite's losses, heads and optimizers, or all of it its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError
from conformance.fixtures.trajectories import Frozen, frozen
from conformance.implementations.by_case import differentiator
from conformance.judging.trajectory import Trajectory
from conformance.trial.call import LOSSES, Caller
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


@dataclass(frozen=True)
class Training:
    """A training that a candidate is judged by.

    Attributes
    ----------
    known : Frozen
        The task and its losses.
    dtype : str
    own : bool
        Whether the candidate trains itself, as it declares with ``trains=``.
    """

    known: Frozen
    dtype: str
    own: bool = False

    @property
    def id(self) -> str:
        """The id of its check."""
        return f"trajectory:{self.known.task.name}:{self.dtype}{':own' * self.own}"

    def judged(self, call: Caller, without: frozenset[str]) -> tuple[CheckResult, Trajectory | None]:
        """Train a candidate, and judge it; there is no trajectory if it cannot take what the task needs.

        Parameters
        ----------
        call : Caller
        without : frozenset of str
            What it declares that it cannot take or does not give.
        """
        if self.own:
            return self._judged_by(*_trained_by_itself(call, self))
        if lacking := sorted(_taken(self.known) & without):
            reason = f"it takes no {' and no '.join(lacking)}"
            return CheckResult(self.id, self.id, TRAJECTORY, "not provided", reason), None
        return self._judged_by(*_trained(call, self, without))

    def _judged_by(self, losses: list[float], ended: str, status: str) -> tuple[CheckResult, Trajectory]:
        found = self.known.beside(self.dtype, np.array(losses), ended, self.own)
        status = "failed" if found.left is not None else status
        return CheckResult(self.id, self.id, TRAJECTORY, status, "" if status == "passed" else str(found)), found


def require_trainable(name: str, without: frozenset[str], trains: frozenset[str]) -> None:
    """Raise what keeps a candidate from being trained at all.

    Raises
    ------
    CandidateError
    """
    lacking = _lacking(without)
    if lacking and not trains:
        raise CandidateError(
            f"{name} declares that it is without {', '.join(lacking)}: it cannot be trained. If it trains itself, declare "
            "that with conformance.candidate(trains=...)."
        )


def to_train(without: frozenset[str], asked: frozenset[str], trains: frozenset[str]) -> list[Training]:
    """Every training of a candidate, in every dtype that it knows: of all tasks whose features are asked of it, and its own.

    Parameters
    ----------
    without : frozenset of str
        What it declares that it cannot take or does not give.
    asked : frozenset of str
        The features that are asked of it.
    trains : frozenset of str
        The tasks for which it declares a training of its own.
    """
    every = frozen().values()
    tasks = [known for known in every if "activations" in asked or not known.task.model.options.departures]
    by_gradients = [] if _lacking(without) else [(known, False) for known in tasks]
    own = [(known, True) for known in every if known.task.name in trains]
    return [Training(known, dtype, of) for known, of in by_gradients + own for dtype in DTYPES if dtype not in without]


def _lacking(without: frozenset[str]) -> list[str]:
    """What keeps a candidate from being trained with its gradients."""
    lacking = [what for what in NEEDED if what in without]
    return lacking + (list(COTANGENTS) if without >= {*COTANGENTS} else [])


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


def _trained_by_itself(call: Caller, training: Training) -> tuple[list[float], str, str]:
    """The losses of a candidate's own training, why it ended before the last update, and the status."""
    outcome = call.train(training.known.task.name, training.dtype, len(training.known.losses))
    losses = outcome.result[LOSSES].tolist() if outcome.result else []
    if outcome.not_judged:
        return losses, outcome.not_judged, "not judged"
    return losses, outcome.failure, "failed" if outcome.failure else "passed"


def _trained(call: Caller, training: Training, without: frozenset[str]) -> tuple[list[float], str, str]:
    """The losses with a candidate's outputs and gradients, why that ended before the last update, and the status."""
    task, count = training.known.task.astype(training.dtype), len(training.known.losses)

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
        training.id,
        steps_in_call=None if HANDED_ON & without else IN_PARTS.get(task.name),
        last_by_state="d_h" not in without,
        scale=ENLARGED.get(task.name, 1.0),
    )
    updates = train(
        task.model,
        task.batches,
        task.loss,
        task.optimizer,
        epochs=task.epochs_of(count),
        state=task.state,
        differentiate=differentiate,
    )
    losses: list[float] = []
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite are outside the band
            losses.extend(update.loss for update in islice(updates, count))
    except _Ended as error:
        return losses, str(error), error.status
    except Exception as error:  # noqa: BLE001 - results of odd types may break the arithmetic
        return losses, f"its result could not be used: {type(error).__name__}: {error}", "failed"
    return losses, "", "passed"
