"""How a bug is entered into the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from conformance.case import Case, Result
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.bugs.met import MET
from conformance.diagnosis.bugs.seen import SEEN
from conformance.implementations.equations import Equations

GROUPS = ("weights", "cell", "states", "backward")
"""Of the plain LSTM."""
NETWORK_GROUPS = ("layers", "directions", "masks", "variants", "options")
"""Of what networks have beyond it."""

Kind = TypeVar("Kind", type[HookableLSTM], type[Equations])


@dataclass(frozen=True)
class Bug:
    """A catalogued bug.

    Attributes
    ----------
    slug : str
        Its id.
    group : str
        One of `GROUPS` or `NETWORK_GROUPS`: what part of an LSTM it is in.
    title : str
        What the code does, in a line.
    shows : str
        How it shows, and under what it hides.
    repair : str
        What to change.
    family : str
        The family it is a member of; its own slug if of none.
    make : type
        The LSTM with the bug.
    needs : frozenset of str
        The features, of `conformance.cases.features`, without which a case does not meet it; none of a plain bug.
    read_off : bool
        Whether it is none of the catalogue, but what may be read off a candidate besides.
    """

    slug: str
    group: str
    title: str
    shows: str
    repair: str
    family: str
    make: type[HookableLSTM] | type[Equations]
    needs: frozenset[str] = frozenset()
    read_off: bool = False

    @property
    def seen(self) -> tuple[str, ...]:
        """Where it, or its family, was seen in public."""
        return SEEN.get(self.slug, SEEN.get(self.family, ()))

    def candidate(self) -> Callable[[Case], Result]:
        """The bug as a candidate; what it keeps between calls, if that is the bug, lives in this one."""
        kept = self.make()
        return lambda case: kept(case)


REGISTRY: dict[str, Bug] = {}


def enter(
    group: str,
    slug: str,
    title: str,
    shows: str,
    repair: str,
    family: str = "",
    needs: str = "",
    *,
    read_off: bool = False,
) -> Callable[[Kind], Kind]:
    """Enter a class as a bug; a slug may be entered once. What it needs is given as words."""

    def entered(kind: Kind) -> Kind:
        if slug in REGISTRY:
            raise ValueError(f"{slug} is in the catalogue already")
        if group not in GROUPS + NETWORK_GROUPS:
            raise ValueError(f"{group} is no group")
        REGISTRY[slug] = Bug(
            slug,
            group,
            title,
            MET.get(slug, shows),
            repair,
            family or slug,
            kind,
            frozenset(needs.split()),
            read_off and slug not in MET,
        )
        return kind

    return entered
