"""What a candidate declares about itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from conformance.case import GRADIENTS, KINDS, Case, is_gradient, kind_of
from conformance.cases.features import FEATURES, NEEDS
from conformance.cases.features import features as features_of
from conformance.cases.flat import arrays_of
from conformance.cases.matrix import DTYPES
from conformance.cases.tasks import TASKS, Task
from conformance.errors import CandidateError
from lstm_ref import LSTMParams

Function = TypeVar("Function", bound=Callable[..., Any])
OwnTraining: TypeAlias = Callable[[Task], Iterable[float]]
"""A task to the losses of a candidate's own training, one before each update, for as long as it is asked."""

INPUTS = ("h0", "c0", "d_output", "d_h", "d_c", "bias")
ATTRIBUTE = "lstm_conformance_without"
FEATURES_ATTRIBUTE = "lstm_conformance_features"
TRAINS_ATTRIBUTE = "lstm_conformance_trains"
COMPILES_ATTRIBUTE = "lstm_conformance_compiles"
INHERITED = (ATTRIBUTE, FEATURES_ATTRIBUTE, TRAINS_ATTRIBUTE, COMPILES_ATTRIBUTE)
"""The attributes of what wraps a candidate that are to be its own."""
ALL = "all"
COTANGENTS = frozenset(("d_output", "d_h", "d_c"))
GRADIENT_OF = {"h0": "d_h0", "c0": "d_c0", "bias": "d_bias"}


def candidate(
    without: Iterable[str] = (),
    features: str | Iterable[str] = (),
    trains: Mapping[str, OwnTraining] | None = None,
    compiles: bool = False,
) -> Callable[[Function], Function]:
    """Declare what a candidate cannot take, or does not give, and what it has beyond the plain LSTM.

    Parameters
    ----------
    without : iterable of str
        Inputs that it cannot take: "h0", "c0", "d_output", "d_h", "d_c", "bias". It then meets only the
        cases in which they are zero, and their gradients are not expected. Quantities that it does
        not give, such as "c" or "d_x". A dtype that it does not know: "float64" or "float32". Features that it has not,
        where others are asked for. The report lists all.
    features : "all" or iterable of str
        What it is asked for beyond the plain LSTM: of `conformance.cases.features.FEATURES`, as "stacked" or "mask". It then
        meets the cases that have no others.
    trains : mapping of str to callable, optional
        Name of a task, as "counting", to the candidate's own training on it: a function that takes the
        `conformance.cases.tasks.Task` and gives the loss before each update, with weights, data and settings of the task, and
        an output layer, a loss and an update of its own. The profile "trajectory" compares it, besides.
    compiles : bool
        Whether it is compiled for each shape that it meets: cases of one shape then come one after the other, and the first call
        with a shape has the time to compile. What `conformance.autograd` makes says so itself.

    Examples
    --------
    >>> @candidate(without=("h0", "c0", "d_h", "d_c"))
    ... def lstm(case):
    ...     return {"output": ..., "d_x": ...}
    >>> @candidate(features=("stacked", "bidirectional"))
    ... def network(case):
    ...     return {"output": ..., "layers": [{"forward": {"d_kernel": ...}, "reverse": {"d_kernel": ...}}]}

    Raises
    ------
    CandidateError
        For a name that is neither an input nor a quantity nor a dtype nor a feature, or a training of no task.
    """
    if callable(without):
        raise CandidateError("write @conformance.candidate(without=(...)), with brackets and what the candidate lacks.")
    names = (without,) if isinstance(without, str) else tuple(without)
    unknown = [name for name in names if name not in (*INPUTS, *DTYPES, *KINDS, *FEATURES)]
    if unknown:
        raise CandidateError(
            f"without={unknown} names neither inputs ({', '.join(INPUTS)}), nor dtypes ({', '.join(DTYPES)}), "
            f"nor quantities ({', '.join(KINDS)}), nor features ({', '.join(FEATURES)})."
        )
    has = named_features(features)
    own = dict(trains or {})
    if unknown := [name for name, training in own.items() if name not in TASKS or not callable(training)]:
        raise CandidateError(
            f"trains has {', '.join(map(repr, unknown))}, expected functions, by names of tasks: {', '.join(TASKS)}."
        )

    def declare(function: Function) -> Function:
        try:
            setattr(function, ATTRIBUTE, frozenset(names))
            setattr(function, FEATURES_ATTRIBUTE, has)
            setattr(function, TRAINS_ATTRIBUTE, own)
            if compiles:
                setattr(function, COMPILES_ATTRIBUTE, True)
        except AttributeError as error:
            raise CandidateError(f"{function!r} takes no declaration; wrap it in a function.") from error
        return function

    return declare


def named_features(given: str | Iterable[str]) -> frozenset[str]:
    """The features that are named: "all", names, or a text of names with commas.

    Raises
    ------
    CandidateError
        For a name that is none.
    """
    names = given.split(",") if isinstance(given, str) else tuple(given)
    names = [name.strip() for name in names if name.strip()]
    if unknown := [name for name in names if name not in (ALL, *FEATURES)]:
        raise CandidateError(f"features={unknown} are none; write {ALL}, or some of {', '.join(FEATURES)}.")
    return frozenset(FEATURES if ALL in names else names)


def declared(function: Callable[..., Any]) -> frozenset[str]:
    """What `candidate` declared of a function that it is without; empty if nothing."""
    names: frozenset[str] = getattr(_innermost(function), ATTRIBUTE, frozenset())
    return names


def declared_features(function: Callable[..., Any]) -> frozenset[str]:
    """What `candidate` declared of a function that it has beyond the plain LSTM; empty if nothing."""
    names: frozenset[str] = getattr(_innermost(function), FEATURES_ATTRIBUTE, frozenset())
    return names


def declared_trainings(function: Callable[..., Any]) -> Mapping[str, OwnTraining]:
    """The candidate's own trainings that `candidate` declared, by the names of their tasks; empty if none."""
    trainings: Mapping[str, OwnTraining] = getattr(_innermost(function), TRAINS_ATTRIBUTE, {})
    return trainings


def declared_compiles(function: Callable[..., Any]) -> bool:
    """Whether a function is compiled for each shape that it meets, by its declaration."""
    return bool(getattr(_innermost(function), COMPILES_ATTRIBUTE, False))


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def asked_features(features: frozenset[str], without: frozenset[str]) -> frozenset[str]:
    """The features that are asked for, with those that they need, but for what a candidate is without."""
    needed = features | {NEEDS[name] for name in features & NEEDS.keys()}
    return frozenset(name for name in needed if not {name, NEEDS.get(name)} & without)


def meets(case: Case, without: frozenset[str], asked: frozenset[str] = frozenset()) -> bool:
    """Whether a candidate can be given the case.

    What it is without is zero, it knows the dtype, and all the case's features are asked for: by default none. Who takes no
    cotangent at all gives no gradients, and may be given any.
    """
    if case.dtype.name in without or not features_of(case) <= asked:
        return False
    lacking = without & (frozenset(INPUTS) - (COTANGENTS if without >= COTANGENTS else frozenset()))
    if not lacking:
        return True
    given = [array for name, array in arrays_of(case).items() if {name.partition(".")[0], kind_of(name)} & lacking]
    return not any(array.any() for array in given)


def excused(quantity: str, without: frozenset[str]) -> bool:
    """Whether a declaration excuses that a quantity is not given."""
    return kind_of(quantity) in left_out(without) or (without >= COTANGENTS and is_gradient(quantity))


def left_out(without: frozenset[str]) -> frozenset[str]:
    """The quantities of a plain case that a declaration excuses; of other cases see `excused`."""
    named = frozenset(GRADIENT_OF.get(name, name) for name in without) & frozenset(KINDS)
    return named | frozenset(GRADIENTS) if without >= COTANGENTS else named


def reduced(case: Case, without: frozenset[str]) -> Case:
    """The case without what a candidate cannot take."""
    zeros = {name: np.zeros_like(getattr(case, name)) for name in without & {"h0", "c0", *COTANGENTS}}
    params = LSTMParams(case.params.kernel, case.params.recurrent_kernel) if "bias" in without else case.params
    return replace(case, params=params, **zeros)
