"""What a diagnosis says: which bugs a candidate has, and what is established about it whatever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Fault:
    """One of several bugs that act together: what the code does, what to change, and where it was read, with numbers."""

    title: str
    repair: str
    evidence: str = ""


@dataclass(frozen=True)
class Finding:
    """One explanation of a candidate's failures.

    Attributes
    ----------
    bugs : tuple of str
        Slugs of the catalogue that act together, one or more.
    certain : bool
        Whether nothing else that was tried gives what the candidate gave, and this gives all of it.
    title : str
        What the code does; with numbers where there are several bugs.
    explains, of : int
        How many of the failing checks it explains, and how many were looked at.
    repair : str
        What to change.
    faults : tuple of Fault
        The same of each of `bugs` by itself, for who lists them.
    note : str
        The end of `repair`, which belongs to none of them.
    """

    bugs: tuple[str, ...]
    certain: bool
    title: str
    explains: int
    of: int
    repair: str
    faults: tuple[Fault, ...] = ()
    note: str = ""


class Predicate(Protocol):
    """What a statement says, to be asked of any LSTM."""

    def contradicted(self, draws: Sequence[Any]) -> bool:
        """Whether these draws show that it is not so."""


@dataclass(frozen=True)
class Statement:
    """Something established about a candidate by calling it with constructed inputs.

    Attributes
    ----------
    right : bool
        Whether it says that something is right, rather than wrong.
    text : str
        A sentence.
    claim : Predicate or None
        What it says as a predicate, which can be asked of any LSTM; None where it only counts cases of the trial.
    """

    right: bool
    text: str
    claim: Predicate | None = None


def is_right(text: str) -> Statement:
    """A statement that something is right."""
    return Statement(True, text)


def is_wrong(text: str) -> Statement:
    """A statement that something is wrong."""
    return Statement(False, text)


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a candidate that does not conform.

    Attributes
    ----------
    findings : tuple of Finding
        Best first; several where they cannot be told apart, none where the catalogue has none.
    statements : tuple of Statement
        What was established by probing, where the findings do not explain everything.
    """

    findings: tuple[Finding, ...] = ()
    statements: tuple[Statement, ...] = ()
