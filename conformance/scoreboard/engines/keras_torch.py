"""keras.layers.LSTM on PyTorch; gradients by autograd."""

import keras
import torch

import conformance


@conformance.candidate(features=("mask", "zero-output"))
def lstm(case):
    B, T, D, H = case.sizes
    layer = keras.layers.LSTM(
        H,
        return_sequences=True,
        return_state=True,
        use_bias=case.params.bias is not None,
        zero_output_for_mask=case.options.zero_output_for_mask,
        dtype=case.dtype.name,
    )
    layer.build((B, T, D))
    layer.set_weights(list(case.params.arrays.values()))
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, case.h0, case.c0))
    mask = None if case.mask is None else torch.from_numpy(case.mask)
    y, h, c = layer(x, initial_state=[h0, c0], mask=mask)
    weights = [v.value for v in layer.trainable_variables]
    cotangents = [torch.from_numpy(a) for a in (case.d_output, case.d_h, case.d_c)]
    dx, dh0, dc0, *grads = torch.autograd.grad([y, h, c], [x, h0, c0, *weights], cotangents)
    named = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return named | {f"d_{name}": grad for name, grad in zip(case.params.arrays, grads)}
