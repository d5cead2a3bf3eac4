"""A forward-only function of a framework's arrays as a candidate with all gradients: ``conformance.autograd``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.cases.features import features
from conformance.errors import CandidateError
from conformance.frameworks.returned import named
from conformance.layouts.layout import Layout
from conformance.trial.arrays import as_array
from conformance.trial.declare import ATTRIBUTE, COMPILES_ATTRIBUTE, COTANGENTS, INHERITED, declared

ENGINES = {"torch": "with_torch", "jax": "with_jax", "tensorflow": "with_tensorflow"}
"""Framework to the module that differentiates with it."""
EXTRAS = {"torch": "torch", "jax": "jax", "flax": "jax", "tensorflow": "keras", "keras": "keras"}
"""What is imported to the extra that installs it."""


def autograd(framework: str, layout: Layout | None = None) -> Callable[[Callable[..., Any]], Differentiated]:
    """Turn a forward-only function of a framework's arrays into a candidate with all gradients.

    The function is called as ``function(x, h0, c0, *weights)``, with what `layout.inputs` and `layout.weights` give as that
    framework's arrays, of the case's dtype: ``(x, h0, c0, W, U, b)`` if nothing else is said. A case without bias has zeros for
    it. What `conformance.candidate` declares that it is without, ``h0``, ``c0`` or ``bias``, it is not given. It returns
    ``output, h, c`` or ``output, (h, c)``, a mapping of these names, or the output alone; a list of steps is stacked.

    Parameters
    ----------
    framework : str
        "torch", "jax" or "tensorflow".
    layout : Layout, optional
        The function's own; the case's when not given: gates i, f, c, o, kernel (D, 4H), batch first.

    Examples
    --------
    ::

        @conformance.autograd("torch", layout=conformance.Layout(gates="ifgo"))
        def lstm(x, h0, c0, W, U, b):
            ...
            return output, h, c

    Raises
    ------
    CandidateError
        If there is no such framework, or it is not installed.
    """
    if not isinstance(framework, str) or framework not in ENGINES:
        given = "it was given a function" if callable(framework) else f"{framework!r} is none of them"
        raise CandidateError(f'write @conformance.autograd("torch"), or one of {", ".join(ENGINES)}: {given}.')
    engine = loaded(ENGINES[framework])
    return lambda function: Differentiated(function, engine, layout or Layout())


def loaded(module: str) -> Any:
    """A module of this package that imports a framework.

    Raises
    ------
    CandidateError
        If the framework is not installed.
    """
    try:
        return import_module(f"conformance.frameworks.{module}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise CandidateError(
            f"{package} is needed and not installed: pip install 'lstm-conformance[{EXTRAS[package]}]'"
        ) from error


class Declaring(ABC):
    """A candidate that keeps declarations, those of what is in it and those that are made of itself.

    Parameters
    ----------
    inner : object
        What it calls; declarations made of it hold.
    lacks : frozenset of str
        What it is known to be without, whatever else is declared.
    """

    def __init__(self, inner: Any, lacks: frozenset[str] = frozenset()) -> None:
        self._lacks = lacks
        for name in INHERITED:
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        if lacks:
            setattr(self, ATTRIBUTE, declared(self))
        setattr(self, COMPILES_ATTRIBUTE, True)
        self.__name__ = getattr(inner, "__name__", type(inner).__name__)
        self.__module__ = getattr(inner, "__module__", type(inner).__module__)
        self.__doc__ = getattr(inner, "__doc__", None)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value | self._lacks if name == ATTRIBUTE else value)

    @abstractmethod
    def __call__(self, case: Case) -> Result:
        """Outputs, states and gradients of a case."""


class Differentiated(Declaring):
    """A function with its framework's gradients, as a candidate.

    Parameters
    ----------
    function : callable
        As `autograd` takes it.
    engine : module
        One of `ENGINES`.
    layout : Layout
    """

    def __init__(self, function: Callable[..., Any], engine: Any, layout: Layout) -> None:
        super().__init__(function)
        self.function, self.engine, self.layout = function, engine, layout

    def __call__(self, case: Case) -> Result:
        """Outputs, states and gradients of a case.

        Raises
        ------
        CandidateError
            If the case has features, which the function is not told of, or the function gave what it should not.
        """
        without = declared(self)
        require_plain(case)
        weights = self.layout.weights(case.params)
        if "bias" in without:
            weights = weights[: -self.layout.biases]
        inputs = [array for name, array in inputs_of(case, self.layout).items() if name not in without]
        names = [f"d_{name}" for name in inputs_of(case, self.layout) if name not in without]

        def forward(*arguments: Any) -> dict[str, Any]:
            return named(self.function(*arguments), case, self.layout, without, self.engine.stack)

        cotangents = cotangents_of(case, self.layout, without)
        given, gradients = self.engine.differentiated(forward, [*inputs, *weights], cotangents)
        arrays = as_arrays(given, case)
        if gradients is None:
            return self.layout.result(case, **arrays)
        of_inputs = as_arrays(dict(zip(names, gradients, strict=False)), case)
        of_weights = [as_arrays(given, case) for given in gradients[len(names) :]]
        return self.layout.result(case, weights=of_weights, **arrays, **of_inputs)


def require_plain(case: Case) -> None:
    """Refuse a case with more than a plain LSTM has: nothing of it would reach a function of x, states and weights."""
    if more := features(case):
        raise CandidateError(
            f"the case asks for {', '.join(sorted(more))}, of which a function or a module that is differentiated is not "
            "told; declare no features, or write a candidate that takes the case itself."
        )


def inputs_of(case: Case, layout: Layout) -> dict[str, Any]:
    """x, h0 and c0 in a layout."""
    return dict(zip(("x", "h0", "c0"), layout.inputs(case), strict=True))


def cotangents_of(case: Case, layout: Layout, without: frozenset[str]) -> dict[str, Any] | None:
    """Of output, h and c the cotangents in a layout; None if the candidate is to give no gradients."""
    if without >= COTANGENTS:
        return None
    return dict(zip(("output", "h", "c"), layout.cotangents(case), strict=True))


def as_arrays(given: Any, case: Case) -> Any:
    """A framework's arrays as NumPy's; those in lists and mappings too."""
    if isinstance(given, dict):
        return {name: as_arrays(value, case) for name, value in given.items()}
    if isinstance(given, list):
        return [as_arrays(value, case) for value in given]
    return np.asarray(as_array(given, case.dtype))
