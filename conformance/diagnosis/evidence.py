"""What a candidate gave, as far as it can be compared with what a hypothesis gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from conformance.case import FORWARD, Case, Result
from conformance.judging.compare import compare_quantity
from conformance.judging.noise import perturbed
from conformance.judging.tolerance import Allowed, allowed_from_truth, roundoff, scale_of, smallest
from lstm_ref.params import FloatArray

NARROWER = {"float64": "float32", "float32": "float16"}
LAST_DIGITS = 8
ALIKE = 8.0
"""How many times the allowed error of a correct LSTM, in proportion to the numbers, a candidate and a hypothesis may be
apart: both were rounded, and with a bug numbers may grow, and their errors with them, where in a correct LSTM they do not."""
RUNS = 8
"""So many runs show what rounding does to a probe, of which only the order of magnitude matters."""
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
    known : mapping or None
        Quantity to the allowed error of a correct LSTM over its largest number, where it is known already.
    scales : mapping
        Quantity to the largest number of a correct LSTM, where it is known: what is apart by less than the error allowed to that
        one is no different.
    """

    case: Case
    given: dict[str, FloatArray]
    narrow: bool = False
    known: Mapping[str, float] | None = None
    scales: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def relative(self) -> Mapping[str, float]:
        """Quantity to the allowed error of a correct LSTM over its largest number."""
        if self.known is not None:
            return self.known
        right = {name: runs[0] for name, runs in perturbed(self.case, 1).items()}
        return in_proportion(allowed_from_truth(self.case, self.case.dtype, RUNS), right)

    @property
    def weight(self) -> int:
        """How many numbers go in, times the steps: what it costs to look at it."""
        p = self.case.params
        return (self.case.x.size + p.kernel.size + p.recurrent_kernel.size) * self.case.sizes[1]

    def allowed(self, quantity: str, result: Result) -> float:
        """How far apart what was given and a result may be, by the dtype that it was computed in."""
        scale = max(scale_of(result[quantity]), self.scales.get(quantity, 0.0) / ALIKE)
        allowed = max(ALIKE * self.relative[quantity] * scale, smallest(self.case.dtype))
        if not self.narrow:
            return allowed
        dtype = np.dtype(NARROWER[self.case.dtype.name])
        last = LAST_DIGITS * float(np.finfo(dtype).smallest_subnormal)  # tiny numbers have no others
        return max(allowed * roundoff(dtype) / roundoff(self.case.dtype), last)

    def agrees(self, quantity: str, result: Result) -> bool:
        """Whether a result equals what was given."""
        allowed = {quantity: self.allowed(quantity, result)}
        return compare_quantity(self.case, quantity, self.given[quantity], result, allowed).passed

    def differing(self, result: Result, quantities: Iterable[str] | None = None) -> list[str]:
        """The quantities, of those given, in which a result differs."""
        asked = self.given if quantities is None else [name for name in quantities if name in self.given]
        return [name for name in asked if name in result and not self.agrees(name, result)]


def in_proportion(allowed: Allowed, right: Result) -> dict[str, float]:
    """Quantity to its allowed error over its largest number, and where that is zero to the least of the others."""
    shares = {name: allowed[name] / scale for name, values in right.items() if (scale := scale_of(values))}
    return dict.fromkeys(right, min(shares.values(), default=0.0)) | shares


def observe(
    case: Case, given: Mapping[str, Any], with_gradients: bool = True, known: Mapping[str, float] | None = None
) -> Observation:
    """An observation of a candidate's raw result; `known` as in `Observation`."""
    arrays = {}
    for name, shape in case.shapes.items():
        array = given.get(name)
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.kind != "f":
            continue
        if with_gradients or name in FORWARD:
            with np.errstate(over="ignore"):
                arrays[name] = np.asarray(array).astype(case.dtype)  # a matrix or a masked array is an array, too
    return Observation(case, arrays, known=known)


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
