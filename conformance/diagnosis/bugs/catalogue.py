"""The whole catalogue."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from conformance.diagnosis.bugs.entry import GROUPS, NETWORK_GROUPS, REGISTRY, Bug

__all__ = ["GROUPS", "NETWORK_GROUPS", "Bug", "bugs", "network_bugs", "readable"]

READ_OFF = (
    "read_off_gates", "read_off_carries", "read_off_sums", "read_off_forward", "read_off_weights", "read_off_time", "read_off_sizes",
    "read_off_states", "read_off_terms", "read_off_cut", "read_off_products", "read_off_kept",
)  # fmt: skip


@cache
def bugs() -> dict[str, Bug]:
    """Slug to bug of the plain LSTM, group by group."""
    return _of(GROUPS)


@cache
def network_bugs() -> dict[str, Bug]:
    """Slug to bug of what only networks have: several layers or directions, masks, options."""
    return _of(NETWORK_GROUPS)


@cache
def readable() -> dict[str, Bug]:
    """Slug to all that can be read off the plain LSTM: the catalogue's bugs, and what is in no catalogue."""
    return bugs() | {bug.slug: bug for bug in REGISTRY.values() if bug.read_off}


def _of(groups: tuple[str, ...]) -> dict[str, Bug]:
    for module in (*(f"in_{group}" for group in groups), *READ_OFF):
        import_module(f"conformance.diagnosis.bugs.{module}")
    entered = [bug for bug in REGISTRY.values() if bug.group in groups and not bug.read_off]
    return {
        bug.slug: bug for bug in sorted(entered, key=lambda bug: groups.index(bug.group))
    }  # whoever imported what first
