"""torch.ao.nn.quantizable.LSTM as it is before it is quantized: of linear layers and products; gradients by autograd."""

import torch

import conformance

LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


def lstm(case):
    w_ih, w_hh, b_ih, b_hh = (torch.from_numpy(w.copy()) for w in LAYOUT.weights(case.params))
    layer = torch.ao.nn.quantizable.LSTM(case.params.input_size, case.params.hidden_size, batch_first=True)
    layer = layer.to(w_ih.dtype)
    cell = layer.layers[0].layer_fw.cell
    with torch.no_grad():
        cell.igates.weight.copy_(w_ih), cell.hgates.weight.copy_(w_hh)
        cell.igates.bias.copy_(b_ih), cell.hgates.bias.copy_(b_hh)
    weights = [cell.igates.weight, cell.hgates.weight, cell.igates.bias]
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, case.h0, case.c0))
    y, (h, c) = layer(x, (h0[None], c0[None]))
    h, c = h[0], c[0]
    cotangents = [torch.from_numpy(a) for a in (case.d_output, case.d_h, case.d_c)]
    dx, dh0, dc0, *grads = torch.autograd.grad([y, h, c], [x, h0, c0, *weights], cotangents)
    arrays = {"output": y, "h": h, "c": c, "d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return LAYOUT.result(case, weights=[g.numpy() for g in grads], **{n: a.detach().numpy() for n, a in arrays.items()})
