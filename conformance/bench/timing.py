"""Timing two computations against each other in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from conformance.bench.grid import ONE_LAYER
from conformance.bench.record import Job, Measured
from conformance.case import Case, Result
from conformance.cases.matrix import Spec
from conformance.cases.network import NetworkSpec
from conformance.errors import OracleError
from conformance.implementations import reference
from conformance.implementations.prepared import Prepared
from conformance.judging.tolerance import roundoff

SHORTEST = 2e-3
"""Seconds that a sample takes at least: a shorter call is repeated, so that the clock's steps do not matter."""
FEWEST = 5
"""Samples, however few seconds were asked for, unless they take longer than `LONGEST`."""
LONGEST = 15.0
REST = 0.1
"""Seconds between two samples where there are several threads. Those of OpenBLAS, OpenMP and TensorFlow look for more
work for a while before they sleep, and would keep a core from whoever comes next."""
AGREE = 1e5
"""How far results may differ, in roundoffs of the quantity's largest magnitude: enough to know that it is the same
computation with the same weights. How right each is, the conformance suite says."""


@dataclass(frozen=True)
class Samples:
    """The times of two computations, one call each, sample by sample, in seconds."""

    one: list[float]
    other: list[float]

    @property
    def ratios(self) -> list[float]:
        """`one` over `other`, in ascending order."""
        return sorted(a / b for a, b in zip(self.one, self.other, strict=True))


def interleaved(one: Callable[[], Any], other: Callable[[], Any], seconds: float, rest: float = 0.0) -> Samples:
    """Time two computations in turn, so that whatever the machine does meets both.

    Whoever was last goes first in the next sample: neither always finds the other's traces in the caches.
    The garbage collector rests.

    Parameters
    ----------
    one, other : callable
    seconds : float
        How long, once both have warmed up.
    rest : float
        Seconds of sleep before every sample, with a call that is not timed after it.
    """
    calls = repeats(one), repeats(other)
    times: tuple[list[float], list[float]] = ([], [])
    order = [(times[0], one, calls[0]), (times[1], other, calls[1])]
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        while True:
            for into, step, count in order:
                if rest:
                    time.sleep(rest)
                    step()
                into.append(duration(step, count) / count)
            order.reverse()
            passed = time.perf_counter() - begin
            if passed >= (seconds if len(times[0]) >= FEWEST else max(seconds, LONGEST)):
                return Samples(*times)
    finally:
        if collects:
            gc.enable()


def duration(step: Callable[[], Any], count: int) -> float:
    """Seconds that `count` calls take."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - start


def repeats(step: Callable[[], Any]) -> int:
    """How many calls make up a sample; finding out is the warm-up."""
    count = 1
    while (taken := duration(step, count)) < SHORTEST:
        count = max(2 * count, min(10 * count, int(count * SHORTEST / max(taken, 1e-9))))
    return count


def measure(job: Job, prepare: Callable[[Case, bool], Prepared], threads: int = 1) -> Measured:
    """Time lstm_ref against somebody else, after a look at whether both compute the same.

    Parameters
    ----------
    job : Job
    prepare : callable
        Makes the case ready for the other one.
    threads : int
        How many this process was given.

    Raises
    ------
    OracleError
        If they do not.
    """
    case = case_of(job)
    own, other = reference.prepared(case, job.backward), prepare(case, job.backward)
    error = disagreement(case, own.result(own.step()), other.result(other.step()))
    samples = interleaved(own.step, other.step, job.seconds, REST if threads > 1 else 0.0)
    ratios = samples.ratios
    low, high = (float(q) for q in np.quantile(ratios, (0.25, 0.75)))
    return Measured(median(ratios), low, high, len(ratios), median(samples.one), median(samples.other), error)


def case_of(job: Job) -> Case:
    """What is computed: a plain case, or one of a network with all layers alike."""
    (B, T, D, H), (layers, directions) = job.sizes, job.network
    if job.network == ONE_LAYER:
        return Spec(B, T, D, H, job.dtype).build()
    return NetworkSpec(B, T, D, (H,) * layers, "both" if directions == 2 else "forward", dtype=job.dtype).build()


def disagreement(case: Case, own: Result, other: Result) -> float:
    """The largest difference, over the largest magnitude of its quantity.

    Raises
    ------
    OracleError
        If it is too large for the same computation.
    """
    worst = 0.0
    for name, array in other.items():
        if array.shape != own[name].shape:
            raise OracleError(f"its {name} has shape {array.shape}, expected lstm_ref's, {own[name].shape}: not timed.")
        scale = float(np.abs(own[name]).max(initial=0.0)) or 1.0
        error = float(np.abs(array - own[name]).max(initial=0.0)) / scale
        if not error <= AGREE * roundoff(case.dtype):
            raise OracleError(f"its {name} differs from lstm_ref's by {error:.2g} of the largest number: not timed.")
        worst = max(worst, error)
    return worst
