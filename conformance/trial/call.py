"""Calling a candidate so that nothing it does ends the run: exceptions, endless loops, warnings, odd results."""

from __future__ import annotations

import ctypes
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from conformance.case import QUANTITIES, Case
from conformance.trial.arrays import as_array
from lstm_ref import LSTMParams

refusal: Callable[[], str] = str
"""Asked before each call why it is not to be made; nothing if it is."""

HANGS = 3
"""After so many calls that ran out of time, a candidate is not called any more."""


class OutOfTime(BaseException):
    """Raised inside a candidate's thread to end it; a BaseException, so that `except Exception` lets it through."""


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes
    ----------
    result : dict
        Quantity to whatever was given for it; empty if the call failed.
    failure : str
        Why there is no result; empty if there is one.
    not_judged : str
        Why nothing can be said of the call, such as that it ran out of time; empty otherwise.
    trace : str
        The traceback, if an exception is why.
    warned : tuple of str
        The warnings that were issued.
    unknown : tuple of str
        Keys of the result that name no quantity.
    mutated : tuple of str
        The inputs that were written to.
    given : dict
        The very objects of the result; `result` holds copies of them, made at once.
    """

    result: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    not_judged: str = ""
    trace: str = ""
    warned: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    mutated: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)


class Caller:
    """Calls a candidate with a time limit.

    Parameters
    ----------
    function : callable
        The candidate.
    seconds : float
        How long one call may take.
    """

    def __init__(self, function: Callable[[Case], Any], seconds: float) -> None:
        self.function = function
        self.seconds = min(seconds, threading.TIMEOUT_MAX)
        self.hangs = 0
        self.mutated: dict[str, str] = {}

    def __call__(self, case: Case) -> Outcome:
        """The outcome of calling the candidate with a copy of `case`; raises nothing."""
        if self.hangs >= HANGS:
            return Outcome(not_judged=f"was not called any more after {self.hangs} calls that ran out of time")
        if reason := refusal():
            return Outcome(failure=reason)
        box: list[Outcome] = []
        errors = np.geterr()  # a thread begins with NumPy's own; the candidate's module may have set others

        def work() -> None:
            np.seterr(**errors)
            box.append(self._call(case))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.seconds)
        if not box:
            self.hangs += 1
            _interrupt(thread)
            return Outcome(not_judged=f"gave no result within {self.seconds:g} s")
        if box[0].mutated:
            self.mutated.setdefault(case.dtype.name, f"in case {case.id} it wrote to {', '.join(box[0].mutated)}")
        return box[0]

    def _call(self, case: Case) -> Outcome:
        copy = copied(case)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                given = self.function(copy)
                unknown, result = _taken(given, case.dtype) if isinstance(given, Mapping) else ((), {})
            except OutOfTime:
                return Outcome(failure="was interrupted")
            except BaseException as error:  # noqa: BLE001 - sys.exit() in a candidate must not end the run
                return Outcome(failure=_reason(error), trace=traceback.format_exc())
        warned = tuple(f"{w.category.__name__}: {w.message}" for w in caught)
        if not isinstance(given, Mapping):
            return Outcome(
                failure=f"returned {_kind(given)}, expected a mapping such as {{'output': ...}}", warned=warned
            )
        mutated = tuple(
            name for name, a in arrays_of(copy).items() if not np.array_equal(a, arrays_of(case)[name], equal_nan=True)
        )
        taken = {name: as_array(given[name], case.dtype) for name in result}
        return Outcome(result, warned=warned, unknown=unknown, mutated=mutated, given=taken)


def arrays_of(case: Case) -> dict[str, Any]:
    """Every array of a case, by the name that a candidate knows it under."""
    arrays = {name: getattr(case, name) for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    params = case.params
    arrays |= {"params.kernel": params.kernel, "params.recurrent_kernel": params.recurrent_kernel}
    return arrays if params.bias is None else arrays | {"params.bias": params.bias}


def copied(case: Case) -> Case:
    """A case with arrays of its own: what a candidate writes to them, nobody else sees."""
    a = {name: array.copy() for name, array in arrays_of(case).items()}
    params = LSTMParams(a["params.kernel"], a["params.recurrent_kernel"], a.get("params.bias"))
    inputs = {name: a[name] for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    return replace(case, params=params, **inputs)


def _taken(given: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys that name no quantity, and what was given for those that do, as arrays of our own."""
    unknown = tuple(str(key) for key in given if key not in QUANTITIES)
    result = {name: as_array(given[name], dtype) for name in QUANTITIES if given.get(name) is not None}
    return unknown, {name: a.copy() if isinstance(a, np.ndarray) else a for name, a in result.items()}


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _reason(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).split())[:300]
    return f"raised {type(error).__name__}: {message} ({frame.filename}, line {frame.lineno})"


def _interrupt(thread: threading.Thread) -> None:
    """Raise `OutOfTime` in a thread that still runs Python code."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(OutOfTime))
