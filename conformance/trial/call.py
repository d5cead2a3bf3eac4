"""Calling a candidate so that nothing it does ends the run: exceptions, endless loops, warnings, odd results."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np

from conformance.case import QUANTITIES, STATES, Case
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.tasks import TASKS
from conformance.implementations import name_of, refusal
from conformance.trial.arrays import as_array
from conformance.trial.declare import declared, declared_features, declared_trainings

SECONDS = 10.0
"""How long a call may take, if nothing else is said: seconds of its own computing time."""
PATIENCE = 6.0
"""A call that only waits may take so many times as long, on the clock; so may a first call, which may compile."""
SHORT = 0.05
"""After this share of its time, a call is no longer a short one, and its computing time is looked at."""
SLOW, HANGS = 3, 4
"""After so many calls that ran out of time, the rest is tried beginning with the smallest; then, it is given up."""
DOUBLE = np.dtype("float64")
LOSSES = "losses"
"""What the losses of a candidate's own training are called where results have quantities."""
SAME = 30
"""After so many calls in a row with the same failure, in one dtype, the candidate is called no more in that dtype."""


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes
    ----------
    result : dict
        Quantity to whatever was given for it; empty if the call failed. Of the candidate's own training `LOSSES` alone, those
        before the failure too.
    failure : str
        Why there is no result; empty if there is one.
    not_judged : str
        Why nothing can be said of the call, such as that it ran out of time; empty otherwise.
    trace : str
        The traceback, if an exception is why; of a program, the end of what it said on standard error during the call.
    warned : tuple of str
        The warnings that were issued.
    unknown : tuple of str
        Keys of the result that name no quantity.
    mutated : tuple of str
        The inputs that were written to.
    returned : bool
        Whether the call came back, with a result or with something else.
    now : callable
        Gives what the very arrays that were given hold by now; `result` holds copies of them, made at once.
    """

    result: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    not_judged: str = ""
    trace: str = ""
    warned: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    mutated: tuple[str, ...] = ()
    returned: bool = False
    now: Callable[[], dict[str, Any]] = dict


class Caller:
    """Calls a candidate, as often as that makes sense.

    Parameters
    ----------
    seconds : float
        How long one call may take: computing time, so that other programs on the machine do not count.
    without : frozenset of str
        What the candidate declares that it cannot take or does not give.
    features : frozenset of str
        What it declares that it has beyond the plain LSTM.
    built_in : str
        Its name, if it is a built-in implementation.
    trains : frozenset of str
        The tasks for which it declares a training of its own.

    Attributes
    ----------
    hangs : int
        How many calls ran out of time.
    mutated : dict of str to str
        For each dtype, the first case whose inputs were written to, in words.
    exempt : mapping of str to str
        The checks of behaviour that it cannot be put to, and why.
    restarts : int or None
        Of a program in another language, how often it was begun again.
    """

    exempt: Mapping[str, str] = MappingProxyType({})
    restarts: int | None = None

    def __init__(
        self,
        seconds: float,
        without: frozenset[str],
        features: frozenset[str] = frozenset(),
        built_in: str = "",
        trains: frozenset[str] = frozenset(),
    ) -> None:
        self.seconds, self.without, self.features, self.built_in = min(seconds, 1e6), without, features, built_in
        self.trains = trains
        self.calls = self.hangs = 0
        self.mutated: dict[str, str] = {}
        self._same: dict[np.dtype[Any], tuple[str, int]] = {}

    def __call__(self, case: Case) -> Outcome:
        """The outcome of calling the candidate with a copy of `case`; raises nothing."""
        dtype = case.dtype
        reason, times = self._same.get(dtype, ("", 0))
        if self.hangs >= HANGS:
            return self._given_up()
        if times >= SAME:
            return Outcome(not_judged=f"was not called any more in {dtype} after it {reason} {times} times in a row")
        outcome = self._outcome(case, self._patience())
        self.calls += 1
        self._same[dtype] = (outcome.failure, times + 1 if outcome.failure == reason and reason else 1)
        if not outcome.failure:
            del self._same[dtype]
        if outcome.mutated:
            self.mutated.setdefault(dtype.name, f"in case {case.id} it wrote to {', '.join(outcome.mutated)}")
        return outcome

    def train(self, task: str, dtype: str, updates: int) -> Outcome:
        """The outcome of the candidate's own training on a task, for so many updates; raises nothing."""
        if self.hangs >= HANGS:
            return self._given_up()
        outcome = self._training(task, dtype, updates, self._patience())
        self.calls += 1
        return outcome

    def refusal(self, case: Case) -> str:
        """Why a case is not given to the candidate: it is a framework that has no such layer; empty for all others."""
        return refusal(self.built_in, case)

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        raise NotImplementedError

    def _training(self, task: str, dtype: str, updates: int, seconds: float) -> Outcome:
        raise NotImplementedError

    def _patience(self) -> float:
        return self.seconds * (1 if self.calls else PATIENCE)

    def _given_up(self) -> Outcome:
        return Outcome(not_judged=f"was not called any more after {self.hangs} calls that ran out of time")

    def _ran_out(self) -> Outcome:
        self.hangs += 1
        return Outcome(not_judged=f"gave no result within {self.seconds:g} s")


class InThread(Caller):
    """Calls a function in this process: in one thread, the same for all calls. One that never ends is left behind."""

    def __init__(self, function: Callable[[Case], Any], seconds: float = SECONDS) -> None:
        trains = frozenset(declared_trainings(function))
        super().__init__(seconds, declared(function), declared_features(function), name_of(function), trains)
        self.function = function
        self._thread: threading.Thread | None = None

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        return self._done_by_thread(partial(_called, self.function, case), seconds)

    def _training(self, task: str, dtype: str, updates: int, seconds: float) -> Outcome:
        return self._done_by_thread(partial(losses_of, self.function, task, dtype, updates), seconds)

    def _done_by_thread(self, call: Callable[[], Outcome], seconds: float) -> Outcome:
        if self._thread is None:
            self._todo: queue.SimpleQueue[Callable[[], Outcome] | None] = queue.SimpleQueue()
            self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
            serve = contextvars.copy_context().run  # with what np.seterr has been told here
            arguments = (_serve, self._todo, self._done)
            self._thread = threading.Thread(target=serve, args=arguments, daemon=True)
            self._thread.start()
        self._todo.put(call)
        came: list[Outcome] = []

        def wait(most: float) -> bool:
            try:
                came.append(self._done.get(timeout=most))
            except queue.Empty:
                return False
            return True

        if within(seconds, wait, _clock(self._thread)):
            return came[0]
        self._thread = None
        return self._ran_out()

    def __del__(self) -> None:
        if getattr(self, "_thread", None) is not None:
            self._todo.put(None)


def _serve(todo: queue.SimpleQueue[Callable[[], Outcome] | None], done: queue.SimpleQueue[Outcome]) -> None:
    while (call := todo.get()) is not None:
        done.put(call())


def _called(function: Callable[[Case], Any], case: Case) -> Outcome:
    return outcome_of(function, copied(case))


def _clock(thread: threading.Thread) -> Callable[[], float]:
    """The computing time of a thread; that on the clock, where the system does not tell."""
    if not hasattr(time, "pthread_getcpuclockid") or thread.ident is None:
        return time.monotonic
    clock = time.pthread_getcpuclockid(thread.ident)
    return lambda: time.clock_gettime(clock)


def within(seconds: float, wait: Callable[[float], bool], used: Callable[[], float]) -> bool:
    """Wait for a call to end; whether it did within its computing time, or `PATIENCE` times that on the clock.

    Parameters
    ----------
    seconds : float
    wait : callable
        Waits for at most so many seconds; whether it has ended.
    used : callable
        Gives how much computing time there has been.
    """
    last = time.monotonic() + PATIENCE * seconds
    if wait(seconds * SHORT):
        return True
    begun, most = used(), seconds
    while not wait(most):
        left = seconds - (used() - begun)
        if left <= 0 or time.monotonic() >= last:
            return False
        most = max(min(left, last - time.monotonic()), 0.01)
    return True


class Elsewhere:
    """A candidate that does not compute in this process, and has a caller of its own, which can end a call."""

    def caller(self, seconds: float) -> Caller:
        """What calls it in a trial."""
        raise NotImplementedError


def caller(candidate: Callable[[Case], Any] | Caller, seconds: float = SECONDS) -> Caller:
    """What calls a candidate: itself, if it is one already."""
    if isinstance(candidate, Caller):
        return candidate
    return candidate.caller(seconds) if isinstance(candidate, Elsewhere) else InThread(candidate, seconds)


def outcome_of(function: Callable[[Case], Any], case: Case) -> Outcome:
    """Call a function with a case that nobody else holds: what it writes to is told; raises nothing."""
    arrays = arrays_of(case)
    before = {name: array.tobytes() for name, array in arrays.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            given = function(case)
            unknown, result = _taken(given, case) if isinstance(given, Mapping) else ((), {})
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a candidate must not end the run
            return Outcome(failure=_reason(error), trace=traceback.format_exc())
    warned = tuple(f"{w.category.__name__}: {w.message}" for w in caught)
    if not isinstance(given, Mapping):
        failure = f"returned {_kind(given)}, expected a mapping such as {{'output': ...}}"
        return Outcome(failure=failure, warned=warned, returned=True)
    mutated = tuple(name for name, array in arrays.items() if array.tobytes() != before[name])

    def now() -> dict[str, Any]:
        flat = flattened(given, case)
        return {name: as_array(flat[name], case.dtype) for name in result}

    return Outcome(result, warned=warned, unknown=unknown, mutated=mutated, returned=True, now=now)


def losses_of(function: Callable[[Case], Any], task: str, dtype: str, updates: int) -> Outcome:
    """Have a candidate train itself, and take the loss before each of so many updates; raises nothing."""
    losses: list[float] = []
    failure = trace = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            given: Any = declared_trainings(function)[task](TASKS[task]().astype(dtype))
            if isinstance(given, Iterable):
                losses.extend(np.asarray(as_array(loss, DOUBLE), DOUBLE).item() for loss in islice(given, updates))
                failure = "" if len(losses) == updates else "gave no more losses"
            else:
                failure = f"returned {_kind(given)}, expected the loss before each update"
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a candidate must not end the run
            failure, trace = _reason(error), traceback.format_exc()
    return Outcome({LOSSES: np.array(losses, DOUBLE)}, failure, trace=trace, returned=not trace)


def copied(case: Case) -> Case:
    """A case with arrays of its own: what a candidate writes to them, nobody else sees."""
    arrays = {name: array.copy() for name, array in arrays_of(case).items()}
    return of_arrays(arrays, case.id, case.dtype, layers_of(case))


def _taken(given: Mapping[str, Any], case: Case) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys that name no quantity, and what was given for those that do, as arrays of our own."""
    flat = flattened(given, case)
    known = dict.fromkeys((*case.shapes, *QUANTITIES))
    unknown = tuple(str(key) for key in flat if key not in known)
    result = {name: as_array(flat[name], case.dtype) for name in known if flat.get(name) is not None}
    return unknown, {name: a.copy() if isinstance(a, np.ndarray) else a for name, a in result.items()}


def flattened(given: Mapping[str, Any], case: Case) -> Mapping[str, Any]:
    """A result whose nested parts have the names of quantities.

    These are the layers' gradients, ``{"layers": [{"forward": {"d_kernel": ...}}]}``, and where widths differ, states
    as a list of one for each layer.
    """
    flat: dict[str, Any] = {}
    for name in given:
        value = given[name]  # not what `items` gives: a mapping may compute what it is asked for
        if name == "layers" and isinstance(value, list | tuple):
            for k, of_layer in enumerate(value):
                flat |= _joined(f"layers.{k}", of_layer)
        elif name in STATES and name not in case.shapes and isinstance(value, list | tuple):
            flat |= {f"layers.{k}.{name}": each for k, each in enumerate(value)}
        else:
            flat[name] = value
    return flat


def _joined(prefix: str, value: Any) -> dict[str, Any]:
    """Nested mappings as one, with the names of all levels."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {name: each for key, inner in value.items() for name, each in _joined(f"{prefix}.{key}", inner).items()}


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _reason(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    try:
        message = " ".join(str(error).split())[:300]
    except Exception:  # noqa: BLE001 - the text is somebody's code too
        message = "(whose text cannot be made)"
    return f"raised {type(error).__name__}: {message} ({frame.filename}, line {frame.lineno})"
