"""mlx.nn.LSTM on the CPU: it gives h and c of every step; gradients by mx.vjp."""

import mlx.core as mx
import mlx.nn
import numpy as np

import conformance

mx.set_default_device(mx.cpu)
LAYOUT = conformance.Layout(gates="ifgo", transposed=True)


def lstm(case):
    def run(x, h0, c0, w, u, b):
        layer = mlx.nn.LSTM(case.params.input_size, case.params.hidden_size)
        layer.Wx, layer.Wh, layer.bias = w, u, b
        y, cells = layer(x, h0, c0)
        return y, y[:, -1], cells[:, -1]

    given = [
        mx.array(a, dtype=mx.float64 if a.dtype == np.float64 else mx.float32)
        for a in (case.x, case.h0, case.c0, *LAYOUT.weights(case.params))
    ]
    kind = given[0].dtype
    (y, h, c), (dx, dh0, dc0, *grads) = mx.vjp(
        run, given, [mx.array(a, dtype=kind) for a in (case.d_output, case.d_h, case.d_c)]
    )
    arrays = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return LAYOUT.result(
        case, weights=[np.array(g) for g in grads], **{name: np.array(a) for name, a in arrays.items()}
    )
