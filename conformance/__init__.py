"""The suite that puts an LSTM on trial: cases, oracles, comparisons and verdicts.

@conformance.candidate(without=("d_h", "d_c"))
def lstm(case):
    ...
    return {"output": output, "h": h, "c": c, "d_x": d_x, ...}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.case import GRADIENTS, QUANTITIES, Case, Implementation, Result
    from conformance.languages.program import process
    from conformance.layouts.layout import Layout, one_sample_at_a_time
    from conformance.layouts.unknown.files import read_arrays
    from conformance.layouts.unknown.finding import LayoutFinding, find_layout
    from conformance.trial.declare import candidate
    from conformance.trial.doors import parametrize

_HOME = {
    "candidate": "trial.declare",
    "GRADIENTS": "case",
    "QUANTITIES": "case",
    "Case": "case",
    "Implementation": "case",
    "Result": "case",
    "parametrize": "trial.doors",
    "LayoutFinding": "layouts.unknown.finding",
    "find_layout": "layouts.unknown.finding",
    "read_arrays": "layouts.unknown.files",
    "Layout": "layouts.layout",
    "one_sample_at_a_time": "layouts.layout",
    "process": "languages.program",
}
"""Public name to the module that has it."""

__all__ = [
    "GRADIENTS",
    "QUANTITIES",
    "Case",
    "Implementation",
    "Layout",
    "LayoutFinding",
    "Result",
    "candidate",
    "find_layout",
    "one_sample_at_a_time",
    "parametrize",
    "process",
    "read_arrays",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: pytest loads this package in every run of anybody's tests."""
    if name not in _HOME:
        raise AttributeError(f"module 'conformance' has no attribute {name!r}")
    found = getattr(import_module(f"conformance.{_HOME[name]}"), name)
    globals()[name] = found
    return found
