"""The matrix of cases and quantities, the table of behaviours, and the numbers behind their cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Any

from conformance.fixtures.store import directory, read_manifest
from conformance.report.html.markup import Html, broken, clipped, element, given, joined, number
from conformance.report.html.scale import cell_class, label
from conformance.trial.checks import CHECKS
from conformance.trial.runner import PROFILES, CheckResult, Report, Trial

STATUSES = ("passed", "failed", "not provided", "undeclared")
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
    """A case in every dtype: one row of the matrix.

    Attributes
    ----------
    oracle, name : str
    trials : dict
        Name of a dtype to the trial.
    """

    oracle: str
    name: str
    trials: dict[str, Trial]


def rows(report: Report) -> list[Row]:
    """The cases of a report in the order in which they were run, without telling dtypes apart."""
    found: dict[tuple[str, str], Row] = {}
    for trial in report.trials.values():
        name = plain_name(trial)
        found.setdefault((trial.oracle, name), Row(trial.oracle, name, {})).trials[trial.case.dtype.name] = trial
    return list(found.values())


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


class Matrix:
    """The matrix of a report.

    Parameters
    ----------
    report : Report
    texts : Texts
        Where messages go.
    """

    def __init__(self, report: Report, texts: Texts) -> None:
        self.texts = texts
        self.rows = rows(report)
        results = [r for r in report.of_profile(report.profile) if not r.behaviour]
        self.results = {(r.trial, r.quantity): r for r in results}
        met = {quantity for _, quantity in self.results}
        self.quantities = [name for name in PROFILES[report.profile] if name in met]
        self.dtypes = list(dict.fromkeys(trial.case.dtype.name for trial in report.trials.values()))

    def _checks(self, row: Row) -> Iterator[CheckResult | None]:
        """The results of a row, a quantity's dtypes beside each other; None where the case has no such quantity."""
        for quantity in self.quantities:
            for dtype in self.dtypes:
                yield self.results.get((row.trials[dtype].id, quantity)) if dtype in row.trials else None

    def table(self) -> Html:
        """The matrix as a table."""
        span = len(self.dtypes)
        head = element(
            "thead",
            element(
                "tr",
                element("th", "case", scope="col", rowspan="2"),
                *(element("th", broken(q), scope="colgroup", colspan=span) for q in self.quantities),
            ),
            element(
                "tr",
                *(
                    element("th", dtype.removeprefix("float"), scope="col", title=dtype, aria_label=dtype)
                    for _ in self.quantities
                    for dtype in self.dtypes
                ),
            ),
        )
        bodies = []
        for oracle in dict.fromkeys(row.oracle for row in self.rows):
            members = [(i, row) for i, row in enumerate(self.rows) if row.oracle == oracle]
            heading = element("th", element("span", ORACLES[oracle]), colspan=1 + span * len(self.quantities))
            several = oracle != "fixtures" or len(members) < len(self.rows)
            bodies.append(
                element(
                    "tbody",
                    element("tr", heading, class_="oracle") if several else Html(),
                    *(self._row(i, row) for i, row in members),
                )
            )
        return element(
            "table", head, *bodies, id="matrix", role="grid", aria_label="Every case and quantity", class_="cells"
        )

    def _row(self, i: int, row: Row) -> Html:
        cells = [cell(result) for result in self._checks(row)]
        bad = any(r is not None and r.status in ("failed", "undeclared") for r in self._checks(row))
        heading = element("th", element("span", row.name), scope="row", title=row.name)
        return element("tr", heading, *cells, data_r=i, class_="bad" if bad else None)

    def data(self) -> dict[str, Any]:
        """What the cells stand for, in the order of the table."""
        return {
            "columns": [[quantity, k] for quantity in self.quantities for k in range(len(self.dtypes))],
            "rows": [
                {
                    "ids": [row.trials[d].id if d in row.trials else "" for d in self.dtypes],
                    "note": self.texts[comment(next(iter(row.trials.values())))],
                    "sizes": next(iter(row.trials.values())).case.sizes,
                    "by": ORACLES[row.oracle],
                    "checks": [numbers(result, self.texts) for result in self._checks(row)],
                }
                for row in self.rows
            ],
        }


class Behaviour:
    """The table of behaviours of a report: a check in every dtype is a row."""

    def __init__(self, report: Report, texts: Texts) -> None:
        self.texts = texts
        results = [r for r in report.results if r.behaviour]
        self.dtypes = list(dict.fromkeys(r.id.rpartition(":")[2] for r in results))
        self.checks = {
            name: {r.id.rpartition(":")[2]: r for r in results if r.quantity == name}
            for name in CHECKS
            if any(r.quantity == name for r in results)
        }
        self.failed = [r for r in results if r.status == "failed"]
        self.sizes = report.sizes

    def table(self) -> Html:
        """The behaviours as a table, with what is wrong under those that fail."""
        head = element(
            "tr", element("th", "behaviour", scope="col"), *(element("th", dtype, scope="col") for dtype in self.dtypes)
        )
        body = [self._row(i, name) for i, name in enumerate(self.checks)]
        return element(
            "table",
            element("thead", head),
            element("tbody", *body),
            id="behaviour",
            role="grid",
            aria_label="Checks of behaviour",
            class_="cells",
        )

    def _row(self, i: int, name: str) -> Html:
        results = self.checks[name]
        wrong = {d: r.message.removeprefix(f"{name}: ") for d, r in results.items() if r.status == "failed"}
        same = len(set(wrong.values())) == 1
        said = list(dict.fromkeys(clipped(m) if same else f"{d}: {clipped(m)}" for d, m in wrong.items()))
        heading = element(
            "th",
            element("code", name),
            element("span", sentence(name), class_="what"),
            *(element("span", given(message), class_="why") for message in said),
            scope="row",
        )
        return element("tr", heading, *(cell(results.get(dtype)) for dtype in self.dtypes), data_r=i)

    def data(self) -> dict[str, Any]:
        """What the cells stand for, in the order of the table."""
        return {
            "columns": [[dtype, k] for k, dtype in enumerate(self.dtypes)],
            "rows": [
                {
                    "ids": [results[d].id if d in results else "" for d in self.dtypes],
                    "note": self.texts[sentence(name)],
                    "sizes": self.sizes[next(iter(results.values())).trial],
                    "checks": [numbers(results.get(dtype), self.texts) for dtype in self.dtypes],
                }
                for name, results in self.checks.items()
            ],
        }


def sentence(name: str) -> str:
    """What a check of behaviour asserts; empty where Python runs without docstrings."""
    return cleandoc(CHECKS[name].__doc__ or "").partition("\n")[0]


def cell(result: CheckResult | None) -> Html:
    """A cell: its class is its colour, and what it says tells the same."""
    return element("td", class_="x") if result is None else element("td", label(result), class_=cell_class(result))


def numbers(result: CheckResult | None, texts: Texts) -> list[Any] | int:
    """What a cell stands for, short: [status, message] or [status, numbers...]; 0 if there is no such check."""
    if result is None:
        return 0
    status = STATUSES.index(result.status)
    told = result.comparison
    if told is None or told.reason:
        return [status, texts[result.message.removeprefix(f"{result.quantity}: ")]]
    values = (told.share, told.expected, told.actual, told.allowed)
    return [status, told.wrong, told.total, told.index, *(number(value) for value in values)]


def anchor(result: CheckResult) -> Html:
    """A link that opens a check's numbers."""
    return element("a", joined(element("code", result.id)), href=f"#{result.id}", class_="check")
