"""Modules of Flax, of linen and of nnx: their parameters, how they are called, and their gradients.

Source: https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/recurrent.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from conformance.errors import CandidateError
from conformance.frameworks.calls import Call, by_signature
from conformance.frameworks.with_jax import differentiated as differentiated_by_jax
from conformance.frameworks.with_jax import stack
from lstm_ref.params import FloatArray

__all__ = ["call_of", "differentiated", "gates_of", "made", "rebuilt", "require_one_layer", "shapes_of", "stack"]

LINEN_CELLS = (linen.LSTMCell, linen.OptimizedLSTMCell)
NNX_CELLS = (nnx.LSTMCell, nnx.OptimizedLSTMCell)


@dataclass(frozen=True)
class _Made:
    """A module, and its parameters as a tree.

    Attributes
    ----------
    module : Module
    parameters : tree of arrays
    apply : callable
        Calls the module with a tree like it as its parameters, and with arguments.
    """

    module: Any
    parameters: Any
    apply: Callable[..., Any]


def rebuilt(module: Any) -> Callable[[int, int], Any] | None:
    """What makes modules like a given one of Flax's own of other sizes; None for other classes."""
    if type(module) in LINEN_CELLS:
        return lambda D, H: linen.RNN(module.clone(features=H))
    if type(module) is linen.RNN and type(module.cell) in LINEN_CELLS:
        return lambda D, H: module.clone(cell=module.cell.clone(features=H))
    return None


def require_one_layer(module: Any) -> None:
    """Refuse what is no plain layer.

    Raises
    ------
    CandidateError
        For two directions, or a layer that reads from the end.
    """
    if isinstance(module, linen.Bidirectional | nnx.Bidirectional):
        raise CandidateError(
            "a Bidirectional is more than one layer: conformance.module takes one plain layer. Give it the layer inside, or write a "
            "candidate that takes the case, declared with features=(...)."
        )
    if isinstance(module, linen.RNN | nnx.RNN) and module.reverse:
        raise CandidateError("the RNN has reverse=True: conformance.module takes one plain layer. Make it without.")


def made(factory: Callable[[int, int], Any], D: int, H: int, dtype: str, call: Call, zeros: list[FloatArray]) -> _Made:
    """A module of these sizes, and the tree of its parameters."""
    module = factory(D, H)
    if isinstance(module, nnx.Module):
        graph, parameters, *rest = nnx.split(module, nnx.Param, ...)
        return _Made(
            module, parameters, _compiled(module, lambda tree, *a, **k: nnx.merge(graph, tree, *rest)(*a, **k))
        )

    def initialised(key: Any) -> Any:
        arrays = [jnp.asarray(array) for array in zeros]
        return module.init(key, *arrays, method=lambda self, *given: call.function(self, *given))

    variables = jax.eval_shape(initialised, jax.random.key(0))
    if others := set(variables) - {"params"}:
        raise CandidateError(
            f"the module keeps {', '.join(sorted(others))} besides parameters, which an LSTM does not."
        )
    apply = _compiled(module, lambda tree, *a, **k: module.apply({"params": tree}, *a, **k))
    return _Made(module, variables["params"], apply)


def _compiled(module: Any, apply: Callable[..., Any]) -> Callable[..., Any]:
    """An RNN of Flax's compiled, as its scan is compiled anew for each call otherwise; of others, that is their own affair."""
    return jax.jit(apply, static_argnames=("return_carry",)) if isinstance(module, linen.RNN | nnx.RNN) else apply


def shapes_of(made: _Made) -> dict[str, tuple[int, ...]]:
    """The shapes of its parameters, by path."""
    paths, _ = jax.tree_util.tree_flatten_with_path(made.parameters)
    return {_name(path): tuple(leaf.shape) for path, leaf in paths}


def _name(path: tuple[Any, ...]) -> str:
    keys = [getattr(step, "key", getattr(step, "name", getattr(step, "idx", ""))) for step in path]
    return ".".join(str(key) for key in keys if key != "value")


def gates_of(made: _Made) -> str:
    """The order of its gates, if it is an LSTM of Flax's in which names do not tell it."""
    cell = made.module.cell if isinstance(made.module, nnx.RNN) else made.module
    return "ifgo" if isinstance(cell, NNX_CELLS) else ""


def call_of(module: Any) -> Call:
    """How a module is called; Flax's carry is (c, h).

    Raises
    ------
    CandidateError
        If its signature does not tell.
    """
    if isinstance(module, linen.RNN | nnx.RNN):
        return Call(_layer, "tbf" if module.time_major else "btf")
    if isinstance(module, (*LINEN_CELLS, *NNX_CELLS)):
        return Call(_cell)
    return by_signature(type(module).__name__, module.__call__)


def _layer(module: Any, x: Any, h0: Any, c0: Any) -> Any:
    (c, h), outputs = module(x, initial_carry=(c0, h0), return_carry=True)
    return outputs, h, c


def _cell(module: Any, x: Any, h0: Any, c0: Any) -> Any:
    outputs, carry = [], (c0, h0)
    for t in range(x.shape[1]):
        carry, output = module(carry, x[:, t])
        outputs.append(output)
    return outputs, carry[1], carry[0]


def differentiated(
    made: _Made,
    forward: Callable[..., dict[str, Any]],
    inputs: list[FloatArray],
    values: list[FloatArray],
    cotangents: Mapping[str, FloatArray] | None,
) -> tuple[dict[str, Any], list[Any]]:
    """What a module gives with these values of its parameters, and the gradients of inputs and of parameters."""
    structure = jax.tree.structure(made.parameters)

    def of_arrays(*arrays: Any) -> dict[str, Any]:
        tree = jax.tree.unflatten(structure, arrays[len(inputs) :])
        return forward(partial(made.apply, tree), *arrays[: len(inputs)])

    arrays = [np.ascontiguousarray(array) for array in (*inputs, *values)]
    given, gradients = differentiated_by_jax(of_arrays, arrays, cotangents)
    return given, gradients or []
