"""neutro's layer: gates i, f, g, o, a matrix on [x, h], no states; gradients by its own tape."""

from neutro.autograd import GradientTape, Tensor, ops
from neutro.layers import LSTM

import conformance

LAYOUT = conformance.Layout(gates="ifgo", joined="xh")


@conformance.candidate(without=("h0", "c0", "d_h", "d_c", "h", "c"))
def lstm(case):
    layer = LSTM(case.params.hidden_size, return_sequences=True)
    layer.build(case.x.shape)
    W, b = map(Tensor, LAYOUT.weights(case.params))
    layer.params.update(W=W, b=b)
    x = Tensor(case.x)
    with GradientTape() as tape:
        for tensor in (x, W, b):
            tape.watch(tensor)
        y = layer.forward(x, training=True)
        loss = ops._sum(y * Tensor(case.d_output))
    tape.gradient(loss, [x, W, b])
    return LAYOUT.result(case, weights=(W.grad, b.grad), output=y.data, d_x=x.grad)
