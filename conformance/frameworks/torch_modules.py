"""Modules of PyTorch: their parameters, how they are called, and their gradients.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from conformance.errors import CandidateError
from conformance.frameworks.calls import Call, by_signature
from conformance.frameworks.with_torch import compiling, gradients, stack
from lstm_ref.params import FloatArray

__all__ = ["call_of", "differentiated", "gates_of", "made", "rebuilt", "require_one_layer", "shapes_of", "stack"]


def rebuilt(module: torch.nn.Module) -> Callable[[int, int], torch.nn.Module] | None:
    """What makes modules like a given one of PyTorch's own of other sizes; None for other classes."""
    if type(module) is torch.nn.LSTM:
        bias, batch_first = module.bias, module.batch_first
        return lambda D, H: torch.nn.LSTM(D, H, bias=bias, batch_first=batch_first)
    if type(module) is torch.nn.LSTMCell:
        cell_bias = module.bias
        return lambda D, H: torch.nn.LSTMCell(D, H, bias=cell_bias)
    return None


def require_one_layer(module: torch.nn.Module) -> None:
    """Refuse what is more than one plain layer.

    Raises
    ------
    CandidateError
        For several layers, two directions or a projection.
    """
    for inner in _plain(module).modules():
        if isinstance(inner, torch.nn.LSTM):
            more = {
                f"num_layers={inner.num_layers}": inner.num_layers > 1,
                "bidirectional=True": inner.bidirectional,
                f"proj_size={inner.proj_size}": inner.proj_size > 0,
            }
            if told := [name for name, there in more.items() if there]:
                raise CandidateError(
                    f"the LSTM has {', '.join(told)}: conformance.module takes one plain layer. Make it without, or write a candidate "
                    "that takes the case, declared with features=(...)."
                )


def made(
    factory: Callable[[int, int], torch.nn.Module], D: int, H: int, dtype: str, call: Call, zeros: list[FloatArray]
) -> torch.nn.Module:
    """A module of these sizes and this dtype, in evaluation mode."""
    return factory(D, H).to(getattr(torch, dtype)).requires_grad_(True).eval()


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of its parameters, by name."""
    return {name: tuple(weight.shape) for name, weight in _plain(module).named_parameters()}


def gates_of(module: torch.nn.Module) -> str:
    """The order of its gates, if all parameters belong to an LSTM of PyTorch's; else none."""
    plain = _plain(module)
    owners = {name: plain.get_submodule(name.rpartition(".")[0]) for name, _ in plain.named_parameters()}
    return "ifgo" if all(isinstance(owner, torch.nn.LSTM | torch.nn.LSTMCell) for owner in owners.values()) else ""


def call_of(module: torch.nn.Module) -> Call:
    """How a module is called.

    Raises
    ------
    CandidateError
        If its signature does not tell.
    """
    plain = _plain(module)
    if isinstance(plain, torch.nn.LSTM):
        return Call(_layer, "btf" if plain.batch_first else "tbf")
    if isinstance(plain, torch.nn.LSTMCell):
        return Call(_cell, "btf")
    return by_signature(type(plain).__name__, plain.forward)


def _layer(module: Any, x: Any, h0: Any, c0: Any) -> Any:
    return module(x, (h0[None], c0[None]))


def _cell(module: Any, x: Any, h0: Any, c0: Any) -> Any:
    outputs, pair = [], (h0, c0)
    for t in range(x.shape[1]):
        pair = module(x[:, t], pair)
        outputs.append(pair[0])
    return outputs, pair


def differentiated(
    module: torch.nn.Module,
    forward: Callable[..., dict[str, Any]],
    inputs: list[FloatArray],
    values: list[FloatArray],
    cotangents: Mapping[str, FloatArray] | None,
) -> tuple[dict[str, Any], list[Any]]:
    """What a module gives with these values of its parameters, and the gradients of inputs and of parameters."""
    parameters = list(_plain(module).parameters())
    with torch.no_grad():
        for parameter, array in zip(parameters, values, strict=True):
            parameter.copy_(torch.tensor(array))
    tensors = [torch.tensor(np.ascontiguousarray(a), requires_grad=cotangents is not None) for a in inputs]
    with torch.set_grad_enabled(cotangents is not None), compiling():
        given = forward(module, *tensors)
        return given, [] if cotangents is None else [*gradients(given, [*tensors, *parameters], cotangents)]


def _plain(module: torch.nn.Module) -> torch.nn.Module:
    """The module in what `torch.compile` made of it."""
    return getattr(module, "_orig_mod", module)
