"""The report as JSON, its schema, and the comparison with an earlier one."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from conformance.diagnosis.finding import Diagnosis, Finding
from conformance.errors import BaselineError
from conformance.report.files import write_json
from conformance.trial.runner import PROFILES, CheckResult, Report, environment

GREW = 10.0
"""An error that grew by more than this factor is reported, though it is still allowed."""
NOISE = 0.01
"""Below this share of the allowed error, growth is not worth a word."""


def verdict(conforms: bool) -> str:
    """The verdict in words."""
    return "conforms" if conforms else "does not conform"


def standing(report: Report, profile: str) -> str:
    """What there is to say of a profile: the verdict, unless it asks for gradients and the candidate gives none."""
    if profile == "training" and report.profile != profile and not report.gives_gradients:
        return "not asked for; it gives no gradients"
    return verdict(report.conforms(profile))


def number(value: float) -> float | str:
    """A number that JSON can hold: infinities and NaN as text."""
    return value if math.isfinite(value) else str(value)


def failure(result: CheckResult) -> dict[str, Any]:
    """A failed check with its numbers; null where there are none to tell."""
    told = result.comparison if result.comparison is not None and not result.comparison.reason else None
    return {
        "case": result.trial,
        "quantity": result.quantity,
        "index": told.index if told else None,
        "expected": number(told.expected) if told else None,
        "actual": number(told.actual) if told else None,
        "error": number(abs(told.actual - told.expected)) if told else None,
        "allowed": number(told.allowed) if told else None,
        "message": result.message,
    }


def explanation(finding: Finding) -> dict[str, Any]:
    """A finding without what only lists need."""
    return {
        "bugs": list(finding.bugs),
        "certain": finding.certain,
        "title": finding.title,
        "explains": finding.explains,
        "of": finding.of,
        "repair": finding.repair,
    }


NOTHING = Diagnosis()


def as_dict(report: Report, diagnosis: Diagnosis) -> dict[str, Any]:
    """The report as plain values, as `schema` describes them."""
    smallest = report.smallest_failure
    return {
        "candidate": report.candidate,
        "against": report.against,
        "profile": report.profile,
        "verdict": verdict(report.conforms()),
        "profiles": {
            name: {"verdict": verdict(report.conforms(name)), "counts": report.counts(name)} for name in PROFILES
        },
        "counts": report.counts(),
        "without": sorted(report.without),
        "unknown": list(report.unknown),
        "failures": [failure(result) for result in report.failures],
        "diagnosis": [explanation(finding) for finding in diagnosis.findings],
        "established": [asdict(statement) for statement in diagnosis.statements],
        "smallest_failure": None if smallest is None else failure(smallest),
        "checks": [
            {"id": r.id, "status": r.status, "share": None if r.share is None else number(round(r.share, 6))}
            for r in report.results
        ],
        "environment": environment(),
    }


def write(report: Report, path: Path, diagnosis: Diagnosis = NOTHING) -> None:
    """Write the report as JSON, whole or not at all."""
    write_json(path, as_dict(report, diagnosis))


@dataclass(frozen=True)
class Changes:
    """What is different from an earlier report.

    Attributes
    ----------
    newly_failing : tuple of str
        Checks that passed then and fail now.
    gone : tuple of str
        Checks that ran then and do not now.
    grown : tuple of (str, float, float)
        Check, share of the allowed error then, share now: more than ten times as much, and allowed still.
    """

    newly_failing: tuple[str, ...]
    gone: tuple[str, ...]
    grown: tuple[tuple[str, float, float], ...]

    @property
    def regressed(self) -> bool:
        """Whether a check fails newly or runs no more."""
        return bool(self.newly_failing or self.gone)


def compare_with(report: Report, path: Path) -> Changes:
    """Compare with the report in a file.

    Raises
    ------
    BaselineError
        If there is no such file, or it is no report.
    """
    try:
        old = {check["id"]: check for check in json.loads(path.read_text())["checks"]}
        shares = {id: check["share"] for id, check in old.items()}
        ran = {id for id, check in old.items() if check["status"] in ("passed", "failed")}
        passed = {id for id, check in old.items() if check["status"] == "passed"}
    except OSError as error:
        raise BaselineError(f"the baseline {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BaselineError(f"the baseline {path} is no report that `check --json` wrote: {error!r}.") from error
    now = {result.id: result for result in report.results}
    gone = [id for id in old if id in ran and (id not in now or now[id].status not in ("passed", "failed"))]
    grown = []
    for id, result in now.items():
        before = shares.get(id)
        if result.status != "passed" or id not in passed or result.share is None or not isinstance(before, int | float):
            continue
        if result.share > max(before, NOISE / GREW) * GREW:
            grown.append((id, float(before), result.share))
    failing = [id for id, result in now.items() if result.status == "failed" and id in passed]
    return Changes(tuple(failing), tuple(gone), tuple(grown))


def schema() -> dict[str, Any]:
    """The JSON Schema that every report keeps: ``report.schema.json`` beside this file."""
    text = resources.files("conformance.report").joinpath("report.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded
