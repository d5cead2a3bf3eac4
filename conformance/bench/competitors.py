"""Whom lstm_ref is timed beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from types import MappingProxyType

from conformance.case import Case
from conformance.errors import OracleError
from conformance.implementations.prepared import Prepared


@dataclass(frozen=True)
class Competitor:
    """Somebody who computes the same, or the part of it that cannot be left out.

    Attributes
    ----------
    title : str
        For people.
    source : str
        ``module:function``; the function makes a `Prepared` of a case.
    needs : tuple of str
        The modules that have to be installed.
    extra : str
        The optional dependency that installs them.
    """

    title: str
    source: str
    needs: tuple[str, ...] = ()
    extra: str = ""

    def prepare(self) -> Callable[[Case, bool], Prepared]:
        """The function that makes a case ready, with whatever it imports."""
        module, _, name = self.source.partition(":")
        function: Callable[[Case, bool], Prepared] = getattr(import_module(module), name)
        return function

    @property
    def missing(self) -> str:
        """What is not installed and how to install it; empty if everything is."""
        absent = [name for name in self.needs if find_spec(name) is None]
        if not absent:
            return ""
        return f"needs {' and '.join(absent)}, not installed: pip install 'lstm-conformance[{self.extra}]'"


COMPETITORS: Mapping[str, Competitor] = MappingProxyType(
    {
        "torch": Competitor("PyTorch", "conformance.implementations.pytorch:prepared", ("torch",), "torch"),
        "keras": Competitor(
            "Keras (traced)", "conformance.implementations.keras:prepared", ("keras", "tensorflow"), "keras"
        ),
        "onnxruntime": Competitor(
            "onnxruntime", "conformance.implementations.onnx:runtime", ("onnx", "onnxruntime"), "onnx"
        ),
        "onnx": Competitor(
            "onnx's reference evaluator", "conformance.implementations.onnx:evaluator", ("onnx", "onnxruntime"), "onnx"
        ),
        "matmul": Competitor("the bare matrix products in NumPy", "conformance.bench.floor:prepared"),
    }
)


def chosen(wanted: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """(The competitors to time, those that are left out with the reason).

    Parameters
    ----------
    wanted : sequence of str or None
        Names; None for all that are installed.

    Raises
    ------
    OracleError
        If one that is asked for by name is unknown or not installed.
    """
    for name in wanted or ():
        if name not in COMPETITORS:
            raise OracleError(f"there is no competitor {name!r}; there are {', '.join(COMPETITORS)}.")
        if COMPETITORS[name].missing:
            raise OracleError(f"{name} {COMPETITORS[name].missing}")
    missing = {name: why for name, competitor in COMPETITORS.items() if (why := competitor.missing)}
    if wanted is None:
        return [name for name in COMPETITORS if name not in missing], missing
    return list(dict.fromkeys(wanted)), {}


def versions(names: Sequence[str]) -> dict[str, str]:
    """Version by package of whatever these competitors run on."""
    packages = packages_distributions()
    modules = dict.fromkeys(module for name in names for module in COMPETITORS[name].needs)
    return {package: version(package) for module in modules for package in packages.get(module, [])[:1]}
