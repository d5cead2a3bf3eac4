"""Modules of PyTorch as people write them: four ways to keep weights and as many to be called."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Fused(nn.Module):
    """PyTorch's names, blocks o c f i, called with a pair."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * H, D))
        self.weight_hh = nn.Parameter(torch.randn(4 * H, H))
        self.bias_ih = nn.Parameter(torch.randn(4 * H))
        self.bias_hh = nn.Parameter(torch.randn(4 * H))

    def forward(self, x: Any, states: Any) -> Any:
        (h, c), outputs = states, []
        for t in range(x.shape[1]):
            z = x[:, t] @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh
            o, g, f, i = z.chunk(4, 1)
            h, c = update((i, f, g, o), c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class KerasNames(nn.Module):
    """Keras's names and blocks, with no bias, called with h and c; time first."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(D, 4 * H))
        self.recurrent_kernel = nn.Parameter(torch.randn(H, 4 * H))

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        outputs = []
        for step in x:
            h, c = update((step @ self.kernel + h @ self.recurrent_kernel).chunk(4, 1), c)
            outputs.append(h)
        return torch.stack(outputs), h, c


class GateByGate(nn.Module):
    """A matrix for x, one for h and a bias for each gate, named by its letter, acting from the right."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        for gate in "fiog":
            self.register_parameter(f"W_x{gate}", nn.Parameter(torch.randn(D, H)))
            self.register_parameter(f"W_h{gate}", nn.Parameter(torch.randn(H, H)))
            self.register_parameter(f"b_{gate}", nn.Parameter(torch.randn(1, H)))

    def forward(self, x: Any, states: Any) -> Any:
        (h, c), outputs, own = states, [], dict(self.named_parameters())
        for t in range(x.shape[1]):
            z = [x[:, t] @ own[f"W_x{g}"] + h @ own[f"W_h{g}"] + own[f"b_{g}"] for g in "ifgo"]
            h, c = update(z, c)
            outputs.append(h)
        return outputs, (h, c)


class LinearPerGate(nn.Module):
    """An `nn.Linear` on [x, h] for each gate, named by its word; it takes no states and gives the output alone."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        self.units = H
        self.forget_gate, self.input_gate = nn.Linear(D + H, H), nn.Linear(D + H, H)
        self.candidate, self.output_gate = nn.Linear(D + H, H), nn.Linear(D + H, H)

    def forward(self, x: Any) -> Any:
        h = c = x.new_zeros(len(x), self.units)
        outputs = []
        for t in range(x.shape[1]):
            xh = torch.cat([x[:, t], h], 1)
            h, c = update(
                [gate(xh) for gate in (self.input_gate, self.forget_gate, self.candidate, self.output_gate)], c
            )
            outputs.append(h)
        return torch.stack(outputs, 1)


class OneLinear(nn.Module):
    """One `nn.Linear` on [h, x], blocks i f o g, for one step."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        self.gates = nn.Linear(D + H, 4 * H)

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        i, f, o, g = self.gates(torch.cat([h, x], 1)).chunk(4, 1)
        return update((i, f, g, o), c)


class TwoLinears(nn.Module):
    """An `nn.Linear` for x and one for h for each gate, both with a bias."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        for gate in ("in", "forget", "cell", "out"):
            self.add_module(f"x2{gate}", nn.Linear(D, H))
            self.add_module(f"h2{gate}", nn.Linear(H, H))

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        outputs, own = [], dict(self.named_children())
        for t in range(x.shape[1]):
            h, c = update([own[f"x2{g}"](x[:, t]) + own[f"h2{g}"](h) for g in ("in", "forget", "cell", "out")], c)
            outputs.append(h)
        return torch.stack(outputs, 1), h, c


class AroundACell(nn.Module):
    """A loop around PyTorch's own cell."""

    def __init__(self, D: int, H: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(D, H)

    def forward(self, x: Any, hc: Any) -> Any:
        outputs = []
        for t in range(x.shape[1]):
            hc = self.cell(x[:, t], hc)
            outputs.append(hc[0])
        return torch.stack(outputs, 1), hc


def update(z: Any, c: Any) -> Any:
    """The states after a step, of the gates' arguments, i f g o."""
    i, f, g, o = z
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def over_time(cell: Any, x: Any, h: Any, c: Any) -> Any:
    """How a cell is called."""
    outputs = []
    for t in range(x.shape[1]):
        h, c = cell(x[:, t], h, c)
        outputs.append(h)
    return outputs, h, c
