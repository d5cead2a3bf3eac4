"""The matrix of cases and quantities, the table of behaviours, and the numbers behind their cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Any

from conformance.case import KINDS, kind_of
from conformance.fixtures.store import directory, read_manifest
from conformance.report.json_report import number
from conformance.trial.checks import CHECKS
from conformance.trial.results import STATUSES, CheckResult, Report, Trial

CLIPPED = 600
"""Text that a candidate supplies is shown up to so many characters."""
ROOM = 100_000
"""So many characters of messages are held, each different one once."""
FULL = "The messages differ in so many cases that this file does not hold them all; repeat this one to see its own."
ORACLES = {"fixtures": "certified golden vectors", "torch": "live PyTorch", "keras": "live Keras"}


class Texts:
    """The different messages of a report, each held once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {FULL: 0}
        self.room = ROOM

    def __getitem__(self, text: str) -> int:
        """The number of a message."""
        text = clipped(text)
        if text not in self.numbers:
            self.room -= len(text)
            if self.room < 0:
                return 0
            self.numbers[text] = len(self.numbers)
        return self.numbers[text]


@dataclass(frozen=True)
class Row:
    """A case or a behaviour in every dtype.

    Attributes
    ----------
    name : str
    note : str
        What it is there for.
    oracle : str
        Who says what is right; empty for a behaviour.
    sizes : tuple of int
    ids : tuple of str
        What is run in each dtype; empty where nothing is.
    checks : tuple of CheckResult or None
        The cells; None where there is nothing to check.
    """

    name: str
    note: str
    oracle: str
    sizes: tuple[int, int, int, int]
    ids: tuple[str, ...]
    checks: tuple[CheckResult | None, ...]

    @property
    def bad(self) -> bool:
        """Whether anything in it speaks against the candidate."""
        return any(r is not None and r.status in ("failed", "undeclared") for r in self.checks)

    @property
    def wrong(self) -> list[str]:
        """What there is to say against a behaviour, with the dtype where dtypes differ."""
        odd = [r for r in self.checks if r is not None and r.status in ("failed", "remark", "not judged")]
        told = {r.id.rpartition(":")[2]: clipped(r.message.removeprefix(f"{self.name}: ")) for r in odd}
        same = len(set(told.values())) == 1
        return list(dict.fromkeys(message if same else f"{dtype}: {message}" for dtype, message in told.items()))


@dataclass(frozen=True)
class Grid:
    """A table of checks.

    Attributes
    ----------
    dtypes : tuple of str
    columns : tuple of (str, int)
        Of each column, the quantity or the dtype that it is about, and the number of its dtype.
    rows : tuple of Row
    """

    dtypes: tuple[str, ...]
    columns: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]

    @property
    def results(self) -> list[CheckResult]:
        """All that was checked."""
        return [result for row in self.rows for result in row.checks if result is not None]

    def data(self, texts: Texts) -> dict[str, Any]:
        """What the cells stand for, in the order of the table, with messages going to `texts`."""
        return {
            "columns": self.columns,
            "rows": [
                {
                    "ids": row.ids,
                    "note": texts[row.note],
                    "sizes": row.sizes,
                    "by": row.oracle,
                    "checks": [numbers(result, texts) for result in row.checks],
                }
                for row in self.rows
            ],
        }


def cases(report: Report) -> Grid:
    """The matrix: the cases in the order in which they were run, a quantity's dtypes beside each other."""
    results: dict[tuple[str, str], CheckResult] = {}
    for r in report.of_profile(report.profile):
        key = (r.trial, kind_of(r.quantity))
        if not r.behaviour and (key not in results or _speaks(r) > _speaks(results[key])):
            results[key] = r  # of a network's layers and directions, the worst stands for all
    met = {quantity for _, quantity in results}
    quantities = [name for name in KINDS if name in met]
    dtypes = tuple(dict.fromkeys(trial.case.dtype.name for trial in report.trials.values()))
    found: dict[tuple[str, str], dict[str, Trial]] = {}
    for trial in report.trials.values():
        found.setdefault((trial.oracle, plain_name(trial)), {})[trial.case.dtype.name] = trial
    rows = []
    for (oracle, name), trials in found.items():
        one = next(iter(trials.values()))
        ids = tuple(trials[dtype].id if dtype in trials else "" for dtype in dtypes)
        checks = tuple(results.get((id, quantity)) for quantity in quantities for id in ids)
        rows.append(Row(name, comment(one), ORACLES[oracle], one.case.sizes, ids, checks))
    columns = tuple((quantity, k) for quantity in quantities for k in range(len(dtypes)))
    return Grid(dtypes, columns, tuple(rows))


def _speaks(result: CheckResult) -> tuple[bool, float]:
    """How much a check says against a candidate."""
    return result.status != "passed", result.share or 0.0


def behaviours(report: Report) -> Grid:
    """The checks of behaviour, each in every dtype."""
    results = [r for r in report.results if r.behaviour]
    dtypes = tuple(dict.fromkeys(r.id.rpartition(":")[2] for r in results))
    rows = []
    for name in CHECKS:
        mine = {r.id.rpartition(":")[2]: r for r in results if r.quantity == name}
        if mine:
            ids = tuple(mine[dtype].id if dtype in mine else "" for dtype in dtypes)
            sizes = report.sizes[next(iter(mine.values())).trial]
            rows.append(Row(name, sentence(name), "", sizes, ids, tuple(map(mine.get, dtypes))))
    return Grid(dtypes, tuple((dtype, k) for k, dtype in enumerate(dtypes)), tuple(rows))


def plain_name(trial: Trial) -> str:
    """The name of a trial's case without its dtype."""
    dtype = trial.case.dtype.name
    return trial.case.id.removesuffix(f"-{dtype}").replace(f"{dtype}-", "", 1)


@cache
def _comments() -> dict[str, str]:
    return {entry["id"]: entry["comment"] for entry in read_manifest(directory())["vectors"]}


def comment(trial: Trial) -> str:
    """What a golden vector is there for; empty for any other case."""
    return _comments().get(plain_name(trial), "")


def sentence(name: str) -> str:
    """What a check of behaviour asserts; empty where Python runs without docstrings."""
    return cleandoc(CHECKS[name].__doc__ or "").partition("\n")[0]


def clipped(value: str, most: int = CLIPPED) -> str:
    """The text, cut if it is long."""
    return value if len(value) <= most else f"{value[: most - 1]}…"


def numbers(result: CheckResult | None, texts: Texts) -> list[Any] | int:
    """What a cell stands for, short: [status, message] or [status, numbers...]; 0 if there is no such check."""
    if result is None:
        return 0
    status = list(STATUSES.values()).index(result.status)
    told = result.comparison
    if told is None or told.reason:
        return [status, texts[result.message.removeprefix(f"{result.quantity}: ")]]
    values = (told.share, told.expected, told.actual, told.allowed)
    return [status, told.wrong, told.total, told.index, *(number(value) for value in values)]
