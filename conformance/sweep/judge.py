"""Whether what a candidate gave in a case is right: by PyTorch in float64, and the certified values where they disagree.

What costs most is the allowed error, 32 runs of random roundings. It is never below `MARGIN` roundoffs of the quantity's largest
number (`conformance.judging.tolerance`), so where a candidate is nearer than that, it is not measured: the verdict is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from conformance.case import Case, Result, is_gradient, kind_of
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.implementations import ORACLES, built_in, refusal
from conformance.judging.compare import Comparison, compare_quantity
from conformance.judging.noise import FAR, FINER, ROUNDOFF
from conformance.judging.tolerance import MARGIN, Allowed, allowed_between, roundoff, scale_of, smallest
from conformance.trial.call import Outcome
from conformance.trial.declare import excused

CERTIFIED = "certified"
NEARLY = 0.99
"""The largest number that the oracle gave may be that much larger than the one that the allowed error is made of: both are of
float64 runs, and where these differ by a hundredth, what random roundings do is far more than the screen lets pass."""
DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class Verdict:
    """What came of one case.

    Attributes
    ----------
    case : Case
    failing : tuple of Comparison
        The quantities that are wrong; empty if all are right.
    undecided : tuple of str
        The quantities that may be wrong and nobody can tell: rounding alone changes more than a thousandth of them, and by how
        much at most, 32 runs do not show.
    failure : str
        Why nothing could be compared, such as an exception, or a call that ran out of time; then nothing is in `failing`.
    share : float
        The worst error over the allowed one; NaN if that was not measured.
    oracle : str
        Who said what is right.
    """

    case: Case
    failing: tuple[Comparison, ...] = ()
    undecided: tuple[str, ...] = ()
    failure: str = ""
    share: float = math.nan
    oracle: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failing and not self.failure

    @property
    def quantities(self) -> tuple[str, ...]:
        """What is wrong, by name."""
        return tuple(told.quantity for told in self.failing)

    @property
    def kind(self) -> str:
        """What is wrong in one line: kinds of quantities, or the beginning of the failure, as ``raised ValueError``."""
        return (
            " ".join(dict.fromkeys(map(kind_of, self.quantities))) or self.failure.partition(":")[0].partition(" (")[0]
        )


class Judge:
    """Judges what a candidate gave.

    Parameters
    ----------
    candidate : str
        Its name, if it is built-in: it is not its own oracle.
    without : frozenset of str
        What the candidate declares that it does not give.
    forward : bool
        Whether it gives no gradients, and is asked for none.
    measured : bool
        Whether the allowed error of every case is measured, also where that changes no verdict.
    """

    def __init__(self, candidate: str, without: frozenset[str], forward: bool = False, measured: bool = False) -> None:
        self.without, self.forward, self.measured = without, forward, measured
        self.oracles = [name for name in ORACLES if name != candidate]

    def __call__(self, case: Case, outcome: Outcome) -> Verdict:
        """The verdict by the oracle: where what is wrong is wrong beyond what two engines may differ by."""
        if reason := outcome.failure or outcome.not_judged:
            return Verdict(case, failure=reason)
        return self._compared(case, outcome.result, _Asked(case, *self._expected(case)))

    def arbitrated(self, case: Case, outcome: Outcome) -> Verdict:
        """The verdict by the certified values, from which a candidate may be half as far as from another engine.

        Raises
        ------
        OracleError
            If the certified evaluator cannot tell.
        """
        return self._compared(case, outcome.result, _Asked(case, CERTIFIED, built_in(CERTIFIED)(case)))

    def _expected(self, case: Case) -> tuple[str, Result]:
        """Who says what is right, and what: the first engine that has what the case asks for, in float64."""
        for name in self.oracles:
            if not refusal(name, case):
                return name, built_in(name, often=True)(in_double(case))
        return CERTIFIED, built_in(CERTIFIED)(case)

    def _compared(self, case: Case, result: Mapping[str, Any], asked: _Asked) -> Verdict:
        quantities = self.quantities(case)
        given = [name for name in quantities if name in result]
        if (
            not self.measured
            and len(given) == len(quantities)
            and all(asked.surely(name, result[name]) for name in given)
        ):
            return Verdict(case, oracle=asked.oracle)
        told = [
            compare_quantity(case, name, result[name], asked.expected, asked.allowed)
            if name in result
            else Comparison(case.id, name, False, np.inf, np.inf, reason="is missing from the result")
            for name in quantities
        ]
        undecided = tuple(one.quantity for one in told if not one.passed and asked.chaotic(one))
        told = [one for one in told if one.quantity not in undecided]
        failing = tuple(one for one in told if not one.passed)
        share = max((one.share for one in told), default=0.0)
        return Verdict(case, failing, undecided, share=share, oracle=asked.oracle)

    def quantities(self, case: Case) -> Sequence[str]:
        """What is asked for in a case."""
        return [
            name for name in case.shapes if not (self.forward and is_gradient(name)) and not excused(name, self.without)
        ]


@dataclass(frozen=True)
class _Asked:
    """What is right in a case, and how nearly."""

    case: Case
    oracle: str
    expected: Result

    @property
    def factor(self) -> float:
        """An engine's own roundings count where they are as large as the candidate's."""
        return 2.0 if self.case.dtype == DOUBLE and self.oracle != CERTIFIED else 1.0

    @cached_property
    def allowed(self) -> Allowed:
        """The largest error of each quantity."""
        return {name: error * self.factor / 2 for name, error in allowed_between(self.case).items()}

    def chaotic(self, told: Comparison) -> bool:
        """Whether rounding changes so much of a quantity that a finite error in it says nothing."""
        if told.reason or not np.isfinite(told.share) or told.allowed <= self.factor * smallest(self.case.dtype):
            return False  # what is allowed then is not made of what rounding does
        runs = ROUNDOFF if self.case.dtype != DOUBLE else FINER
        deviation = told.allowed / (self.factor * MARGIN * roundoff(self.case.dtype)) * runs
        return deviation > FAR * scale_of(self.expected[told.quantity])

    def surely(self, name: str, actual: Any) -> bool:
        """Whether a quantity is so near that whatever the allowed error is, it is larger."""
        expected = self.expected[name]
        if not isinstance(actual, np.ndarray) or actual.shape != expected.shape or actual.dtype.kind != "f":
            return False
        if not actual.size:
            return True
        least = NEARLY * self.factor * MARGIN * scale_of(expected) * roundoff(self.case.dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            return bool(np.abs(actual - expected).max() <= least)


def in_double(case: Case) -> Case:
    """The same numbers in float64."""
    if case.dtype == DOUBLE:
        return case
    arrays = {name: a if name == "mask" else a.astype(DOUBLE) for name, a in arrays_of(case).items()}
    return of_arrays(arrays, case.id, DOUBLE, layers_of(case))
