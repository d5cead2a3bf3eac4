"""The whole catalogue."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from conformance.diagnosis.bugs.entry import GROUPS, REGISTRY, Bug

__all__ = ["GROUPS", "Bug", "bugs"]


@cache
def bugs() -> dict[str, Bug]:
    """Slug to bug, group by group."""
    for group in GROUPS:
        import_module(f"conformance.diagnosis.bugs.in_{group}")
    return dict(sorted(REGISTRY.items(), key=lambda entry: GROUPS.index(entry[1].group)))  # whoever imported what first
