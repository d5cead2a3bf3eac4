"""An LSTM cell with matrices over [h; x], whose step gives a cache that its way back takes, and a dense layer on top.

f = σ(Wf [h; x] + bf)       c' = f ⊙ c + i ⊙ g
i = σ(Wi [h; x] + bi)       h' = o ⊙ tanh(c')
o = σ(Wo [h; x] + bo)       y  = Wy h' + by
g = tanh(Wg [h; x] + bg)

The cell knows of one step alone: the loop over time is its caller's, `predict` and `backpropagate` below.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient 0, as it should be
        return 1 / (1 + np.exp(-z))


class LSTMCell:
    """Samples are columns: x is (D, B), h and c are (H, B), y is (K, B); W is (H, H + D), Wy is (K, H), b is (H, 1)."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.zero_gradients()

    def zero_gradients(self) -> None:
        """Set all gradients to zero."""
        self.gradients = {name: np.zeros_like(array) for name, array in self.parameters.items()}

    def forward(self, x: Any, h_prev: Any, c_prev: Any) -> Any:
        """The new h and c, and the cache."""
        p, hx = self.parameters, np.concatenate([h_prev, x], axis=0)
        f = sigmoid(p["Wf"] @ hx + p["bf"])
        i = sigmoid(p["Wi"] @ hx + p["bi"])
        o = sigmoid(p["Wo"] @ hx + p["bo"])
        g = np.tanh(p["Wg"] @ hx + p["bg"])
        c = f * c_prev + i * g
        tanh_c = np.tanh(c)
        h = o * tanh_c
        return h, c, {"hx": hx, "c_prev": c_prev, "f": f, "i": i, "o": o, "g": g, "tanh_c": tanh_c, "h": h}

    def backward(self, dh: Any, dc: Any, cache: dict[str, Any]) -> Any:
        """The gradients of x, h and c, from those of the new h and c; those of the parameters are added up."""
        p, f, i, o, g, tanh_c = self.parameters, cache["f"], cache["i"], cache["o"], cache["g"], cache["tanh_c"]
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = {
            "f": dc * cache["c_prev"] * f * (1 - f),
            "i": dc * g * i * (1 - i),
            "o": dh * tanh_c * o * (1 - o),
            "g": dc * i * (1 - g**2),
        }
        for gate, d in dz.items():
            self.gradients[f"W{gate}"] += d @ cache["hx"].T
            self.gradients[f"b{gate}"] += d.sum(axis=1, keepdims=True)
        dhx = sum(p[f"W{gate}"].T @ d for gate, d in dz.items())
        H = len(dh)
        return dhx[H:], dhx[:H], dc * f

    def dense(self, h: Any) -> Any:
        """The output y of one step."""
        return self.parameters["Wy"] @ h + self.parameters["by"]

    def dense_backward(self, dy: Any, cache: dict[str, Any]) -> Any:
        """The gradient of h, from that of y; those of the parameters are added up."""
        self.gradients["Wy"] += dy @ cache["h"].T
        self.gradients["by"] += dy.sum(axis=1, keepdims=True)
        return self.parameters["Wy"].T @ dy

    def step(self, rate: float) -> None:
        """One step of SGD along the gradients, which then begin anew."""
        self.parameters = {name: array - rate * self.gradients[name] for name, array in self.parameters.items()}
        self.zero_gradients()


def predict(cell: LSTMCell, xs: Any, h: Any, c: Any) -> Any:
    """The output of every step, the last h and c, and the caches."""
    ys, caches = [], []
    for x in xs:
        h, c, cache = cell.forward(x, h, c)
        ys.append(cell.dense(h))
        caches.append(cache)
    return ys, h, c, caches


def backpropagate(cell: LSTMCell, dys: Any, dh: Any, dc: Any, caches: Any) -> Any:
    """The gradients of every x and of the first h and c, from those of every output and of the last h and c."""
    dxs = []
    for dy, cache in zip(reversed(dys), reversed(caches), strict=True):
        dh = dh + cell.dense_backward(dy, cache)
        dx, dh, dc = cell.backward(dh, dc, cache)
        dxs.append(dx)
    return dxs[::-1], dh, dc


def train_step(cell: LSTMCell, xs: Any, target: Any, rate: float) -> Any:
    """One step of SGD on the mean squared error of the last output, from a state of zeros; the loss before it."""
    zeros = np.zeros((len(cell.parameters["bf"]), xs.shape[2]), xs.dtype)
    ys, *_, caches = predict(cell, xs, zeros, zeros)
    error = ys[-1] - target
    dys = [np.zeros_like(y) for y in ys[:-1]] + [2 * error / error.size]
    backpropagate(cell, dys, zeros, zeros, caches)
    cell.step(rate)
    return np.mean(error**2)
