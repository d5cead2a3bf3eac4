"""torch.nn.LSTMCell, called step by step; gradients by autograd."""

import torch

import conformance

LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


def lstm(case):
    weights = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in LAYOUT.weights(case.params)]
    cell = torch.nn.LSTMCell(case.params.input_size, case.params.hidden_size, dtype=weights[0].dtype)
    cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh = weights
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, case.h0, case.c0))
    h, c, every = h0, c0, []
    for t in range(x.shape[1]):
        h, c = cell(x[:, t], (h, c))
        every.append(h)
    y = torch.stack(every, dim=1)
    cotangents = [torch.from_numpy(a) for a in (case.d_output, case.d_h, case.d_c)]
    dx, dh0, dc0, *grads = torch.autograd.grad([y, h, c], [x, h0, c0, *weights], cotangents)
    arrays = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    grads[2:] = grads[2:3]  # the second bias has the same gradient
    return LAYOUT.result(case, weights=[g.numpy() for g in grads], **{n: a.detach().numpy() for n, a in arrays.items()})
