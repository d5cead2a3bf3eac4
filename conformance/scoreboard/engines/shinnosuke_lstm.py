"""shinnosuke's layer: gates f, i, g, o, a matrix on [h, x], no states."""

import numpy as np
from shinnosuke.layers.Recurrent import LSTM

import conformance

LAYOUT = conformance.Layout(gates="figo", joined="hx")


@conformance.candidate(without=("h0", "c0", "d_h", "d_c", "h", "c"))
def lstm(case):
    layer = LSTM(case.params.hidden_size, return_sequences=True)
    W, b = layer.variables = layer.cell._initial_params(case.params.input_size, case.params.hidden_size)
    W.output_tensor, bias = LAYOUT.weights(case.params)
    b.output_tensor = bias[None]
    W.grads, b.grads = np.zeros_like(W.output_tensor), np.zeros_like(b.output_tensor)
    y = layer.cell._forward(case.x, [W, b], True, False).copy()
    dx = layer.cell._backward(case.d_output, [W, b], True)
    return LAYOUT.result(case, weights=(W.grads, b.grads), output=y, d_x=dx)
