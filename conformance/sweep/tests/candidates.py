"""Candidates that go wrong in a way of their own in cases of many steps."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from conformance.case import Case, Result
from conformance.implementations.reference import compute

LONG = 60
"""From so many steps on."""
FLAG = Path("was-killed")
"""A file in the current folder."""


def wrong(case: Case) -> Result:
    result = dict(compute(case))
    if case.sizes[1] >= LONG:
        result["c"] = 2 * result["c"] + 1
    return result


def killer(case: Case) -> Result:
    """The same; the first of these cases kills the process that asked for it, which is a sweep's."""
    if case.sizes[1] >= LONG and not FLAG.exists():
        FLAG.touch()
        os.kill(os.getppid(), signal.SIGKILL)
    return wrong(case)


def crashing(case: Case) -> Result:
    if case.sizes[1] >= LONG:
        os._exit(3)
    return compute(case)


def raising(case: Case) -> Result:
    if case.sizes[1] >= LONG:
        raise ValueError("too long")
    return compute(case)


def hanging(case: Case) -> Result:
    while case.sizes[1] >= LONG:
        pass
    return compute(case)


def forward(case: Case) -> Result:
    return {name: a for name, a in compute(case).items() if name in ("output", "h", "c")}


def foreign(case: Case) -> Result:
    return {"y": compute(case)["output"]}
