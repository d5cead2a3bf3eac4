"""What candidates usually declare that they are without, and which bugs can show in such a candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from conformance.case import QUANTITIES, Case, Result
from conformance.cases.matrix import Spec
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.trial.call import caller, copied
from conformance.trial.declare import candidate, left_out, reduced
from conformance.trial.runner import behaviours

_START, _LOSS = ("h0", "c0"), ("d_output", "d_h", "d_c")
_NO_STATES = (*_START, "d_h", "d_c", "h", "c")
_FINAL = ("output", "c", "d_output", "d_c")

USUAL: dict[str, frozenset[str]] = {
    name: frozenset(without)
    for name, without in {
        "no states": _NO_STATES,
        "no states, no bias": (*_NO_STATES, "bias"),
        "no states, forward only": (*_NO_STATES, *_LOSS),
        "no states, float32 only": (*_NO_STATES, "float64"),
        "no states, no d_x": (*_NO_STATES, "d_x"),
        "no initial state": _START,
        "no initial state, no loss on the final one": (*_START, "d_h", "d_c"),
        "no c0 and d_c": ("c0", "d_c"),
        "no d_h and d_c": ("d_h", "d_c"),
        "no bias": ("bias",),
        "forward only": _LOSS,
        "forward only, no initial state": (*_LOSS, *_START),
        "forward only, no bias": (*_LOSS, "bias"),
        "float64 only": ("float32",),
        "float32 only": ("float64",),
        "no d_x": ("d_x",),
        "final output only": (*_FINAL, *_START),
        "final output only, from any state": _FINAL,
        "final output only, no bias": (*_FINAL, *_START, "bias"),
        "final output only, forward only": (*_FINAL, *_START, "d_h"),
    }.items()
}
"""Name to what is declared, as `conformance.candidate(without=...)` takes it."""

DIFFERENT = 1e-10
"""Results in float64 differ if they do by more than so much of the largest number: far above what rounding does."""


def declared(slug: str, without: frozenset[str]) -> Callable[[Case], Result]:
    """A bug as a candidate that declares what it is without, and does not give what that excuses."""
    buggy, excused = bugs()[slug].candidate(), left_out(without)

    @candidate(without=without)
    def lacking(case: Case) -> Result:
        return {name: array for name, array in buggy(case).items() if name not in excused}

    return lacking


def shows(slug: str, without: frozenset[str]) -> bool:
    """Whether a bug can show in a candidate that is without something, whatever the golden vectors are.

    It can if, in float64, a quantity that the candidate still gives differs from a correct LSTM's in one of `cases`, which
    meet the declaration and are drawn at random: of several sizes, saturated, long, and with large cotangents. It can as well
    if the candidate, in either dtype that it knows, fails or is remarked on in a check of behaviour.

    Parameters
    ----------
    slug : str
        A bug's.
    without : frozenset of str
        What `conformance.candidate` takes.
    """
    return _differs(slug, without - {"float64", "float32"}) or bool(misbehaviours(slug, without))


@cache
def misbehaviours(slug: str, without: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """(check of behaviour, dtype) for each that a bug fails, or is remarked on, as a candidate that is without something."""
    results = behaviours(caller(declared(slug, without)), without, QUANTITIES)
    told = (r for r in results if r.status in ("failed", "remark"))
    return tuple((r.quantity, r.trial.rpartition("-")[2]) for r in told)


@cache
def _differs(slug: str, without: frozenset[str]) -> bool:
    wrong = declared(slug, without)
    with np.errstate(all="ignore"):
        for case, right in _right(without):
            if any(_different(array, right[name]) for name, array in wrong(copied(case)).items()):
                return True
    return False


def _different(actual: Any, expected: Any) -> bool:
    if actual.shape != expected.shape:
        return True
    within = np.abs(actual - expected) <= DIFFERENT * np.abs(expected).max(initial=0.0)  # not so of NaN
    return not bool(within.all())


@cache
def _right(without: frozenset[str]) -> list[tuple[Case, Result]]:
    """The cases that meet a declaration, with what a correct LSTM gives."""
    return [(case, HookableLSTM()(case)) for case in cases(without)]


def cases(without: frozenset[str]) -> Iterator[Case]:
    """Random cases, float64 and always the same, without what a candidate cannot take.

    Parameters
    ----------
    without : frozenset of str
    """

    def drawn(B: int, T: int, D: int, H: int) -> Case:
        return reduced(Spec(B, T, D, H, stream="can-show").build(), without)

    yield from (drawn(*sizes) for sizes in ((3, 7, 4, 5), (2, 12, 6, 3), (5, 4, 3, 7), (2, 100, 3, 4)))
    plain = drawn(3, 6, 4, 5)
    yield from (replace(plain, x=plain.x * factor) for factor in (40.0, 4000.0))  # as there may be no bias to push with
    yield replace(plain, d_output=plain.d_output * 1e4, d_h=plain.d_h * 1e4, d_c=plain.d_c * 1e4)
