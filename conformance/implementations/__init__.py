"""Everything that computes an LSTM, by name; frameworks are imported when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from conformance.case import Case, Implementation
from conformance.errors import CandidateError, OracleError

BUILT_IN = {"ref": "reference", "torch": "pytorch", "keras": "keras", "certified": "certified"}
"""What can be a candidate by its name alone: everything that has gradients, in both dtypes."""
FORWARD_ONLY = {"onnxruntime": "onnx", "onnx": "onnx_evaluator"}
"""What gives outputs and final states alone; onnxruntime in float32."""
ORACLES = ("torch", "keras")
REFUSALS = {
    "torch": "pytorch_refusal",
    "keras": "keras_refusal",
    "onnxruntime": "onnx",
    "onnx": "onnx_evaluator",
}
"""Where it stands what an implementation cannot compute; the others can compute everything."""
NEEDS = {"torch": "torch", "keras": "keras", "certified": "certify", "onnxruntime": "onnx", "onnx": "onnx"}
FRAMEWORKS = ("torch", "keras", "tensorflow", "flint", "onnx", "onnxruntime")


@cache
def built_in(name: str, seldom: bool = False) -> Implementation:
    """The implementation called `name`: one of `BUILT_IN` or of `FORWARD_ONLY`.

    Parameters
    ----------
    name : str
    seldom : bool
        Whether few cases of a kind are to come, so that tracing a function for the kind takes longer than it saves.

    Raises
    ------
    CandidateError
        If there is none of that name.
    OracleError
        If its framework is not installed.
    """
    if name not in BUILT_IN | FORWARD_ONLY:
        raise CandidateError(f"there is no implementation {name!r}; the built-in ones are {', '.join(BUILT_IN)}.")
    try:
        module = _module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in FRAMEWORKS:
            raise OracleError(
                f"{name} needs {error.name}, which is not installed: pip install 'lstm-conformance[{NEEDS[name]}]'"
            ) from error
        raise
    compute: Implementation = getattr(module, "eager", module.compute) if seldom else module.compute
    return compute


def name_of(function: object) -> str:
    """The name of a built-in implementation, and none of any other function."""
    module = getattr(function, "__module__", "")
    return next((name for name, file in BUILT_IN.items() if module == f"{__name__}.{file}"), "")


def refusal(name: str, case: Case) -> str:
    """Why the implementation called `name` cannot compute a case; empty if it can."""
    if name not in REFUSALS:
        return ""
    return str(import_module(f"{__name__}.{REFUSALS[name]}").refusal(case))


def _module(name: str) -> Any:
    return import_module(f"{__name__}.{(BUILT_IN | FORWARD_ONLY)[name]}")
