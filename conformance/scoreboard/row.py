"""A line of the scoreboard: what came of one engine's trial, out of its JSON report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from conformance.case import is_gradient
from conformance.cases.features import FEATURES
from conformance.fixtures.store import directory, read_manifest
from conformance.scoreboard.engine import FINDINGS, Engine

PLAIN = "plain"
"""What cases without any feature are called among the features."""
ORDER = ("does not conform", "incomplete", "conforms")


@dataclass(frozen=True)
class Row:
    """What came of an engine.

    Attributes
    ----------
    name, title, version : str
    verdict : str
        That of its report, or "not tried".
    profiles : mapping of str to str
        Profile to verdict.
    features : mapping of str to str
        Feature, and `PLAIN`, to the verdict of the cases that have it; what no case was given has none.
    without : tuple of str
    worst : float, str or None
        The largest error over the allowed one; "inf" or "nan" as text.
    remarks : tuple of str
        Their texts.
    diagnosis : str
        In a line; empty if nothing failed.
    design : str
    findings : mapping of str to str
        The programs that show it without this package, by file name: what each says, in a line.
    problem : str
        Why it was not tried.
    checks, failed : int
    seconds : float
        How long the trial took.
    """

    name: str
    title: str
    version: str
    verdict: str
    profiles: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    worst: float | str | None = None
    remarks: tuple[str, ...] = ()
    diagnosis: str = ""
    design: str = ""
    findings: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    checks: int = 0
    failed: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        return asdict(self)


def not_tried(engine: Engine, problem: str) -> Row:
    """The row of an engine that could not be installed or tried."""
    return Row(engine.name, engine.title, engine.version, "not tried", problem=problem)


def row(engine: Engine, report: Mapping[str, Any], seconds: float) -> Row:
    """The row of a report that `check --json` wrote."""
    gives_gradients = report["profile"] != "forward"
    profiles = {name: of["verdict"] for name, of in report["profiles"].items() if name != "training" or gives_gradients}
    wrong = report["verdict"] == "does not conform"
    checks = [check for check in report["checks"] if gives_gradients or not is_gradient(check["id"].rpartition(":")[2])]
    return Row(
        engine.name,
        engine.title,
        engine.version,
        report["verdict"],
        profiles,
        by_feature(checks),
        tuple(report["without"]),
        worst(checks),
        tuple(dict.fromkeys(remark["text"] for remark in report["remarks"])),
        diagnosis(report) if wrong else "",
        engine.design if wrong else "",
        {name: headline(FINDINGS / name) for name in engine.findings} if wrong else {},
        "",
        report["counts"]["checks"],
        report["counts"]["failed"],
        round(seconds, 1),
    )


@cache
def _features_of_vectors() -> dict[str, tuple[str, ...]]:
    vectors = read_manifest(directory())["vectors"]
    return {vector["id"]: tuple(vector.get("features", ())) or (PLAIN,) for vector in vectors}


def by_feature(checks: list[dict[str, Any]]) -> dict[str, str]:
    """Feature to the verdict of the checks on cases that have it; in the order of `FEATURES`."""
    known = _features_of_vectors()
    met: dict[str, set[str]] = {}
    for check in checks:
        vector = check["id"].partition(":")[0].rpartition("-")[0]
        status = {"failed": ORDER[0], "undeclared": ORDER[0], "not judged": ORDER[1], "passed": ORDER[2]}
        if vector in known and check["status"] in status:
            for feature in known[vector]:
                met.setdefault(feature, set()).add(status[check["status"]])
    verdicts = {feature: next(word for word in ORDER if word in words) for feature, words in met.items()}
    return {feature: verdicts[feature] for feature in (PLAIN, *FEATURES) if feature in verdicts}


def worst(checks: list[dict[str, Any]]) -> float | str | None:
    """The largest share of an allowed error; what is not finite is larger than any number."""
    shares = [check["share"] for check in checks if check["share"] is not None]
    odd = [share for share in shares if isinstance(share, str)]
    return odd[0] if odd else max(shares, default=None)


def diagnosis(report: Mapping[str, Any]) -> str:
    """What is said of a failure, in a line."""
    return PLACE.sub(r"(\1, line", _diagnosis(report))


PLACE = re.compile(r"\(/[^()]*/([^/()]+), line")
"""Where an exception came from, with the folders of the machine."""


def headline(program: Path) -> str:
    """What a program among the findings says is wrong: the first sentence of its head."""
    first = program.read_text(encoding="utf-8").splitlines()[0]
    return first.strip('"/ ').removesuffix(".")


def _diagnosis(report: Mapping[str, Any]) -> str:
    for finding in report["diagnosis"]:
        sure = "" if finding["certain"] else "perhaps "
        return f"{sure}{' + '.join(finding['bugs'])}: {finding['title']} ({finding['explains']} of {finding['of']} failing checks)"
    wrong = [statement["text"] for statement in report["established"] if not statement["right"]]
    smallest = report["smallest_failure"]
    return wrong[0] if wrong else smallest["message"] if smallest else ""
