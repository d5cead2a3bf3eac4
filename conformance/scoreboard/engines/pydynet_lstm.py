"""pydynet.nn.LSTM: time first, gates f, i, o, g; gradients by its own autograd."""

import numpy as np
import pydynet as pdn
import pydynet.nn

import conformance

LAYOUT = conformance.Layout(gates="fiog", axes="tbf")


def lstm(case):
    layer = pdn.nn.LSTM(case.params.input_size, case.params.hidden_size, dtype=case.dtype)
    cell = layer.LSTMCells[0]
    weights = cell.Wx, cell.Wh, cell.bias
    for parameter, w in zip(weights, LAYOUT.weights(case.params)):
        parameter.data[...] = w
    x, h0, c0 = (pdn.Tensor(np.array(a), dtype=case.dtype, requires_grad=True) for a in LAYOUT.inputs(case))
    y, (h, c) = layer(x, (h0.reshape(1, *h0.shape), c0.reshape(1, *c0.shape)))
    y, h, c = y.reshape(*case.d_output.swapaxes(0, 1).shape), h.reshape(*h0.shape), c.reshape(*c0.shape)
    terms = [(a * pdn.Tensor(np.array(d), dtype=case.dtype)).sum() for a, d in zip((y, h, c), LAYOUT.cotangents(case))]
    (terms[0] + terms[1] + terms[2]).backward()
    grads = {"d_x": x.grad, "d_h0": h0.grad, "d_c0": c0.grad}
    return LAYOUT.result(case, weights=[w.grad for w in weights], output=y.data, h=h.data, c=c.data, **grads)
