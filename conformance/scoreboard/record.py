"""All rows of a run with when and where it was made, as JSON holds them."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conformance.errors import ScoreboardError
from conformance.scoreboard.row import Row

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What a run found.

    Attributes
    ----------
    date : str
        As 2026-11-29.
    machine : mapping of str to str
        Python, the platform, and this package's version.
    rows : tuple of Row
        The best verdict first, then by name.
    """

    date: str
    machine: dict[str, str]
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        rows = [row.as_dict() for row in self.rows]
        return {"format": FORMAT, "date": self.date, "machine": self.machine, "engines": rows}


VERDICTS = ("conforms", "incomplete", "does not conform", "not tried")


def record(rows: Sequence[Row]) -> Record:
    """A record of rows as of today."""
    machine = {
        "lstm-conformance": version("lstm-conformance"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    ordered = sorted(rows, key=lambda row: (VERDICTS.index(row.verdict), row.name))
    return Record(datetime.now(UTC).date().isoformat(), machine, tuple(ordered))


def read(path: Path) -> Record:
    """The record in a file.

    Raises
    ------
    ScoreboardError
        If it is none.
    """
    try:
        given = json.loads(path.read_text())
        rows = []
        for row in given["engines"]:
            listed = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
            rows.append(Row(**(row | listed)))
        return Record(given["date"], given["machine"], tuple(rows))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScoreboardError(f"{path} is no record of a scoreboard: {error!r}.") from error
