"""mindspore.nn.LSTM on the CPU; gradients by `mindspore.grad`."""

import mindspore as ms
import numpy as np

import conformance

ms.set_context(mode=ms.PYNATIVE_MODE)
ms.set_device("CPU")
LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


@conformance.candidate(without=("float64",))
def lstm(case):
    layer = ms.nn.LSTM(case.params.input_size, case.params.hidden_size, batch_first=True)
    values = dict(zip(("w_ih_list", "w_hh_list", "b_ih_list", "b_hh_list"), LAYOUT.weights(case.params)))
    parameters = [getattr(layer, name)[0] for name in values]
    for parameter, w in zip(parameters, values.values()):
        parameter.set_data(ms.Tensor(np.ascontiguousarray(w)))
    x, h0, c0, *cotangents = (
        ms.Tensor(a.copy()) for a in (case.x, case.h0, case.c0, case.d_output, case.d_h, case.d_c)
    )

    def loss(x, h0, c0):
        y, (h, c) = layer(x, (h0[None], c0[None]))
        return sum((a * d).sum() for a, d in zip((y, h[0], c[0]), cotangents)), y, h[0], c[0]

    differentiate = ms.value_and_grad(loss, (0, 1, 2), parameters[:3], has_aux=True)
    (_, y, h, c), ((dx, dh0, dc0), grads) = differentiate(x, h0, c0)
    arrays = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return LAYOUT.result(
        case, weights=[g.asnumpy() for g in grads], **{name: a.asnumpy() for name, a in arrays.items()}
    )
