"""What a candidate declares about itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from conformance.case import GRADIENTS, QUANTITIES, Case
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError
from lstm_ref import LSTMParams

Function = TypeVar("Function", bound=Callable[..., Any])

INPUTS = ("h0", "c0", "d_output", "d_h", "d_c", "bias")
ATTRIBUTE = "lstm_conformance_without"
COTANGENTS = frozenset(("d_output", "d_h", "d_c"))
GRADIENT_OF = {"h0": "d_h0", "c0": "d_c0", "bias": "d_bias"}


def candidate(without: Iterable[str] = ()) -> Callable[[Function], Function]:
    """Declare what a candidate cannot take, or does not give.

    Parameters
    ----------
    without : iterable of str
        Inputs that it cannot take: "h0", "c0", "d_output", "d_h", "d_c", "bias". It then meets only the
        cases in which they are zero, and their gradients are not expected. Quantities that it does
        not give, such as "c" or "d_x". A dtype that it does not know: "float64" or "float32". The report lists all.

    Examples
    --------
    >>> @candidate(without=("h0", "c0", "d_h", "d_c"))
    ... def lstm(case):
    ...     return {"output": ..., "d_x": ...}

    Raises
    ------
    CandidateError
        For a name that is neither an input nor a quantity nor a dtype.
    """
    if callable(without):
        raise CandidateError("write @conformance.candidate(without=(...)), with brackets and what the candidate lacks.")
    names = (without,) if isinstance(without, str) else tuple(without)
    unknown = [name for name in names if name not in (*INPUTS, *DTYPES, *QUANTITIES)]
    if unknown:
        raise CandidateError(
            f"without={unknown} names neither inputs ({', '.join(INPUTS)}), nor dtypes ({', '.join(DTYPES)}), "
            f"nor quantities ({', '.join(QUANTITIES)})."
        )

    def declare(function: Function) -> Function:
        try:
            setattr(function, ATTRIBUTE, frozenset(names))
        except AttributeError as error:
            raise CandidateError(f"{function!r} takes no declaration; wrap it in a function.") from error
        return function

    return declare


def declared(function: Callable[..., Any]) -> frozenset[str]:
    """What `candidate` declared of a function; empty if nothing."""
    while isinstance(function, functools.partial):
        function = function.func
    names: frozenset[str] = getattr(function, ATTRIBUTE, frozenset())
    return names


def meets(case: Case, without: frozenset[str]) -> bool:
    """Whether a candidate with that declaration can be given the case: what it cannot take is zero, and it knows the dtype.

    Who takes no cotangent at all gives no gradients, and may be given any.
    """
    if case.dtype.name in without:
        return False
    names = ("h0", "c0") if without >= COTANGENTS else ("h0", "c0", *COTANGENTS)
    arrays = {name: getattr(case, name) for name in names}
    bias = case.params.bias
    arrays["bias"] = np.zeros(1) if bias is None else bias
    return not any(arrays[name].any() for name in without if name in arrays)


def left_out(without: frozenset[str]) -> frozenset[str]:
    """The quantities that a declaration excuses."""
    excused = frozenset(GRADIENT_OF.get(name, name) for name in without) & frozenset(QUANTITIES)
    return excused | frozenset(GRADIENTS) if without >= COTANGENTS else excused


def reduced(case: Case, without: frozenset[str]) -> Case:
    """The case without what a candidate cannot take."""
    zeros = {name: np.zeros_like(getattr(case, name)) for name in without & {"h0", "c0", *COTANGENTS}}
    params = LSTMParams(case.params.kernel, case.params.recurrent_kernel) if "bias" in without else case.params
    return replace(case, params=params, **zeros)
