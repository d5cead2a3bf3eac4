"""snn-samsit's layer: gates f, i, g, o, no states."""

from snn.layers.rnn import LSTM

import conformance

LAYOUT = conformance.Layout(gates="figo")


@conformance.candidate(without=("h0", "c0", "d_h", "d_c"))
def lstm(case):
    layer = LSTM(case.params.hidden_size, return_sequences=True, return_state=True)
    layer.build(case.x.shape)
    layer.W, layer.U, bias = LAYOUT.weights(case.params)
    layer.b = bias[None]
    y, h, c = layer.forward(case.x)
    dx = layer.backward(case.d_output)
    weights = [layer.grads[name] for name in "WUb"]
    return LAYOUT.result(case, weights=weights, output=y, h=h, c=c, d_x=dx)
