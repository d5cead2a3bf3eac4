"""How an error over the allowed one is written in a few characters, and which step of the colours it has."""

from __future__ import annotations

import math

from conformance.trial.results import CheckResult

PASSING = (0.01, 0.1, 0.5)
FAILING = (10.0, 1e3, 1e6)
"""Where the colours change; below 1 is allowed."""
SMALL = 0.005

MARKS = {"remark": "!", "not judged": "…", "not provided": "–", "undeclared": "?"}
CLASSES = {"remark": "n", "not judged": "n", "not provided": "n", "undeclared": "u"}
REASONS = {
    "has shape": "shape",
    "is a": "type",
    "raised": "raised",
}
"""How a reason why there are no numbers begins, and the word for it."""


def step(share: float) -> str:
    """The class of a share: p0 to p3 for what is allowed, f0 to f3 for what is not."""
    if share <= 1:
        return f"p{sum(share >= edge for edge in PASSING)}"
    return f"f{sum(share >= edge for edge in FAILING)}"


def short(share: float) -> str:
    """A share in at most five characters."""
    if math.isinf(share):
        return "inf"
    if share == 0:
        return "0"
    if share < SMALL:
        return "<.01"
    if share < 10:
        return f"{share:.2f}"
    return f"{share:.0f}" if share < 1000 else exponent(share, 0)


def exponent(value: float, digits: int = 2) -> str:
    """A number in scientific notation without padding: 6.5e13."""
    mantissa, _, power = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(power)}"


def scientific(value: float) -> str:
    """A number for a table."""
    if not math.isfinite(value):
        return "∞"
    return "0" if value == 0 else exponent(value)


def times(share: float) -> str:
    """A share for a sentence: three digits."""
    if math.isinf(share):
        return "infinite"
    return exponent(share) if share >= 999.5 or share < 1e-3 else f"{share:#.3g}".rstrip(".")


def label(result: CheckResult) -> str:
    """What a cell says."""
    if result.status in MARKS:
        return MARKS[result.status]
    if result.comparison is None and result.status == "passed":
        return "✓"
    if result.behaviour:
        return "✗"
    if result.share is not None and result.comparison is not None:
        return "NaN" if math.isnan(result.comparison.actual) and result.share > 1 else short(result.share)
    reason = result.message.removeprefix(f"{result.quantity}: ")
    return next((word for beginning, word in REASONS.items() if reason.startswith(beginning)), "none")


def cell_class(result: CheckResult) -> str:
    """The class of a cell: its colour."""
    if result.status in CLASSES:
        return CLASSES[result.status]
    if result.share is not None:
        return step(result.share)
    return "f3" if result.status == "failed" else "p0"
