"""Whether the golden vectors catch the catalogue: every bug run as a candidate, in both dtypes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from conformance.case import QUANTITIES
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.trial.checks import CHECKS
from conformance.trial.runner import run

ENOUGH = 10.0
"""How many times the allowed error a bug has to reach somewhere, unless a check of behaviour catches it."""


@dataclass(frozen=True)
class Catch:
    """How a bug is caught in one dtype.

    Attributes
    ----------
    slug, dtype : str
    margins : dict
        Quantity to the largest error over the allowed one; inf for NaN.
    behaviours : tuple of str
        The checks of behaviour that it fails.
    """

    slug: str
    dtype: str
    margins: dict[str, float]
    behaviours: tuple[str, ...]

    @property
    def margin(self) -> float:
        """The largest error over the allowed one, in any quantity."""
        return max(self.margins.values(), default=0.0)

    @property
    def caught(self) -> bool:
        """Whether it is caught with room to spare."""
        return self.margin >= ENOUGH or bool(self.behaviours)


def catches(slug: str) -> list[Catch]:
    """How a bug is caught: once per dtype."""
    report = run(bugs()[slug].candidate(), slug, profile="training")
    found = []
    for dtype in DTYPES:
        failed = [r for r in report.noticed if r.trial.endswith(dtype)]
        shares = {name: [r.share for r in failed if r.quantity == name and r.share is not None] for name in QUANTITIES}
        margins = {name: max(values) for name, values in shares.items() if values}
        found.append(Catch(slug, dtype, margins, tuple(sorted({r.quantity for r in failed if r.quantity in CHECKS}))))
    return found


def matrix(progress: Callable[[int, int, str], None] = lambda done, total, what: None) -> list[Catch]:
    """How every bug of the catalogue is caught, in both dtypes; on all cores."""
    slugs, found = list(bugs()), []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, (slug, rows) in enumerate(zip(slugs, pool.map(catches, slugs), strict=True), 1):
            progress(done, len(slugs), slug)
            found += rows
    return found


def as_dict(found: Sequence[Catch]) -> dict[str, Any]:
    """The matrix bug x check as plain values."""
    by_bug: dict[str, Any] = {}
    for catch in found:
        margins = {
            name: float(f"{margin:.4g}") if margin != float("inf") else "inf" for name, margin in catch.margins.items()
        }
        by_bug.setdefault(catch.slug, {})[catch.dtype] = {
            "caught": catch.caught,
            "margins": margins,
            "behaviours": list(catch.behaviours),
        }
    return {"enough": ENOUGH, "bugs": by_bug}
