"""``torch.nn.LSTM`` as an implementation; gradients by PyTorch's autograd.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html.

Padding is a PackedSequence's, and PyTorch's outputs at padding are zeros. Where a case's masked steps are to repeat the
output before them, PyTorch has no such output; but the last one is the final state, so that a case which gives only that
can be computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from conformance.case import Case, Result
from conformance.implementations.by_layer import Part, joined, parts
from conformance.implementations.prepared import Prepared
from conformance.implementations.pytorch_refusal import refusal
from lstm_ref import Dropout
from lstm_ref.errors import UnsupportedError
from lstm_ref.params import FloatArray, LSTMParams

Tensors: TypeAlias = list[torch.Tensor]

SUFFIX = {"forward": "", "reverse": "_reverse"}
WEIGHTS = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias_ih", "projection": "weight_hr"}
"""Of each of our weights, PyTorch's name; the gradient of ``bias_hh`` is that of ``bias_ih``, but for rounding."""


def compute(case: Case) -> Result:
    """Forward and backward pass of one ``torch.nn.LSTM`` on the CPU, in the case's dtype.

    Where one has not what the case asks for, other widths in other layers or given dropout factors between them, it is a
    stack of several, each of one layer. Unsorted lengths are packed with ``enforce_sorted=False``.

    Raises
    ------
    UnsupportedError
        If PyTorch has not what the case asks for.
    """
    return _computed(case, _Packing(case))


def often(case: Case) -> Result:
    """The same with modules that are kept from call to call: of a small case, making them takes longer than all the rest."""
    return _computed(case, _Packing(case), kept=True)


def stacked(case: Case) -> Result:
    """The same by a ``torch.nn.LSTM`` of one layer for each layer."""
    return _computed(case, _Packing(case), apart=True)


def packed_sorted(case: Case) -> Result:
    """The same with ``enforce_sorted=True``: rows are brought into the order of their lengths first, as callers do it."""
    return _computed(case, _Packing(case, presorted=True))


def cells(case: Case) -> Result:
    """The same by a loop over ``torch.nn.LSTMCell``, for one plain layer.

    Raises
    ------
    UnsupportedError
        For anything else than one layer in the forward direction without mask or projection.
    """
    _raise(refusal(case))
    if not case.single or case.mask is not None or case.params.projection is not None:
        raise UnsupportedError("torch.nn.LSTMCell is one plain layer.")
    (part,) = parts(case)
    cell = torch.nn.LSTMCell(case.params.input_size, case.params.hidden_size, case.params.bias is not None)
    _load(cell, [part], case.dtype, suffix=lambda k, direction: "")
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, part.h0, part.c0))
    h, c, outputs = h0[0], c0[0], []
    for t in range(case.sizes[1]):
        h, c = cell(x[:, t], (h, c))
        outputs.append(h)
    output = torch.stack(outputs, dim=1) if case.options.return_sequences else h
    leaves = [x, h0, c0, *cell.parameters()]
    gradients = torch.autograd.grad([output, h[None], c[None]], leaves, _cotangents(case, [part]))
    named = {name: gradient for (name, _), gradient in zip(cell.named_parameters(), gradients[3:], strict=True)}
    states = {"h": h[None], "c": c[None], "d_h0": gradients[1], "d_c0": gradients[2]}
    return joined(
        case,
        {"output": _array(output), "d_x": _array(gradients[0])},
        [{name: _array(tensor) for name, tensor in states.items()}],
        [{"forward": _weights(case.params, named, "")}],
    )


def drawing(case: Case, rate: float, seed: int) -> tuple[Case, Result]:
    """The same by one module in training mode that draws its own dropout between layers, and the case with what it drew.

    A seed makes a draw come again, and what multiplies a number is what dropout makes of a one. Without a mask PyTorch draws
    for (T, B, width), and with one for the rows of the PackedSequence.

    Parameters
    ----------
    case : Case
        Of several layers alike, without dropout.
    rate : float
        How much is dropped.
    seed : int

    Raises
    ------
    UnsupportedError
        If one ``torch.nn.LSTM`` has not what the case asks for, or has no second layer.
    """
    _raise(refusal(case))
    every, packing = parts(case), _Packing(case)
    if len(every) == 1 or not _fits_one_module(every):
        raise UnsupportedError("torch.nn.LSTM draws dropout between layers that are alike.")
    stack = _Stack(case, packing, apart=False, backward=True)
    (level,) = stack.levels
    level.module.dropout = rate
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        result = stack.result(stack.training())
        torch.manual_seed(seed)
        drawn = [_drawn(packing, stack.x, part.layer.input_size, rate) for part in every[1:]]
    layers = zip(case.layers, [None, *drawn], strict=True)
    return replace(
        case, dropout=tuple(dict.fromkeys(layer.directions, Dropout(given)) for layer, given in layers)
    ), result


def _drawn(packing: _Packing, x: torch.Tensor, width: int, rate: float) -> FloatArray:
    """The factors (B, T, width) of one draw; zeros at padding, where nothing is read."""
    packed = packing.pack(x)
    if isinstance(packed, PackedSequence):
        ones = torch.ones(len(packed.data), width, dtype=x.dtype)
        return _array(packing.unpack(packed._replace(data=torch.nn.functional.dropout(ones, rate))))
    B, T, _ = x.shape
    return _array(torch.nn.functional.dropout(torch.ones(T, B, width, dtype=x.dtype), rate).swapaxes(0, 1)).copy()


def prepared(case: Case, backward: bool) -> Prepared:
    """The modules and their tensors, ready for a forward pass in inference mode, or for a forward and a backward pass."""
    _raise(refusal(case))
    stack = _Stack(case, _Packing(case), apart=False, backward=backward)
    if backward:
        return Prepared(stack.training, stack.result)

    def inference() -> Tensors:
        with torch.inference_mode():
            return stack.forward()

    return Prepared(inference, stack.result)


def _computed(case: Case, packing: _Packing, apart: bool = False, kept: bool = False) -> Result:
    _raise(refusal(case))
    stack = _Stack(case, packing, apart, backward=True, kept=kept)
    return stack.result(stack.training())


def _raise(reason: str) -> None:
    if reason:
        raise UnsupportedError(f"{reason}.")


class _Packing:
    """How a case's rows are packed, if it has a mask, and unpacked.

    Parameters
    ----------
    case : Case
    presorted : bool
        Whether rows are sorted here rather than by PyTorch.
    """

    def __init__(self, case: Case, presorted: bool = False) -> None:
        self.lengths = None if case.mask is None else torch.tensor(case.mask.sum(axis=1))
        self.order = None
        if presorted and self.lengths is not None:
            self.order = torch.argsort(self.lengths, descending=True, stable=True)
            self.lengths = self.lengths[self.order]
        self.steps = case.sizes[1]

    def pack(self, x: torch.Tensor) -> torch.Tensor | PackedSequence:
        if self.lengths is None:
            return x
        rows = self.rows(x, 0)
        return pack_padded_sequence(rows, self.lengths, batch_first=True, enforce_sorted=self.order is not None)

    def unpack(self, given: torch.Tensor | PackedSequence) -> torch.Tensor:
        if isinstance(given, torch.Tensor):
            return given
        padded, _ = pad_packed_sequence(given, batch_first=True, total_length=self.steps)
        return self.back(padded, 0)

    def rows(self, array: torch.Tensor, axis: int) -> torch.Tensor:
        """The rows in the order that PyTorch is given them."""
        return array if self.order is None else array.index_select(axis, self.order)

    def back(self, array: torch.Tensor, axis: int) -> torch.Tensor:
        """The rows in the case's order again."""
        return array if self.order is None else array.index_select(axis, torch.argsort(self.order))


@dataclass(frozen=True, eq=False)
class _Level:
    """A module and the case's layers that it computes, with its tensors."""

    module: torch.nn.LSTM
    parts: Sequence[Part]
    h0: torch.Tensor
    c0: torch.Tensor
    factors: torch.Tensor | None

    def __call__(self, flow: torch.Tensor | PackedSequence, h0: torch.Tensor, c0: torch.Tensor) -> Any:
        """The output, and the pair of final states."""
        if not self.module.proj_size:
            return self.module(flow, (h0, c0))
        with warnings.catch_warnings():  # once in each process it says that another kernel computes, which is no fault
            warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN", UserWarning)
            return self.module(flow, (h0, c0))


class _Stack:
    """All modules of a case, and all its tensors.

    Parameters
    ----------
    case : Case
    packing : _Packing
    apart : bool
        Whether every layer is a module of its own even where one module can have them all.
    backward : bool
        Whether there will be a backward pass.
    kept : bool
        Whether modules of an earlier stack are used again, if there are any of these sizes; nobody else may use that any more.
    """

    def __init__(self, case: Case, packing: _Packing, apart: bool, backward: bool, kept: bool = False) -> None:
        self.case, self.packing = case, packing
        every = parts(case)
        apart = apart or not _fits_one_module(every)
        self.x = torch.tensor(case.x, requires_grad=backward)
        groups = [[part] for part in every] if apart else [every]
        self.levels = [_level(group, case.dtype, backward, k if kept else None) for k, group in enumerate(groups)]
        self.cotangents = _cotangents(case, *(level.parts for level in self.levels))

    def forward(self) -> Tensors:
        """The output, then h and c of each module."""
        flow, states, packing = self.x, [], self.packing
        for level in self.levels:
            if level.factors is not None:
                flow = flow * level.factors
            given, (h, c) = level(packing.pack(flow), packing.rows(level.h0, 1), packing.rows(level.c0, 1))
            flow = packing.unpack(given)
            states += [packing.back(h, 1), packing.back(c, 1)]
        return [flow if self.case.layers[-1].options.return_sequences else self._last(flow, states[-2]), *states]

    def _last(self, output: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """The output that each direction ends with."""
        last = self.case.layers[-1]
        P = last.state_size
        ends = [output[:, -1, :P], output[:, 0, P:]]
        if self.packing.lengths is not None and not last.options.zero_output_for_mask:
            ends = list(h[-len(last.directions) :])
        return torch.cat(ends[: len(last.directions)], dim=1)

    def training(self) -> Tensors:
        """The same and then the gradients: of x, of each module's h0 and c0, and of each module's parameters."""
        given = self.forward()
        leaves = [self.x, *(state for level in self.levels for state in (level.h0, level.c0))]
        leaves += [weight for level in self.levels for weight in level.module.parameters()]
        return [*given, *torch.autograd.grad(given, leaves, self.cotangents)]

    def result(self, given: Tensors) -> Result:
        """What `forward` or `training` gave, under the case's names."""
        count = 1 + 2 * len(self.levels)
        gradients = given[count : 2 * count]
        named = {"output": _array(given[0])}
        if gradients:
            named["d_x"] = _array(gradients[0])
        states: list[dict[str, FloatArray]] = []
        weights: list[dict[str, dict[str, FloatArray]]] = []
        of_weights = iter(given[2 * count :])
        for number, level in enumerate(self.levels):
            arrays = {"h": given[1 + 2 * number], "c": given[2 + 2 * number]}
            if gradients:
                arrays |= {"d_h0": gradients[1 + 2 * number], "d_c0": gradients[2 + 2 * number]}
                found = {name: next(of_weights) for name, _ in level.module.named_parameters()}
                for k, part in enumerate(level.parts):
                    of_layer = part.layer.directions.items()
                    weights.append({d: _weights(params, found, f"_l{k}{SUFFIX[d]}") for d, params in of_layer})
            split = {name: np.split(_array(tensor), len(level.parts)) for name, tensor in arrays.items()}
            states += [{name: of[k] for name, of in split.items()} for k in range(len(level.parts))]
        return joined(self.case, named, states, weights)


def _fits_one_module(every: Sequence[Part]) -> bool:
    """Whether one ``torch.nn.LSTM`` can have all these layers, and no factors are given that it would draw itself."""
    sizes = {
        (
            part.layer.hidden_size,
            part.layer.state_size,
            part.layer.params.bias is None,
            part.layer.params.projection is None,
        )
        for part in every
    }
    return len(sizes) == 1 and all(part.between is None for part in every)


def _level(group: Sequence[Part], dtype: np.dtype[np.floating], backward: bool, place: int | None = None) -> _Level:
    first = group[0].layer
    params = first.params
    sizes = (first.input_size, first.hidden_size, 0 if params.projection is None else first.state_size)
    options = (len(group), params.bias is not None, len(first.directions) == 2)
    module = _made(*sizes, *options) if place is None else _kept(place, dtype.name, *sizes, *options)
    _load(module, group, dtype, suffix=lambda k, direction: f"_l{k}{SUFFIX[direction]}")
    module.requires_grad_(backward)
    h0, c0 = (
        torch.tensor(np.concatenate(arrays), requires_grad=backward)
        for arrays in ([part.h0 for part in group], [part.c0 for part in group])
    )
    factors = group[0].between
    return _Level(module, group, h0, c0, None if factors is None else torch.tensor(factors))


def _made(
    input_size: int, hidden_size: int, proj_size: int, num_layers: int, bias: bool, bidirectional: bool
) -> torch.nn.LSTM:
    """A module whose weights hold no numbers yet."""
    return torch.nn.LSTM(
        input_size,
        hidden_size,
        num_layers=num_layers,
        bias=bias,
        batch_first=True,
        bidirectional=bidirectional,
        proj_size=proj_size,
        device="meta",
    ).to_empty(device="cpu")


@lru_cache(maxsize=256)
def _kept(place: int, dtype: str, *sizes: Any) -> torch.nn.LSTM:
    """The same, one for each place in a stack and each dtype."""
    return _made(*sizes)


def _load(
    module: torch.nn.Module, group: Sequence[Part], dtype: np.dtype[np.floating], suffix: Callable[[int, str], str]
) -> None:
    """Give a module the case's weights, in the case's dtype; PyTorch's second bias is zero."""
    module.to(getattr(torch, dtype.name))
    given = {}
    for k, part in enumerate(group):
        for direction, params in part.layer.directions.items():
            for name, array in params.arrays.items():
                given[WEIGHTS[name] + suffix(k, direction)] = array.T
            if params.bias is not None:
                given["bias_hh" + suffix(k, direction)] = np.zeros_like(params.bias)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(torch.tensor(given.pop(name)))
    assert not given, f"PyTorch has no {', '.join(given)}"


def _cotangents(case: Case, *groups: Sequence[Part]) -> Tensors:
    arrays = [case.d_output]
    for group in groups:
        arrays += [np.concatenate([part.d_h for part in group]), np.concatenate([part.d_c for part in group])]
    return [torch.tensor(array) for array in arrays]


def _weights(params: LSTMParams, named: dict[str, torch.Tensor], suffix: str) -> dict[str, FloatArray]:
    """Of one direction, each weight's name to its gradient, in our layout."""
    return {name: _array(named[WEIGHTS[name] + suffix]).T for name in params.arrays}


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy())
