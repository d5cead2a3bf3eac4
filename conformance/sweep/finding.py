"""Looking into a case that disagrees: is it so again, how small can it be made, and the file that `repro` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from conformance.case import Case, Result
from conformance.cases.file import as_bytes
from conformance.errors import OracleError
from conformance.implementations import BUILT_IN, built_in
from conformance.report.files import write_bytes
from conformance.sweep.block import afresh, drawn, judge_of
from conformance.sweep.judge import Judge, Verdict
from conformance.sweep.plan import Failing, Plan
from conformance.sweep.shrink import FEW, shrink
from conformance.trial.call import Caller

CRASHES = ("crashed", "ended", "closed", "wrote")
"""How the failures begin after which the candidate's process has to be begun again."""
SLOW = "gave no result"
"""How the failure begins of a call that ran out of time."""


@dataclass(frozen=True)
class Finding:
    """A case that disagrees, made small.

    Attributes
    ----------
    number : int
        Of the case that it was made of.
    verdict : Verdict
        On the case as it is now, by the certified values if these can be told; right, if nothing was wrong any more.
    calls : int
        How often the candidate was called to make it small.
    expected : mapping or None
        The true values; None if the certified evaluator cannot tell.
    """

    number: int
    verdict: Verdict
    calls: int
    expected: Result | None

    @property
    def case(self) -> Case:
        """The small case."""
        return self.verdict.case

    @property
    def kind(self) -> str:
        """What is wrong in it."""
        return self.verdict.kind


def look_into(plan: Plan, failing: Failing, call: Caller) -> Finding:
    """Compute a case that disagrees again, and make it small."""
    judge = judge_of(plan)
    verdict = judge(case := drawn(plan, failing.number, call)[1], afresh(call, case))
    if verdict.right:
        return Finding(failing.number, verdict, 0, None)
    most = 0 if verdict.failure.startswith(SLOW) else FEW if verdict.failure.startswith(CRASHES) else None
    shrunk = shrink(verdict, lambda case: judge(case, afresh(call, case)), most)
    for each in (shrunk.verdict, verdict):
        small = each.case
        named = replace(
            small, id="-".join([small.id, *(f"{n}{size}" for n, size in zip("BTDH", small.sizes, strict=True))])
        )
        try:
            certain = _certain(judge, named, call)
            expected = built_in("certified")(named)
        except OracleError:
            return Finding(failing.number, replace(each, case=named), shrunk.calls, None)
        if not certain.right:
            return Finding(failing.number, certain, shrunk.calls, expected)
    return Finding(failing.number, certain, shrunk.calls, expected)


def _certain(judge: Judge, case: Case, call: Caller) -> Verdict:
    outcome = afresh(call, case)
    return judge(case, outcome) if outcome.failure or outcome.not_judged else judge.arbitrated(case, outcome)


def save(finding: Finding, plan: Plan, folder: Path) -> Path | None:
    """Write the case into a folder, under a name that no other case has; None if there are no true values to write.

    A file that holds the very same stays as it is.
    """
    if finding.expected is None:
        return None
    content, first = as_bytes(finding.case, finding.expected), f"{_slug(plan.candidate)}-{finding.case.id}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = folder / f"{first}{f'-{number}' if number > 1 else ''}.safetensors"
        if not path.exists():
            write_bytes(path, content)
            return path
        if path.read_bytes() == content:
            return path
    raise AssertionError("numbers have ended")


def _slug(candidate: str) -> str:
    """The candidate in a file's name."""
    if candidate in BUILT_IN:
        return candidate
    source, _, name = candidate.rpartition(":")
    return re.sub(r"[^\w.]+", "-", f"{Path(source).stem if source.endswith('.py') else source}-{name}")
