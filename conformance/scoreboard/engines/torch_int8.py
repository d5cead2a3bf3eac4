"""torch.nn.LSTM made dynamic int8 by torch.ao.quantization.quantize_dynamic; forward only."""

import torch

import conformance

LAYOUT = conformance.Layout(gates="ifgo", transposed=True, biases=2)


@conformance.candidate(without=("float64",))
def lstm(case):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    module = torch.nn.Sequential(torch.nn.LSTM(case.params.input_size, case.params.hidden_size, batch_first=True))
    module[0].load_state_dict({n: torch.from_numpy(w.copy()) for n, w in zip(names, LAYOUT.weights(case.params))})
    quantized = torch.ao.quantization.quantize_dynamic(module, {torch.nn.LSTM}, dtype=torch.qint8)[0]
    x, h0, c0 = (torch.from_numpy(a) for a in (case.x, case.h0, case.c0))
    with torch.no_grad():
        y, (h, c) = quantized(x, (h0[None], c0[None]))
    return {"output": y.numpy(), "h": h[0].numpy(), "c": c[0].numpy()}
