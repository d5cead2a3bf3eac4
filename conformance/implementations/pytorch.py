"""``torch.nn.LSTM`` as an implementation; gradients by PyTorch's autograd.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from conformance.case import QUANTITIES, Case, Result
from conformance.implementations.prepared import Prepared
from lstm_ref.errors import UnsupportedError
from lstm_ref.params import FloatArray


def compute(case: Case) -> Result:
    """Forward and backward pass of a one-layer ``torch.nn.LSTM`` on the CPU, in the case's dtype."""
    if case.mask is not None:
        raise UnsupportedError("the PyTorch implementation takes no mask yet.")
    layer = _layer(case)
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, case.h0[None], case.c0[None]))
    output, (h, c) = layer(x, (h0, c0))
    torch.autograd.backward([output, h, c], _cotangents(case))

    weights = dict(layer.named_parameters())
    result = {
        "output": _array(output),
        "h": _array(h)[0],
        "c": _array(c)[0],
        "d_x": _gradient(x),
        "d_h0": _gradient(h0)[0],
        "d_c0": _gradient(c0)[0],
        "d_kernel": _gradient(weights["weight_ih_l0"]).T,
        "d_recurrent_kernel": _gradient(weights["weight_hh_l0"]).T,
    }
    if case.params.bias is not None:
        result["d_bias"] = _gradient(weights["bias_ih_l0"])  # that of bias_hh is the same, but for rounding
    return result


def prepared(case: Case, backward: bool) -> Prepared:
    """The layer and its tensors, ready for a forward pass in inference mode, or for a forward and a backward pass."""
    layer, cotangents = _layer(case).requires_grad_(backward), _cotangents(case)
    x, h0, c0 = (torch.tensor(a, requires_grad=backward) for a in (case.x, case.h0[None], case.c0[None]))

    def inference() -> Sequence[torch.Tensor]:
        with torch.inference_mode():
            output, (h, c) = layer(x, (h0, c0))
        return output, h, c

    def training() -> Sequence[torch.Tensor]:
        output, (h, c) = layer(x, (h0, c0))
        gradients = torch.autograd.grad([output, h, c], [x, h0, c0, *layer.parameters()], cotangents)
        return output, h, c, *gradients

    return Prepared(training if backward else inference, _result)


def _result(given: Sequence[torch.Tensor]) -> Result:
    result = {name: _array(tensor) for name, tensor in zip(QUANTITIES, given, strict=False)}
    result |= {name: result[name][0] for name in ("h", "c", "d_h0", "d_c0") if name in result}
    return result | {name: result[name].T for name in ("d_kernel", "d_recurrent_kernel") if name in result}


def _layer(case: Case) -> torch.nn.LSTM:
    """A layer with the case's weights; PyTorch's second bias is zero."""
    _, _, D, H = case.sizes
    params = case.params
    layer = torch.nn.LSTM(D, H, bias=params.bias is not None, batch_first=True, device="meta").to_empty(device="cpu")
    layer = layer.to(getattr(torch, case.dtype.name))
    given = {"weight_ih_l0": params.kernel.T, "weight_hh_l0": params.recurrent_kernel.T}
    if params.bias is not None:
        given |= {"bias_ih_l0": params.bias, "bias_hh_l0": np.zeros_like(params.bias)}
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            weight.copy_(torch.tensor(given[name]))
    return layer


def _cotangents(case: Case) -> list[torch.Tensor]:
    return [torch.tensor(a) for a in (case.d_output, case.d_h[None], case.d_c[None])]


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy())


def _gradient(tensor: torch.Tensor) -> FloatArray:
    assert tensor.grad is not None
    return _array(tensor.grad)
