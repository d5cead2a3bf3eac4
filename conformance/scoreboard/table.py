"""The scoreboard as a table: in a terminal, and in a README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from conformance.cases.features import FEATURES
from conformance.scoreboard.row import PLAIN, Row

if TYPE_CHECKING:
    from conformance.scoreboard.record import Record

COLOURS = {"conforms": "green", "incomplete": "yellow", "does not conform": "red", "not tried": "dim"}
SIGNS = {"conforms": "✓", "incomplete": "…", "does not conform": "✗"}


def share(row: Row) -> str:
    """The largest error over the allowed one."""
    return "" if row.worst is None else row.worst if isinstance(row.worst, str) else f"{row.worst:.3g}"


def standing(row: Row, profile: str) -> str:
    """What is said of a profile: a sign, or a dash where it was not asked for."""
    return SIGNS[row.profiles[profile]] if profile in row.profiles else "-"


def beyond(row: Row) -> str:
    """The features beyond the plain LSTM with their signs."""
    return ", ".join(f"{SIGNS[verdict]} {name}" for name, verdict in row.features.items() if name != PLAIN)


def why(row: Row) -> str:
    """The last column: a diagnosis and what it is put down to, or why there is no verdict."""
    told = [row.problem, row.diagnosis, f"By design: {row.design}" if row.design else ""]
    if row.remarks:
        told.append(f"{len(row.remarks)} remark{'s' * (len(row.remarks) > 1)}")
    return ". ".join(text.rstrip(".") for text in told if text)


def without(row: Row) -> str:
    """What it is declared to lack of the plain LSTM: inputs, quantities, dtypes; features are shown where there are some."""
    return ", ".join(name for name in row.without if name not in FEATURES)


def terminal(record: Record) -> Table:
    """The table for a terminal."""
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    for heading in ("engine", "version", "verdict", "worst / allowed", "without", "why"):
        table.add_column(heading, justify="right" if "worst" in heading else "left", overflow="fold")
    for row in record.rows:
        verdict = f"[{COLOURS[row.verdict]}]{row.verdict}[/]"
        table.add_row(row.name, row.version, verdict, share(row), without(row), escape(why(row)))
    return table


def markdown(record: Record) -> str:
    """The table for a README."""
    lines = [
        f"Measured on {record.date}, {record.machine['platform']}, Python {record.machine['python']}.",
        "",
        "| engine | version | forward | training | beyond the plain LSTM | worst error / allowed | without | why |",
        "| --- | --- | :-: | :-: | --- | --: | --- | --- |",
    ]
    for row in record.rows:
        cells = (
            f"`{row.name}`: {row.title}", row.version, standing(row, "forward"), standing(row, "training"), beyond(row),
            share(row), without(row), _linked(row),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _linked(row: Row) -> str:
    programs = [f"[{said}](findings/{name})" for name, said in row.findings.items()]
    return ". ".join(filter(None, (*programs, why(row))))
