"""What a candidate gave, as far as it can be compared with what a hypothesis gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.case import FORWARD, Case, Result
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.judging.compare import compare_quantity
from conformance.judging.tolerance import roundoff
from lstm_ref.params import FloatArray

NARROWER = {"float64": "float32", "float32": "float16"}
LAST_DIGITS = 8
ENOUGH = 100
"""So many different numbers are needed to say in which dtype they were computed."""
DERIVED = 1500
"""Up to so many numbers times steps, gradients are taken of a hypothesis' own forward pass."""


@dataclass(frozen=True)
class Observation:
    """One case, and what the candidate gave in it.

    Attributes
    ----------
    case : Case
    given : dict
        Quantity to array, of the case's shape and dtype; what was of another shape is left out.
    narrow : bool
        Whether it is to be compared as if it were of the next narrower dtype.
    """

    case: Case
    given: dict[str, FloatArray]
    narrow: bool = False

    @property
    def weight(self) -> int:
        """How many numbers go in, times the steps: what it costs to look at it."""
        p = self.case.params
        return (self.case.x.size + p.kernel.size + p.recurrent_kernel.size) * self.case.sizes[1]

    def agrees(self, quantity: str, result: Result) -> bool:
        """Whether a result equals what was given, within the error allowed for the dtype that it was computed in."""
        told = compare_quantity(self.case, quantity, self.given[quantity], result)
        if told.passed or not self.narrow:
            return told.passed
        dtype = np.dtype(NARROWER[self.case.dtype.name])
        coarser = roundoff(dtype) / roundoff(self.case.dtype)
        last = LAST_DIGITS * float(np.finfo(dtype).smallest_subnormal)  # tiny numbers have no others
        return told.share <= max(coarser, last / told.allowed)

    def differing(self, result: Result, quantities: Iterable[str] | None = None) -> list[str]:
        """The quantities, of those given, in which a result differs."""
        asked = self.given if quantities is None else [name for name in quantities if name in self.given]
        return [name for name in asked if name in result and not self.agrees(name, result)]


def observe(case: Case, given: Mapping[str, Any], with_gradients: bool = True) -> Observation:
    """An observation of a candidate's raw result."""
    arrays = {}
    for name, shape in case.shapes.items():
        array = given.get(name)
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.kind != "f":
            continue
        if with_gradients or name in FORWARD:
            with np.errstate(over="ignore"):
                arrays[name] = np.asarray(array).astype(case.dtype)  # a matrix or a masked array is an array, too
    return Observation(case, arrays)


def narrow(observations: Iterable[Observation]) -> bool:
    """Whether every number is one that the next narrower dtype has as well, which does not happen by chance."""
    arrays = [array.reshape(-1) for o in observations for array in o.given.values()]
    numbers = np.unique(np.concatenate(arrays)) if arrays else np.zeros(0)
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < ENOUGH:
        return False
    with np.errstate(over="ignore"):
        rounded = numbers.astype(NARROWER[numbers.dtype.name])
    return bool((rounded == numbers)[np.isfinite(rounded)].all())


def fits(hypothesis: Hypothesis, observations: Sequence[Observation], quantities: Sequence[str]) -> bool:
    """Whether a hypothesis gives what the candidate gave, in all these cases, called in this order."""
    forward = all(name in FORWARD for name in quantities)
    lstm = hypothesis.forward() if forward else hypothesis.fresh()
    with np.errstate(all="ignore"):
        return all(not o.differing(lstm(o.case), quantities) for o in observations)
