"""neuralnetlib's layer: kernels on x and on h for each gate, no states; gradients are cut to a norm of `clip_value`, here infinite."""

import numpy as np
from neuralnetlib.layers import LSTM

import conformance

LAYOUT = conformance.Layout(gates="fico", split=True)


@conformance.candidate(without=("h0", "c0", "d_h", "d_c"))
def lstm(case):
    layer = LSTM(case.params.hidden_size, return_sequences=True, return_state=True, random_state=0, clip_value=np.inf)
    layer.forward_pass(case.x)
    for gate, w, u, b in zip("fico", *LAYOUT.weights(case.params)):
        for name, array in (("W", w), ("U", u), ("b", b[None])):
            setattr(layer.cell, name + gate, array)
    y, h, c = layer.forward_pass(case.x)
    dx = layer.backward_pass(case.d_output)
    weights = [[getattr(layer.cell, f"d{name}{gate}") for gate in "fico"] for name in "WUb"]
    return LAYOUT.result(case, weights=weights, output=y, h=h, c=c, d_x=dx)
