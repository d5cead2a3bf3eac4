"""float16 and bfloat16, which PyTorch rounds to between its steps and the reference at the end alone."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from conformance.cases.draw import Draw
from lstm_ref import Layer, LSTMParams, Network, from_torch

ROUNDOFFS = 2
"""How far the two may be apart, in eps of the dtype and of the largest number; 1.4 was measured."""


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, True)], ids=["plain", "stacked-both"])
def test_pytorch(dtype: str, layers: int, both: bool) -> None:
    B, T, D, H = 4, 20, 5, 7
    torch.manual_seed(0)
    module: Any = torch.nn.LSTM(D, H, layers, bidirectional=both, batch_first=True).to(getattr(torch, dtype))
    numpy_dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))

    def narrow(tensor: torch.Tensor) -> Any:
        return np.asarray(tensor.detach().float().numpy().astype(numpy_dtype))  # exact

    def part(k: int, suffix: str = "") -> LSTMParams:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return from_torch(**{name: narrow(getattr(module, f"{name}_l{k}{suffix}")) for name in names})

    network = Network([Layer(part(k), part(k, "_reverse") if both else None) for k in range(layers)])
    x: Any = torch.from_numpy(Draw("narrow").uniform(1.0, B, T, D)).to(module.weight_ih_l0.dtype).requires_grad_()
    output, (h, c) = module(x)
    torch.autograd.backward([output], [torch.ones_like(output)])
    run = network.forward(narrow(x))
    grads = network.backward(run, np.ones(output.shape, numpy_dtype))
    first: Any = grads if layers == 1 else grads.layers[0].forward
    pairs = {
        "output": (run.output, output),
        "h": (run.h, h),
        "c": (run.c, c),
        "d_x": (grads.d_x, x.grad),
        "d_kernel": (first.d_kernel, module.weight_ih_l0.grad.T),
        "d_recurrent_kernel": (first.d_recurrent_kernel, module.weight_hh_l0.grad.T),
    }
    eps = float(torch.finfo(x.dtype).eps)
    for name, (actual, tensor) in pairs.items():
        expected = tensor.detach().double().numpy().reshape(actual.shape)
        error = np.abs(actual.astype(float) - expected).max() / np.abs(expected).max() / eps
        assert actual.dtype == numpy_dtype
        assert error <= ROUNDOFFS, f"{name} is {error:.2g} roundoffs away"
