"""The scoreboard as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.cases.features import FEATURES
from conformance.report.html import document

SAID = {
    "conforms": "conform",
    "incomplete": "were not judged whole",
    "does not conform": "do not conform",
    "not tried": "were not tried",
}
"""A verdict to how it is said of several."""


def summary(verdicts: Sequence[str]) -> str:
    """How many there are of each verdict."""
    counts = {verdict: verdicts.count(verdict) for verdict in SAID}
    return ", ".join(f"{n} {verdict if n == 1 else SAID[verdict]}" for verdict, n in counts.items() if n)


def page(record: Mapping[str, Any]) -> str:
    """The page of a scoreboard's record, which lies beside the folder ``reports``.

    Parameters
    ----------
    record : mapping
        What the JSON file holds.
    """
    rows = record["engines"]
    met = [name for name in ("plain", *FEATURES) if any(name in row["features"] for row in rows)]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in SAID}
    said = summary([row["verdict"] for row in rows])
    return document(
        "scoreboard.html", record=record, rows=rows, features=met, counts=counts, said=said, known=[*FEATURES]
    )
