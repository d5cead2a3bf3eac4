"""A candidate given as text: ``path/to/file.py:name``, ``package.module:name``, ``onnx:FILE`` or a built-in name."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.case import Case, Result
from conformance.cases.features import features
from conformance.errors import CandidateError, ConformanceError
from conformance.implementations import BUILT_IN, FORWARD_ONLY, ONNX_FILE, built_in, onnx_file
from conformance.trial.declare import candidate


def find(spec: str) -> Callable[..., Any]:
    """The callable that a CANDIDATE text names.

    Raises
    ------
    CandidateError
        If the file, the module or the name is not there, importing it raises, or it is not callable.
    OracleError
        If it is a built-in one whose framework is not installed.
    """
    if spec in BUILT_IN | FORWARD_ONLY:
        return built_in(spec)
    if spec.startswith(ONNX_FILE):
        return _from_onnx(spec)
    source, colon, name = spec.rpartition(":")
    if not colon:
        if spec.endswith(".py") or "/" in spec:
            raise CandidateError(f"{spec} names a file and no function in it: write {spec}:NAME.")
        raise CandidateError(
            f"{spec!r} is no candidate: write path/to/file.py:NAME, package.module:NAME, onnx:FILE, "
            f"or one of {', '.join(BUILT_IN | FORWARD_ONLY)}."
        )
    module = _from_file(Path(source)) if source.endswith(".py") else _from_module(source)
    function: Any = module
    for part in name.split("."):
        try:
            function = getattr(function, part)
        except AttributeError:
            public = sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
            raise CandidateError(f"{source} has no {name!r}; it has {', '.join(public) or 'no functions'}.") from None
    if not callable(function):
        raise CandidateError(f"{spec} is a {type(function).__name__}, expected a callable that takes a case.")
    return function  # type: ignore[no-any-return]  # whatever the user's file holds


def _from_onnx(spec: str) -> Callable[..., Any]:
    """The graph of an ONNX file, which is given the cases of its own direction and options."""
    graph = onnx_file(spec)
    has = features(graph.probe) | ({"mask", "zero-output"} if graph.masks else set())

    @candidate(without=graph.without, features=has)
    def lstm(case: Case) -> Result:
        result: Result = graph.compute(case)
        return result

    return lstm


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise CandidateError(f"there is no file {path}.")
    name = f"lstm_candidate_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path.resolve())
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses and pickles look their module up there
    sys.path.insert(0, str(path.resolve().parent))  # its neighbours are importable, as when it is run
    _run(str(path), lambda: specification.loader.exec_module(module))  # type: ignore[union-attr]  # asserted above
    return module


def _from_module(name: str) -> Any:
    if "" not in sys.path:
        sys.path.insert(0, "")  # packages in the current folder, as with python -m
    return _run(name, lambda: importlib.import_module(name))


def _run(source: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except SyntaxError as error:
        raise CandidateError(f"{error.filename or source}, line {error.lineno}: {error.msg}.") from error
    except ModuleNotFoundError as error:
        if error.name == source or source.startswith(f"{error.name}."):
            raise CandidateError(f"there is no module {error.name!r} to import from here.") from error
        raise CandidateError(f"{source} could not be imported: {error}.") from error
    except ConformanceError as error:  # of a declaration or a layout in it: it says itself what to do
        raise CandidateError(f"{source}: {error}") from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        raise CandidateError(
            f"{source} raised {type(error).__name__} when it was imported: {text} ({frame.filename}, line {frame.lineno})."
        ) from error


def imports_conformance(function: Callable[..., Any]) -> bool:
    """Whether the module in which a candidate stands imports this package."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[getattr(function, "__module__", "")]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return False
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return any(name.partition(".")[0] == "conformance" for name in names)
