"""One step of an LSTM on column vectors: a cell with one matrix over [x; h] for each gate, and an output layer.

f = σ(Wf [x; h] + bf)       c' = f ⊙ c + i ⊙ g
i = σ(Wi [x; h] + bi)       h' = o ⊙ tanh(c')
g = tanh(Wg [x; h] + bg)    y  = Wy h' + by
o = σ(Wo [x; h] + bo)

A sequence is a call of `forward` for each step, then a call of `backward` for each, from the last one to the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PARAMETERS = ("Wf", "bf", "Wi", "bi", "Wg", "bg", "Wo", "bo", "Wy", "by")


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient 0, as it should be
        return 1 / (1 + np.exp(-z))


class Cell:
    """x is (D, 1), h and c are (H, 1), y is (K, 1); Wf, Wi, Wg, Wo are (H, D + H), Wy is (K, H), and biases are columns."""

    def __init__(self, W: Any, b: Any, Wy: Any, by: Any) -> None:
        self.Wf, self.Wi, self.Wg, self.Wo = W
        self.bf, self.bi, self.bg, self.bo = b
        self.Wy, self.by = Wy, by
        self.steps: list[Any] = []
        self.clear_gradients()

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        """The output of one step, and the new h and c."""
        z = np.vstack([x, h])
        f = sigmoid(self.Wf @ z + self.bf)
        i = sigmoid(self.Wi @ z + self.bi)
        g = np.tanh(self.Wg @ z + self.bg)
        o = sigmoid(self.Wo @ z + self.bo)
        c_new = f * c + i * g
        h_new = o * np.tanh(c_new)
        self.steps.append((z, f, i, g, o, c, c_new, h_new))
        return self.Wy @ h_new + self.by, h_new, c_new

    def backward(self, dy: Any, dh: Any, dc: Any) -> Any:
        """The gradients of x, h and c, from those of y and of the new h and c, for the last step that is still to go back."""
        z, f, i, g, o, c, c_new, h_new = self.steps.pop()
        self.dWy += dy @ h_new.T
        self.dby += dy
        dh = dh + self.Wy.T @ dy
        dc = dc + dh * o * (1 - np.tanh(c_new) ** 2)
        df = dc * c * f * (1 - f)
        di = dc * g * i * (1 - i)
        dg = dc * i * (1 - g**2)
        do = dh * np.tanh(c_new) * o * (1 - o)
        self.dWf += df @ z.T
        self.dWi += di @ z.T
        self.dWg += dg @ z.T
        self.dWo += do @ z.T
        self.dbf += df
        self.dbi += di
        self.dbg += dg
        self.dbo += do
        dz = self.Wf.T @ df + self.Wi.T @ di + self.Wg.T @ dg + self.Wo.T @ do
        D = len(z) - len(dh)
        return dz[:D], dz[D:], dc * f

    def update_parameters(self, rate: float) -> None:
        """One step of SGD along the gradients that `backward` added up, which then begin anew."""
        for name in PARAMETERS:
            setattr(self, name, getattr(self, name) - rate * getattr(self, f"d{name}"))
        self.clear_gradients()

    def clear_gradients(self) -> None:
        """Set all gradients to zero."""
        self.dWf, self.dWi, self.dWg, self.dWo = (np.zeros_like(self.Wf) for _ in range(4))
        self.dbf, self.dbi, self.dbg, self.dbo = (np.zeros_like(self.bf) for _ in range(4))
        self.dWy, self.dby = np.zeros_like(self.Wy), np.zeros_like(self.by)


def train_step(cell: Cell, x: Any, h: Any, c: Any, target: Any, rate: float) -> Any:
    """One step of the sequence and one of SGD on ½ Σ (y - target)²: the loss, and the new h and c."""
    y, h, c = cell.forward(x, h, c)
    cell.backward(y - target, np.zeros_like(h), np.zeros_like(c))
    cell.update_parameters(rate)
    return 0.5 * np.sum((y - target) ** 2), h, c
