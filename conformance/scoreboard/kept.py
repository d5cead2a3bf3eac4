"""The record that is kept in the repository, and its table in the README beside it."""

from __future__ import annotations

import re

from conformance.report.files import write_bytes, write_json
from conformance.scoreboard.engine import HERE
from conformance.scoreboard.record import Record
from conformance.scoreboard.table import markdown

RESULTS, README = HERE / "results.json", HERE / "README.md"
TABLE = re.compile(r"(?<=<!-- the table -->\n).*(?=<!-- its end -->)", re.S)


def keep(found: Record) -> None:
    """Write a record into the repository, and its table into the README."""
    write_json(RESULTS, found.as_dict())
    text = README.read_text(encoding="utf-8")
    write_bytes(README, TABLE.sub(lambda _: f"\n{markdown(found)}\n", text).encode())
