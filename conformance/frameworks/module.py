"""A module of a framework as a candidate: ``conformance.module``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.errors import CandidateError
from conformance.fixtures.store import Golden, golden
from conformance.frameworks.calls import Call, given_call
from conformance.frameworks.function import Declaring, as_arrays, cotangents_of, inputs_of, loaded, require_plain
from conformance.frameworks.parameters import AmbiguousError, D, H, Placement, placed
from conformance.frameworks.returned import named
from conformance.judging.compare import compare_quantity
from conformance.layouts.layout import Layout
from conformance.trial.declare import ATTRIBUTE, COTANGENTS, declared, meets

HOMES = {"keras": "keras_layers", "torch": "torch_modules", "flax": "flax_modules"}
"""The package in which a module's base class stands to the module here that knows it."""


def module(given: Any, layout: Layout | None = None, call: Callable[..., Any] | None = None) -> Module:
    """Turn a module of one LSTM layer into a candidate with all gradients.

    Parameters
    ----------
    given : callable, or a module
        Takes D and H and makes a module of these sizes, which cases have many of: a class or a function. An instance will do if
        it is of the framework's own class, as ``torch.nn.LSTM(1, 1, batch_first=True)``: its sizes do not matter.
    layout : Layout, optional
        What parameters do not tell by their names and shapes: the order of the gates where one parameter has all of them,
        whether one for x and h has x first, and the axes of x and output, batch first when not given.
    call : callable, optional
        ``call(module, x, h0, c0)`` gives what `autograd` takes from a function. When not given, the framework's own classes are
        known, and others are called as ``module(x, (h0, c0))``, ``module(x, h0, c0)`` or ``module(x)``, by how many arguments
        they have.

    Examples
    --------
    ::

        lstm = conformance.module(torch.nn.LSTM(1, 1, batch_first=True))
        mine = conformance.module(MyLSTM, layout=conformance.Layout(gates="ifgo"))  # MyLSTM(D, H)

    Raises
    ------
    CandidateError
        If it is no module of one LSTM layer, or something is to be asked for.
    """
    factory = given
    if not _makes(given):
        home = _home(given)
        home.require_one_layer(given)
        factory = home.rebuilt(given)
        if factory is None:
            name = type(given).__name__
            raise CandidateError(
                f"a {name} has one size, and cases have many: give what makes one for D input features and H units, as "
                f"conformance.module(lambda D, H: {name}(D, H))."
            )
    try:
        probe = factory(D, H)
    except Exception as error:
        raise CandidateError(
            f"no module could be made with D={D}, H={H}: {type(error).__name__}: {error}. Give conformance.module what takes D and H "
            "and makes one, as conformance.module(lambda D, H: MyLSTM(D, H))."
        ) from error
    home = _home(probe)
    home.require_one_layer(probe)
    how = home.call_of(probe) if call is None else given_call(call)
    named_axes = how.axes or (layout or Layout()).axes
    maker = _Maker(factory, home, how, named_axes)
    probe = maker(D, H, "float32")
    shapes = home.shapes_of(probe)
    try:
        placement = placed(shapes, layout, home.gates_of(probe), named_axes)
    except AmbiguousError as error:
        raise CandidateError(f"{error} {_tried(maker, shapes, error.open)}") from None
    return Module(maker, placement, tuple(shapes))


class _Maker:
    """Makes modules, one for each size and dtype.

    Parameters
    ----------
    factory : callable
    home : module
        What knows the framework's modules.
    call : Call
    axes : str
        Of x, as `Layout` has them.
    """

    def __init__(self, factory: Callable[[int, int], Any], home: Any, call: Call, axes: str) -> None:
        self.factory, self.home, self.call, self.layout = factory, home, call, Layout(axes=axes)
        self._made: dict[tuple[int, int, str], Any] = {}

    def __call__(self, D: int, H: int, dtype: str) -> Any:
        """A module for D input features and H units."""
        key = D, H, dtype
        if key not in self._made:
            x, state = np.zeros((2, 3, D), dtype), np.zeros((2, H), dtype)
            zeros = [self.layout.sequence(x), *([] if self.call.stateless else [self.layout.state(state)] * 2)]
            self._made[key] = self.home.made(self.factory, D, H, dtype, self.call, zeros)
        return self._made[key]


class Module(Declaring):
    """Modules of a framework, made for each case's sizes, as a candidate.

    Parameters
    ----------
    maker : callable
    placement : Placement
    names : tuple of str
        Of the parameters, in their order.
    """

    def __init__(self, maker: _Maker, placement: Placement, names: tuple[str, ...]) -> None:
        super().__init__(
            maker.factory, maker.call.lacks | (frozenset() if placement.has_bias else frozenset(("bias",)))
        )
        self.maker, self.placement, self.names = maker, placement, names

    def __call__(self, case: Case) -> Result:
        """Outputs, states and gradients of a case.

        Raises
        ------
        CandidateError
            If the case has features, the module gave what it should not, or it is not of the sizes that it was to be.
        """
        without, layout, home, call = declared(self), self.placement.layout, self.maker.home, self.maker.call
        require_plain(case)
        _, _, D, H = case.sizes
        module = self.maker(D, H, case.dtype.name)
        shapes = dict(zip(self.names, home.shapes_of(module).values(), strict=True))
        values = self.placement.values(case.params, shapes)
        inputs = {name: array for name, array in inputs_of(case, layout).items() if name not in call.lacks}

        def forward(module: Any, *arguments: Any) -> dict[str, Any]:
            return named(call.function(module, *arguments), case, layout, without, home.stack)

        cotangents = cotangents_of(case, layout, without)
        given, gradients = home.differentiated(
            module, forward, [*inputs.values()], [values[name] for name in self.names], cotangents
        )
        if not gradients:
            return layout.result(case, **as_arrays(given, case))
        of_inputs = dict(zip((f"d_{name}" for name in inputs), gradients, strict=False))
        of_weights = dict(zip(self.names, gradients[len(inputs) :], strict=True))
        arrays = as_arrays(given | of_inputs, case)
        return layout.result(case, weights=self.placement.gradients(as_arrays(of_weights, case)), **arrays)


def _makes(given: Any) -> bool:
    """Whether it makes modules: a class, or a function."""
    return inspect.isclass(given) or (callable(given) and not _bases(type(given)))


def _bases(kind: type) -> list[str]:
    return [name for base in kind.__mro__ if (name := base.__module__.partition(".")[0]) in HOMES]


def _home(made: Any) -> Any:
    bases = _bases(type(made))
    if not bases:
        raise CandidateError(
            f"what was made is a {type(made).__name__}, expected a module of PyTorch, a layer of Keras or a module of Flax."
        )
    return loaded(HOMES[bases[0]])


def _tried(maker: _Maker, shapes: dict[str, tuple[int, ...]], open: tuple[Layout, ...]) -> str:
    """With which of the layouts that are open the outputs of one case are right, in words."""
    right = []
    for layout in open:
        candidate = Module(maker, placed(shapes, layout), tuple(shapes))
        setattr(candidate, ATTRIBUTE, COTANGENTS)
        vector = _telling(declared(candidate))
        try:
            output = candidate(vector.case)["output"]
        except Exception as error:  # noqa: BLE001 - it is somebody's module
            return f"(It could not be tried: {type(error).__name__}: {error})"
        if compare_quantity(vector.case, "output", output, vector.expected, vector.allowed).passed:
            right.append(layout)
    if len(right) != 1:
        return f"Of the {len(open)} that there are, none gives an LSTM's outputs." if not right else ""
    (found,) = right
    joined = f', joined="{found.joined}"' if found.joined else ""
    return f'With layout=conformance.Layout(gates="{found.gates}"{joined}) it gives an LSTM\'s outputs.'


def _telling(without: frozenset[str]) -> Golden:
    """A golden vector with enough in it to tell layouts apart, that a candidate without that can be given."""
    return next(v for v in golden(("float64",)) if meets(v.case, without) and 2 < min(v.case.sizes[1:]) < 9)
