"""From a failed trial to the bug that explains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.case import Case
from conformance.diagnosis import Diagnosis
from conformance.runner import Report


def diagnose(function: Callable[[Case], Any], report: Report) -> Diagnosis:
    """Which catalogued bugs a failing candidate has, and what else can be established about it."""
    return Diagnosis()
