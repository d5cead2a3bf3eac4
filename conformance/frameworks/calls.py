"""How a module is called with x, h0 and c0."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.errors import CandidateError


@dataclass(frozen=True)
class Call:
    """How a module is called.

    Attributes
    ----------
    function : callable
        Takes the module, x, h0 and c0, or the module and x, and gives what `returned.named` takes.
    axes : str
        The axes of x, if its class tells; see `Layout`.
    stateless : bool
        Whether it takes x alone.
    """

    function: Callable[..., Any]
    axes: str = ""
    stateless: bool = False

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not take."""
        return frozenset(("h0", "c0")) if self.stateless else frozenset()


HOW: dict[int, Callable[..., Any]] = {
    1: lambda module, x: module(x),
    2: lambda module, x, h0, c0: module(x, (h0, c0)),
    3: lambda module, x, h0, c0: module(x, h0, c0),
}
"""How many arguments a module has to how it is called."""
IGNORED = ("training", "mask", "train", "deterministic")
"""Arguments that say nothing of the states."""


def by_signature(name: str, forward: Callable[..., Any]) -> Call:
    """How somebody's own module is called, by how many arguments it has.

    Raises
    ------
    CandidateError
        If that does not tell.
    """
    count = _count(forward)
    if count not in HOW:
        raise CandidateError(
            f"{name} takes {inspect.signature(forward)}: expected x, or x and a pair (h, c), or x, h, c. Say how it is called, as "
            "call=lambda module, x, h0, c0: module(...)."
        )
    return Call(HOW[count], stateless=count == 1)


def given_call(call: Callable[..., Any]) -> Call:
    """The caller's own way.

    Raises
    ------
    CandidateError
        If it takes something else than the module, x, h0, c0, or the module and x.
    """
    count = _count(call)
    if count not in (2, 4):
        raise CandidateError(
            f"call takes {inspect.signature(call)}, expected call(module, x, h0, c0), or call(module, x) of a module without states."
        )
    return Call(call, stateless=count == 2)


def _count(function: Callable[..., Any]) -> int:
    """How many arguments a function has by position; -1 if any number."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return -1
    return len([each for each in parameters if each.kind in kinds and each.name not in IGNORED])
