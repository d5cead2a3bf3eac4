"""paddle.nn.LSTM, with its layers and directions; gradients by autograd.

All weights are asked for: of some of them, or of the input alone, `paddle.grad` raises "Required tensor shall not be nullptr".
"""

import numpy as np
import paddle

import conformance

LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


@conformance.candidate(features=("stacked", "bidirectional"))
def lstm(case):
    paddle.set_default_dtype(case.dtype.name)
    both, K = len(case.layers[0].directions), len(case.layers)
    layer = paddle.nn.LSTM(
        case.params.input_size, case.params.hidden_size, num_layers=K, direction="bidirect" if both == 2 else "forward"
    )
    names = [
        [f"{kind}_l{k}{'_reverse' if d else ''}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        for k in range(K)
        for d in range(both)
    ]
    given = [weights for of_layer in LAYOUT.layers(case) for weights in of_layer.values()]
    for of_direction, weights in zip(names, given):
        for name, w in zip(of_direction, weights):
            getattr(layer, name).set_value(np.ascontiguousarray(w))
    x, h0, c0 = (
        paddle.to_tensor(a, stop_gradient=False) for a in (case.x, *(np.atleast_3d(s.T).T for s in (case.h0, case.c0)))
    )
    y, (h, c) = layer(x, (h0, c0))
    cotangents = [
        paddle.to_tensor(np.ascontiguousarray(a.reshape(r.shape)))
        for a, r in zip((case.d_output, case.d_h, case.d_c), (y, h, c))
    ]
    parameters = [getattr(layer, name) for of_direction in names for name in of_direction]
    dx, dh0, dc0, *grads = paddle.grad([y, h, c], [x, h0, c0, *parameters], cotangents)
    grads = iter([g.numpy() for g in grads])
    of_layers = [{name: [next(grads) for _ in range(4)] for name in of_layer.directions} for of_layer in case.layers]
    states = {"h": h, "c": c, "d_h0": dh0, "d_c0": dc0}
    named = {name: a.numpy().reshape(case.h0.shape) for name, a in states.items()}
    return {"output": y.numpy(), "d_x": dx.numpy(), **named, **LAYOUT.gradients_of_layers(case, of_layers)}
