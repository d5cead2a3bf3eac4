"""The suite that puts an LSTM on trial: cases, oracles, comparisons and verdicts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.case import GRADIENTS, QUANTITIES, Case, Implementation, Options, Result

__all__ = ["GRADIENTS", "QUANTITIES", "Case", "Implementation", "Options", "Result"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: pytest loads this package in every run of anybody's tests."""
    if name in __all__:
        return getattr(import_module("conformance.case"), name)
    raise AttributeError(f"module 'conformance' has no attribute {name!r}")
