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
    from conformance.case import GRADIENTS, QUANTITIES, Case, Implementation, Options, Result
    from conformance.declare import candidate
    from conformance.doors import parametrize
    from conformance.layout import Layout, one_sample_at_a_time
    from conformance.unknown_layout.files import read_arrays
    from conformance.unknown_layout.finding import LayoutFinding, find_layout

_HOME = {
    "candidate": "declare",
    "GRADIENTS": "case",
    "QUANTITIES": "case",
    "Case": "case",
    "Implementation": "case",
    "Options": "case",
    "Result": "case",
    "parametrize": "doors",
    "LayoutFinding": "unknown_layout.finding",
    "find_layout": "unknown_layout.finding",
    "read_arrays": "unknown_layout.files",
    "Layout": "layout",
    "one_sample_at_a_time": "layout",
}
"""Public name to the module that has it."""

__all__ = [
    "GRADIENTS",
    "QUANTITIES",
    "Case",
    "Implementation",
    "Layout",
    "LayoutFinding",
    "Options",
    "Result",
    "candidate",
    "find_layout",
    "one_sample_at_a_time",
    "parametrize",
    "read_arrays",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: pytest loads this package in every run of anybody's tests."""
    if name not in _HOME:
        raise AttributeError(f"module 'conformance' has no attribute {name!r}")
    found = getattr(import_module(f"conformance.{_HOME[name]}"), name)
    globals()[name] = found
    return found
