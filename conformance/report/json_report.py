"""The report as JSON, its schema, and the comparison with an earlier one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from conformance.diagnosis.finding import Diagnosis, Finding
from conformance.errors import BaselineError
from conformance.judging.trajectory import Trajectory
from conformance.report.files import write_json
from conformance.trial.results import CheckResult, OfProgram, Report
from conformance.trial.runner import environment

GREW = 10.0
"""An error that grew by more than this factor is reported, though it is still allowed."""
NOISE = 0.01
"""Below this share of the allowed error, growth is not worth a word."""
RAN = frozenset(("passed", "failed", "remark"))
"""The statuses of a check that was judged."""


FORMAT = 2
"""The version of the report's schema."""


def standing(report: Report, profile: str) -> str:
    """What there is to say of a profile: the verdict, unless it asks for gradients and the candidate gives none."""
    if profile == "training" and report.profile != profile and not report.gives_gradients:
        return "not asked for; it gives no gradients"
    return report.verdict(profile)


def headline(report: Report) -> str:
    """The verdict in a line: what of it is about numbers, and how many remarks there are."""
    remarks = len({result.quantity for result in report.remarks})
    told = f", with {remarks} remark{'s' * (remarks > 1)}" if remarks else ""
    right = ": all numbers are right" if report.conforms() else ", though all numbers are right"
    return f"{report.verdict()}{told}{right if report.numbers_right else ''}"


def not_given(report: Report) -> str:
    """How many cases a framework was not given, and why."""
    count = sum(report.not_given.values())
    reasons = "; ".join(f"{reason} ({cases})" for reason, cases in report.not_given.items())
    return f"{count} case{'s' * (count > 1)}, though it has all of their features: {reasons}"


def program_line(told: OfProgram) -> str:
    """How often a program was begun again, and which checks of behaviour it was not put to."""
    times = f" {told.restarts} time{'s' * (told.restarts > 1)}" if told.restarts else ""
    exempt = "; ".join(f"{name} ({reason})" for name, reason in told.exempt.items())
    return f"A program: {'begun again' + times if times else 'never begun again'}; not put to {exempt}"


def explained(report: Report) -> str:
    """What a diagnosis explains."""
    if not report.failures:
        return "remarks"
    return "failing checks and remarks" if report.strict and report.remarks else "failing checks"


def by_message(results: Sequence[CheckResult]) -> dict[str, list[str]]:
    """Each message to the checks that have it."""
    found: dict[str, list[str]] = {}
    for result in results:
        found.setdefault(result.message, []).append(result.id)
    return found


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
        "evidence": " ".join(fault.evidence for fault in finding.faults if fault.evidence),
    }


def followed(trajectory: Trajectory) -> dict[str, Any]:
    """A training with all its losses."""
    return {
        "task": trajectory.task,
        "dtype": trajectory.dtype,
        "own": trajectory.own,
        "left": trajectory.left,
        "ended": trajectory.ended,
        "worst": number(trajectory.worst),
        "expected": trajectory.expected.tolist(),
        "allowed": trajectory.allowed.tolist(),
        "actual": [number(loss) for loss in trajectory.actual.tolist()],
    }


def of_program(told: OfProgram) -> dict[str, Any]:
    """What there is to tell of a program."""
    return {
        "restarts": told.restarts,
        "not_put_to": [{"check": name, "reason": reason} for name, reason in told.exempt.items()],
        "standard_error": [{"case": trial, "text": text} for trial, text in told.said.items()],
    }


NOTHING = Diagnosis()


def as_dict(report: Report, diagnosis: Diagnosis) -> dict[str, Any]:
    """The report as plain values, as `schema` describes them."""
    smallest = report.smallest_failure
    return {
        "format": FORMAT,
        "candidate": report.candidate,
        "against": report.against,
        "profile": report.profile,
        "verdict": report.verdict(),
        "numbers_right": report.numbers_right,
        "profiles": {
            name: {"verdict": report.verdict(name), "counts": report.counts(name)} for name in report.profiles
        },
        "counts": report.counts(),
        "without": sorted(report.without),
        "features": {
            "asked": list(report.asked),
            "not_asked": list(report.not_asked),
            "not_met": list(report.not_met),
        },
        "not_given": [{"reason": reason, "cases": count} for reason, count in report.not_given.items()],
        "unknown": list(report.unknown),
        "strict": report.strict,
        "remarks": [{"kind": r.quantity, "dtype": r.id.rpartition(":")[2], "text": r.message} for r in report.remarks],
        "not_judged": [{"check": r.id, "text": r.message} for r in report.not_judged],
        "failures": [failure(result) for result in report.failures],
        "diagnosis": [explanation(finding) for finding in diagnosis.findings],
        "established": [asdict(statement) for statement in diagnosis.statements],
        "smallest_failure": None if smallest is None else failure(smallest),
        "checks": [
            {"id": r.id, "status": r.status, "share": None if r.share is None else number(round(r.share, 6))}
            for r in report.results
        ],
        "trajectories": [followed(trajectory) for trajectory in report.trajectories],
        "program": None if report.program is None else of_program(report.program),
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
        Checks that fail now and did not then, or were not there.
    gone : tuple of str
        Checks that ran then and do not now, or could not be judged, and new ones that could not.
    known : tuple of str
        Checks that failed then and fail now.
    mended : tuple of str
        Checks that failed then and pass now.
    grown : tuple of (str, float, float)
        Check, share of the allowed error then, share now: more than ten times as much, and allowed still.
    """

    newly_failing: tuple[str, ...]
    gone: tuple[str, ...]
    known: tuple[str, ...]
    mended: tuple[str, ...]
    grown: tuple[tuple[str, float, float], ...]

    @property
    def regressed(self) -> bool:
        """Whether a check fails newly or runs no more; what is known to fail is no regression."""
        return bool(self.newly_failing or self.gone)


def compare_with(report: Report, path: Path) -> Changes:
    """Compare with the report in a file.

    Raises
    ------
    BaselineError
        If there is no such file, or it is no report.
    """
    try:
        whole = json.loads(path.read_text())
        old = {check["id"]: check for check in whole["checks"]}
        shares = {id: check["share"] for id, check in old.items()}
        ran = {id for id, check in old.items() if check["status"] in RAN}
        failed = {id for id, check in old.items() if check["status"] in against(bool(whole.get("strict")))}
    except OSError as error:
        raise BaselineError(f"the baseline {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BaselineError(f"the baseline {path} is no report that `check --json` wrote: {error!r}.") from error
    now = {result.id: result for result in report.of_profile(report.profile)}
    gone = [id for id in old if id in ran and (id not in now or now[id].status not in RAN)]
    gone += [id for id, result in now.items() if id not in old and result.status == "not judged"]
    grown = []
    for id, result in now.items():
        before = shares.get(id)
        if result.status != "passed" or id in failed or result.share is None or not isinstance(before, int | float):
            continue
        if result.share > max(before, NOISE / GREW) * GREW:
            grown.append((id, float(before), result.share))
    failing = [id for id, result in now.items() if result.status in against(report.strict)]
    newly = [id for id in failing if id not in failed]
    known = [id for id in failing if id in failed]
    mended = [
        id for id, result in now.items() if id in failed and result.status in ("passed", "remark") and id not in known
    ]
    return Changes(tuple(newly), tuple(gone), tuple(known), tuple(mended), tuple(grown))


def against(strict: bool) -> frozenset[str]:
    """The statuses of a check that count against a candidate."""
    return frozenset(("failed", "undeclared", *(["remark"] if strict else [])))


def schema() -> dict[str, Any]:
    """The JSON Schema that every report keeps: ``report.schema.json`` beside this file."""
    text = resources.files("conformance.report").joinpath("report.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded
