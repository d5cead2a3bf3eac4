"""Everything that computes an LSTM, by name; frameworks are imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from conformance.case import Case, Implementation
from conformance.errors import CandidateError, OracleError
from conformance.implementations.training import Trainer
from lstm_ref.training import SGD, Adam, Model
from lstm_ref.training.losses import Loss

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
ONNX_FILE = "onnx:"
"""What the name of a graph in an ONNX file begins with, as in ``onnx:model.onnx``."""
FRAMEWORKS = ("torch", "keras", "tensorflow", "flint", "onnx", "onnxruntime")


@cache
def built_in(name: str, seldom: bool = False, often: bool = False) -> Implementation:
    """The implementation called `name`: one of `BUILT_IN` or of `FORWARD_ONLY`.

    Parameters
    ----------
    name : str
    seldom : bool
        Whether few cases of a kind are to come, so that tracing a function for the kind takes longer than it saves.
    often : bool
        Whether many small cases are to come, one after the other, so that modules are better kept than made for each.

    Raises
    ------
    CandidateError
        If there is none of that name.
    OracleError
        If its framework is not installed.
    """
    if name not in BUILT_IN | FORWARD_ONLY:
        raise CandidateError(f"there is no implementation {name!r}; the built-in ones are {', '.join(BUILT_IN)}.")
    module = _installed(name, (BUILT_IN | FORWARD_ONLY)[name])
    manner = "eager" if seldom else "often" if often else "compute"
    compute: Implementation = getattr(module, manner, module.compute)
    return compute


def trainer(name: str) -> Callable[[Model, Loss, SGD | Adam], Trainer]:
    """What makes a trainer of a model, a loss and an optimizer in the framework called `name`: one of `ORACLES`.

    Raises
    ------
    OracleError
        If the framework is not installed.
    """
    made: Callable[[Model, Loss, SGD | Adam], Trainer] = _installed(name, f"{BUILT_IN[name]}_training").Trainer
    return made


def refusal(name: str, case: Case) -> str:
    """Why the implementation called `name` cannot compute a case; empty if it can."""
    if name.startswith(ONNX_FILE):
        return str(onnx_file(name).refusal(case))
    return str(_installed(name, REFUSALS[name]).refusal(case)) if name in REFUSALS else ""


def onnx_file(name: str) -> Any:
    """The `conformance.implementations.onnx_graph.Graph` of a name that begins with `ONNX_FILE`.

    Raises
    ------
    CandidateError
        If it is no graph with one LSTM that can be given cases.
    OracleError
        If onnx or onnxruntime is not installed.
    """
    return _installed("onnxruntime", "onnx_graph").opened(name)


def _installed(name: str, module: str) -> Any:
    """A module of what is called `name`, or an error that says what is not installed."""
    try:
        return import_module(f"conformance.implementations.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in FRAMEWORKS:
            raise OracleError(
                f"{name} needs {error.name}, which is not installed: pip install 'lstm-conformance[{NEEDS[name]}]'"
            ) from error
        raise


def name_of(function: object) -> str:
    """The name of a built-in implementation, and none of any other function."""
    module = getattr(function, "__module__", "")
    return next((name for name, file in (BUILT_IN | FORWARD_ONLY).items() if module == f"{__name__}.{file}"), "")
