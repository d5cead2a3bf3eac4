"""The activations as functions: one unit, of which all gates but one are held open or shut by their logits, and that one is swept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from conformance.case import Case, Result
from conformance.cases.draw import Draw
from conformance.diagnosis.finding import Statement
from conformance.diagnosis.locate.claim import Asked, Condition, Question
from conformance.diagnosis.probes import SHUT
from conformance.judging.compare import errors
from conformance.trial.declare import reduced
from lstm_ref import LSTMParams
from lstm_ref.params import GATES, FloatArray

CELL = "h of c"
NAMES = {
    "i": "the input gate",
    "f": "the forget gate of c = 1",
    "c": "the candidate",
    "o": "the output gate",
    CELL: "h over c",
}
SHOWN = (-2.0, -0.5, 0.5, 2.0)
"""What is swept through, besides random numbers up to 4 and, last, what holds a gate open."""
RANDOM = 12


def activations(draws: Sequence[Asked]) -> list[Statement]:
    """Which activations are other functions than they should be, with some of their values; nothing where all are wrong."""
    without = draws[0].without
    swept = {name: Condition(f"{name} swept", partial(_sweeping, name)) for name in NAMES}
    usable = [name for name in swept if not (name in ("f", CELL) and "c0" in without)]
    sentence = (
        "With one unit and one step, the other gates held open or shut by logits of 60 and -60, "
        "as a function over its value at 60: {parts}."
    )
    question = Question(lambda asked: {name: _same(asked, swept[name], name) for name in usable}, sentence, sentence)
    answer = question.answer(draws)
    wrong = [name for name in usable if answer.get(name) is False]
    right = [name for name in usable if answer.get(name)]
    if not right:  # then it is not this that is wrong, or nothing can be held open
        return []
    found = [question.said(False, [name], _table(draws[0], swept[name], name)) for name in wrong]
    return [*found, question.said(True, right, ", ".join(NAMES[name] for name in right))] if wrong else []


def _sweeping(name: str, asked: Asked) -> Case:
    """Samples that differ in one gate's logit, or in c."""
    logits = np.concatenate([SHOWN, Draw(f"sweep-{name}-{asked.number}").uniform(4.0, RANDOM), [-SHUT]])
    held = {"i": -SHUT, "f": SHUT, "c": -SHUT, "o": -SHUT}
    if name in ("f", CELL):
        held |= {"i": SHUT, "f": -SHUT}
    kernel = np.zeros((2, 4))  # of x = (1, logit): a bias there may be none
    kernel[0] = [0.0 if gate == name else held[gate] for gate in GATES]
    if name in GATES:
        kernel[1, GATES.index(name)] = 1.0
    B = len(logits)
    c0 = logits if name == CELL else np.full(B, float(name == "f"))
    zeros = np.zeros((B, 1))
    x = np.stack([np.ones(B), logits], axis=1)[:, None]

    def as_asked(array: FloatArray) -> FloatArray:
        return array.astype(asked.dtype)

    params = LSTMParams(as_asked(kernel), as_asked(np.zeros((1, 4))), as_asked(np.zeros(4)))
    none = as_asked(zeros)
    case = Case(
        f"probe-{name}-swept",
        np.dtype(asked.dtype),
        as_asked(x),
        none,
        as_asked(c0[:, None]),
        params,
        none[:, None],
        none,
        none,
    )
    return reduced(case, asked.without)


def _function(name: str, result: Result) -> FloatArray | None:
    """What the swept one gives, over what it gives when it is open: other constants are in both."""
    values = result.get("h" if name in ("o", CELL) else "c")
    if values is None or not values[-1, 0]:
        return None
    shares: FloatArray = values[:-1, 0] / values[-1, 0]
    return shares


def _same(asked: Asked, condition: Condition, name: str) -> bool | None:
    seen, right = asked.seen(condition), asked.right(condition)
    given, expected = _function(name, seen.given), _function(name, right)
    if given is None or expected is None:
        return None
    return not (errors(given, expected) > seen.allowed("h" if name in ("o", CELL) else "c", right)).any()


def _table(asked: Asked, condition: Condition, name: str) -> str:
    """Some of its values beside the right ones."""

    def values(result: Result) -> str:
        found = _function(name, result)
        return "nothing" if found is None else ", ".join(f"{float(value):.4g}" for value in found[: len(SHOWN)])

    at = ", ".join(f"{value:g}" for value in SHOWN)
    given, right = values(asked.seen(condition).given), values(asked.right(condition))
    return f"{NAMES[name]}, which at {at} is {given} instead of {right}"
