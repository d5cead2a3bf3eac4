"""The one comparison that everything here is decided by, and the message when it fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conformance.case import Case, Result
from conformance.judging.tolerance import Allowed, scale_of
from lstm_ref.params import GATES, FloatArray


@dataclass(frozen=True)
class Comparison:
    """One quantity of one case: what was expected, what came, and whether that is allowed.

    Attributes
    ----------
    case_id, quantity : str
    passed : bool
    share : float
        The worst error divided by the allowed one; inf where no error can be told.
    relative : float
        The worst error divided by the largest magnitude that is expected.
    wrong, total : int
        How many numbers are outside the allowed error, and of how many.
    index : str
        Where the worst one is, such as ``b=0 t=2 unit=3``.
    expected, actual, allowed : float
        At the worst index.
    reason : str
        Why the arrays could not be compared; empty if they were.
    """

    case_id: str
    quantity: str
    passed: bool
    share: float
    relative: float = 0.0
    wrong: int = 0
    total: int = 0
    index: str = ""
    expected: float = 0.0
    actual: float = 0.0
    allowed: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.quantity}: {self.reason}"
        if self.actual != self.actual:
            return (
                f"{self.quantity}: {self.wrong} of {self.total} numbers are wrong; at {self.index} it is NaN, "
                f"expected {self.expected!r}"
            )
        return (
            f"{self.quantity}: {self.wrong} of {self.total} numbers are wrong; worst at {self.index}: "
            f"expected {self.expected!r}, actual {self.actual!r}, error {abs(self.actual - self.expected):.3g}, "
            f"allowed {self.allowed:.3g}, {self.share:.3g} times over"
        )


def name_index(case: Case, quantity: str, index: tuple[int, ...]) -> str:
    """An index in words: ``b=0 t=2 unit=3``, and along an axis of 4H ``unit=3 gate=f``."""
    words, hidden_size = [], case.shapes[quantity][-1] // 4
    for axis, position in zip(case.axes[quantity], index, strict=True):
        if axis == "4H":
            words.append(f"unit={position % hidden_size} gate={GATES[position // hidden_size]}")
        else:
            words.append(f"{axis}={position}")
    return " ".join(words)


def errors(actual: FloatArray, expected: FloatArray) -> npt.NDArray[np.float64]:
    """How far each number is from the expected one; inf where that cannot be told, 0 where both are the same NaN or inf."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isfinite(error), error, np.inf))


def compare_quantity(case: Case, quantity: str, actual: object, expected: Result, allowed: Allowed) -> Comparison:
    """Compare one quantity elementwise with what is expected.

    NaN has to be where NaN is expected and nowhere else, infinities likewise; the shape has to be the case's exactly.
    Numbers of another dtype are compared all the same.

    Parameters
    ----------
    case : Case
    quantity : str
    actual : object
        What the candidate gave.
    expected : mapping
        What the oracle gave.
    allowed : mapping
        Quantity to the largest error that an element of it may have; see `conformance.judging.tolerance`.
    """

    def incomparable(reason: str) -> Comparison:
        return Comparison(case.id, quantity, False, np.inf, np.inf, reason=reason)

    shape = case.shapes[quantity]
    if not isinstance(actual, np.ndarray):
        return incomparable(f"is a {type(actual).__name__}, expected a NumPy array of shape {shape}")
    if actual.shape != shape:
        return incomparable(f"has shape {actual.shape}, expected {shape}")
    if actual.dtype.kind not in "fiub":
        return incomparable(f"has dtype {actual.dtype}, expected numbers as {case.dtype} holds them")
    if actual.size == 0:
        return Comparison(case.id, quantity, True, 0.0)

    wanted = expected[quantity]
    scale, limit = scale_of(wanted), allowed[quantity]
    error = errors(actual, wanted)
    worst = np.unravel_index(int(error.argmax()), error.shape)
    with np.errstate(over="ignore"):  # of an allowed error that is as good as zero
        share = float(error[worst] / limit)
    return Comparison(
        case_id=case.id,
        quantity=quantity,
        passed=bool(error[worst] <= limit),
        share=share,
        relative=float(error[worst] / scale) if scale else float(error[worst]),
        wrong=int((error > limit).sum()),
        total=actual.size,
        index=name_index(case, quantity, tuple(int(i) for i in worst)),
        expected=float(wanted[worst]),
        actual=float(actual[worst]),
        allowed=limit,
    )


def compare(
    case: Case, actual: Result, expected: Result, allowed: Allowed, quantities: Collection[str] | None = None
) -> list[Comparison]:
    """Compare every quantity of the case, or some; one that the candidate leaves out fails.

    Parameters
    ----------
    case : Case
    actual : mapping
        What the candidate gave.
    expected : mapping
        What the oracle gave.
    allowed : mapping
        As for `compare_quantity`.
    quantities : collection of str, optional
        The names of those that are compared; all of the case's if it is not given.
    """
    comparisons = []
    for quantity in case.shapes if quantities is None else quantities:
        if quantity not in actual:
            reason = "is missing from the result"
            comparisons.append(Comparison(case.id, quantity, False, np.inf, np.inf, reason=reason))
        else:
            comparisons.append(compare_quantity(case, quantity, actual[quantity], expected, allowed))
    return comparisons
