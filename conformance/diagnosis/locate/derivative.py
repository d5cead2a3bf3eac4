"""Whether gradients are the derivatives of the candidate's own forward pass, and whether they follow from one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conformance.case import FORWARD, GRADIENTS, Case, Result
from conformance.cases.draw import Draw
from conformance.diagnosis.evidence import Observation, observe
from conformance.diagnosis.finding import Statement
from conformance.diagnosis.locate.claim import Asked, Condition, Question
from conformance.diagnosis.locate.conditions import ONE
from conformance.diagnosis.probes import drawn, with_weights
from conformance.judging.compare import errors
from lstm_ref.params import FloatArray

STEP = 1e-6
"""The step of central differences in float64, whose error is then about 1e-9."""
CLOSE, FAR = 1e-5, 1e-3
"""A slope is right within the one, of a typical slope, and wrong beyond the other; in between nothing is said."""
DIRECTIONS = 2
SMALL = 1e-3
"""Of smaller gradients differences say little."""
INPUTS = {"d_x": "x", "d_h0": "h0", "d_c0": "c0"}
WEIGHTS = {"d_kernel": "kernel", "d_recurrent_kernel": "recurrent_kernel", "d_bias": "bias"}
DOUBLE = Condition(
    "two samples and three steps in float64",
    lambda asked: drawn("float64", 2, 3, without=asked.without, number=asked.number),
)


def of_their_own(draws: Sequence[Asked]) -> list[Statement]:
    """Which gradients are the derivatives of the candidate's own forward pass as it is, by central differences."""
    own = "of its own forward pass as it is, to five digits: central differences with two samples and three steps in float64."
    question = Question(
        _slopes, f"{{parts}} {{are}} the derivative {own}", f"{{parts}} {{are}} not the derivative {own}"
    )
    return _told(question, draws)


def products(draws: Sequence[Asked]) -> list[Statement]:
    """Which gradients of one sample and one step are what follows from the logits' own, which d_bias is there."""
    question = Question(
        _follow,
        f"With {ONE.words}, {{parts}} {{are}} what follows from d_bias, which is the logits' gradient there.",
        f"With {ONE.words}, {{parts}} {{are}} not what follows from d_bias, which is the logits' gradient there.",
    )
    return _told(question, draws)


def _told(question: Question, draws: Sequence[Asked]) -> list[Statement]:
    answer = question.answer(draws)
    parts = {right: [part for part, is_right in answer.items() if is_right is right] for right in (True, False)}
    return [question.said(right, those) for right, those in parts.items() if those]


def _follow(asked: Asked) -> dict[str, bool]:
    """Whether each gradient is the product with d_bias that it should be; of those that are in what is right."""
    seen, right = asked.seen(ONE), asked.right(ONE)
    if "d_bias" not in seen.given or seen.differing(right, GRADIENTS) == ["d_bias"]:  # nothing else came of it
        return {}
    known, given = _products(seen.case, right), _products(seen.case, seen.given)
    found = {}
    for name in known:
        if name in seen.given and name in right:
            allowed = seen.allowed(name, right)
            if not (errors(right[name], known[name]) > allowed).any():  # with a layout's bug some are not
                found[name] = not (errors(seen.given[name], given[name]) > allowed).any()
    return found


def _products(case: Case, gradients: Result) -> dict[str, FloatArray]:
    dz = gradients["d_bias"][None].astype(np.float64)
    return {
        "d_kernel": case.x[:, 0].T @ dz,
        "d_recurrent_kernel": case.h0.T @ dz,
        "d_x": (dz @ case.params.kernel.T)[:, None],
        "d_h0": dz @ case.params.recurrent_kernel.T,
    }


def _slopes(asked: Asked) -> dict[str, bool | None]:
    """Whether each gradient is the slope of the loss, along a random direction."""
    seen = asked.seen(DOUBLE)
    if (
        "float64" in asked.without
        or _loss(seen.case, seen.given) is None
        or any(_coarse(seen.given[name]) for name in FORWARD if name in seen.given)
    ):
        return {}
    told: dict[str, bool | None] = {}
    for name, input in {**INPUTS, **WEIGHTS}.items():
        if name not in seen.given or input in asked.without:
            continue
        off = _off(asked, seen, name, input)
        if off is not None:
            told[name] = None if CLOSE < off <= FAR else off <= CLOSE
    return told


def _coarse(array: FloatArray) -> bool:
    """Whether numbers were computed in float32, which is too coarse for differences."""
    with np.errstate(over="ignore"):
        return bool((array == array.astype(np.float32)).all())


def _off(asked: Asked, seen: Observation, name: str, input: str) -> float | None:
    """How far a gradient is from the candidate's own slopes along random directions; None if it gives no loss there."""
    case, gradient, worst = seen.case, seen.given[name], 0.0
    typical = max(float(np.linalg.norm(gradient)), SMALL)
    for number in range(DIRECTIONS):
        direction = Draw(f"direction-{number}-{gradient.shape}").uniform(1.0, *gradient.shape)
        losses = []
        for sign in (1.0, -1.0):
            array = getattr(case if name in INPUTS else case.params, input) + sign * STEP * direction
            moved = replace(case, **{input: array}) if name in INPUTS else with_weights(case, **{input: array})
            loss = _loss(case, observe(moved, asked.call(moved).result).given)
            if loss is None:
                return None
            losses.append(loss)
        slope = (losses[0] - losses[1]) / (2 * STEP)
        worst = max(worst, abs(float((gradient * direction).sum()) - slope) / typical)
    return worst


def _loss(case: Case, given: Result) -> float | None:
    """The loss whose gradients are asked for; None if something of it was not given."""
    terms = {"output": case.d_output, "h": case.d_h, "c": case.d_c}
    needed = [name for name, cotangent in terms.items() if cotangent.any()]
    if not all(name in given for name in needed):
        return None
    return sum(float((terms[name] * given[name]).sum()) for name in needed)
