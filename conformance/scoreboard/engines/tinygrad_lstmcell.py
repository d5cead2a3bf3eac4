"""tinygrad.nn.LSTMCell, called step by step; gradients by `Tensor.gradient`. It needs clang, or a GPU."""

from tinygrad import Tensor, nn

import conformance

Tensor([0.0]).numpy()  # without a device it can do nothing, and says so
LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


def lstm(case):
    cell = nn.LSTMCell(case.params.input_size, case.params.hidden_size)
    weights = [Tensor(w.copy()) for w in LAYOUT.weights(case.params)]
    cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh = weights
    x, h0, c0 = (Tensor(a.copy()) for a in (case.x, case.h0, case.c0))
    h, c, every = h0, c0, []
    for t in range(case.x.shape[1]):
        h, c = cell(x[:, t], (h, c))
        every.append(h)
    y = Tensor.stack(*every, dim=1)
    loss = sum((a * Tensor(d.copy())).sum() for a, d in zip((y, h, c), (case.d_output, case.d_h, case.d_c)))
    dx, dh0, dc0, *grads = loss.gradient(x, h0, c0, *weights[:3])
    arrays = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return LAYOUT.result(case, weights=[g.numpy() for g in grads], **{name: a.numpy() for name, a in arrays.items()})
