"""How a bug is entered into the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.case import Case, Result
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.bugs.seen import SEEN

GROUPS = ("weights", "cell", "states", "backward")


@dataclass(frozen=True)
class Bug:
    """A catalogued bug.

    Attributes
    ----------
    slug : str
        Its id.
    group : str
        One of `GROUPS`: what part of an LSTM it is in.
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
    """

    slug: str
    group: str
    title: str
    shows: str
    repair: str
    family: str
    make: type[HookableLSTM]

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
    group: str, slug: str, title: str, shows: str, repair: str, family: str = ""
) -> Callable[[type[HookableLSTM]], type[HookableLSTM]]:
    """Enter a class as a bug; a slug may be entered once."""

    def entered(kind: type[HookableLSTM]) -> type[HookableLSTM]:
        if slug in REGISTRY:
            raise ValueError(f"{slug} is in the catalogue already")
        if group not in GROUPS:
            raise ValueError(f"{group} is no group")
        REGISTRY[slug] = Bug(slug, group, title, shows, repair, family or slug, kind)
        return kind

    return entered
