"""Gradients by PyTorch's autograd, of a function of tensors.

Source: https://pytorch.org/docs/stable/generated/torch.autograd.grad.html.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from conformance.errors import CandidateError
from lstm_ref.params import FloatArray

RECOMPILATIONS = 10_000
"""So many recompilations are allowed: ``torch.compile`` gives up after eight and runs the function without a word as it is written."""


def differentiated(
    forward: Callable[..., dict[str, Any]], arguments: list[Any], cotangents: Mapping[str, FloatArray] | None
) -> tuple[dict[str, Any], list[Any] | None]:
    """What a function gives for arguments, and the gradients with respect to them.

    Parameters
    ----------
    forward : callable
        Takes a tensor, or a list of them, for each argument, and gives named tensors.
    arguments : list of arrays, or of lists of arrays
    cotangents : mapping of str to array, or None
        Of what `forward` gives; None if there are to be no gradients.

    Raises
    ------
    CandidateError
        If nothing that it gives depends on an argument as far as autograd sees, or it wrote to an argument.
    """
    leaves: list[tuple[FloatArray, torch.Tensor]] = []

    def leaf(array: FloatArray) -> torch.Tensor:
        tensor = torch.tensor(np.ascontiguousarray(array), requires_grad=cotangents is not None)
        leaves.append((array, tensor))
        return tensor

    tensors = [list(map(leaf, given)) if isinstance(given, list) else leaf(given) for given in arguments]
    with torch.set_grad_enabled(cotangents is not None), compiling():
        given = forward(*tensors)
        if any(not np.array_equal(tensor.numpy(force=True), array, equal_nan=True) for array, tensor in leaves):
            raise CandidateError("it wrote to one of its arguments, which belong to the caller.")
        if cotangents is None:
            return given, None
        flat = iter(gradients(given, [tensor for _, tensor in leaves], cotangents))
    return given, [[next(flat) for _ in each] if isinstance(each, list) else next(flat) for each in tensors]


def gradients(
    given: Mapping[str, torch.Tensor], leaves: Iterable[torch.Tensor], cotangents: Mapping[str, FloatArray]
) -> tuple[torch.Tensor, ...]:
    """The gradients of named tensors with respect to others; zero for what was not used, or was detached.

    Raises
    ------
    CandidateError
        If nothing depends on any of them.
    """
    reached = {name: tensor for name, tensor in given.items() if tensor.requires_grad}
    if not reached:
        raise CandidateError(
            f"no gradient flows out of {', '.join(given)}: everything is detached, or computed under torch.no_grad() or in NumPy."
        )
    like = [
        torch.tensor(np.ascontiguousarray(cotangents[name])).to(tensor.device, tensor.dtype)
        for name, tensor in reached.items()
    ]
    return torch.autograd.grad(list(reached.values()), list(leaves), like, materialize_grads=True)


def compiling() -> AbstractContextManager[Any]:
    """Within it, ``torch.compile`` compiles for every shape that it must, and never falls back to what is not compiled."""
    dynamo = sys.modules.get("torch._dynamo")  # there once anything was given to torch.compile
    if dynamo is None:
        return nullcontext()
    wanted = {
        "recompile_limit": RECOMPILATIONS,
        "cache_size_limit": RECOMPILATIONS,  # its name before PyTorch 2.7
        "accumulated_recompile_limit": RECOMPILATIONS,
        "accumulated_cache_size_limit": RECOMPILATIONS,
        "fail_on_recompile_limit_hit": True,
        "fail_on_cache_limit_hit": True,
    }
    known = {name: value for name, value in wanted.items() if hasattr(dynamo.config, name)}
    patched: AbstractContextManager[Any] = dynamo.config.patch(known)
    return patched


def stack(steps: list[torch.Tensor], axis: int) -> torch.Tensor:
    """Steps as one tensor."""
    return torch.stack(steps, axis)
