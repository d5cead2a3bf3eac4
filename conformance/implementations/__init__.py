"""Everything that computes an LSTM, by name; frameworks are imported when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from conformance.case import Case, Implementation
from conformance.errors import CandidateError, OracleError

BUILT_IN = {"ref": "reference", "torch": "pytorch", "keras": "keras", "certified": "certified"}
ORACLES = ("torch", "keras")
NEEDS = {"torch": "torch", "keras": "keras", "certified": "certify"}


@cache
def built_in(name: str) -> Implementation:
    """The implementation called `name`: "ref", "torch", "keras" or "certified".

    Raises
    ------
    CandidateError
        If there is none of that name.
    OracleError
        If its framework is not installed.
    """
    if name not in BUILT_IN:
        raise CandidateError(f"there is no implementation {name!r}; the built-in ones are {', '.join(BUILT_IN)}.")
    try:
        module = import_module(f"conformance.implementations.{BUILT_IN[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("torch", "keras", "tensorflow", "flint"):
            raise OracleError(
                f"{name} needs {error.name}, which is not installed: pip install 'lstm-conformance[{NEEDS[name]}]'"
            ) from error
        raise
    compute: Implementation = module.compute
    return compute


def refusal(name: str, case: Case) -> str:
    """Why the implementation called `name` cannot compute a case; empty if it can."""
    module = import_module(f"conformance.implementations.{BUILT_IN[name]}")
    told = getattr(module, "refusal", None)
    return "" if told is None else str(told(case))
