"""An LSTM as functions over arrays (features, batch, time), with a dictionary of parameters and a softmax at each step.

f = σ(Wf [h; x] + bf)       c' = f ⊙ c + i ⊙ g
i = σ(Wi [h; x] + bi)       h' = o ⊙ tanh(c')
g = tanh(Wg [h; x] + bg)    y  = softmax(Wy h' + by)
o = σ(Wo [h; x] + bo)

D features, B samples, T steps, H units, K classes: x is (D, B, T), h and c are (H, B, T), y is (K, B, T); Wf, Wi, Wg, Wo
are (H, H + D), Wy is (K, H), and biases are columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient 0, as it should be
        return 1 / (1 + np.exp(-z))


def softmax(z: Any) -> Any:
    """exp(z) / Σ exp(z) over the first axis."""
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def cell_forward(x: Any, h_prev: Any, c_prev: Any, parameters: Any) -> Any:
    """The next h and c of one step, its y, and a tuple for the way back."""
    p = parameters
    hx = np.concatenate([h_prev, x])
    f = sigmoid(p["Wf"] @ hx + p["bf"])
    i = sigmoid(p["Wi"] @ hx + p["bi"])
    g = np.tanh(p["Wg"] @ hx + p["bg"])
    o = sigmoid(p["Wo"] @ hx + p["bo"])
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    y = softmax(p["Wy"] @ h + p["by"])
    return h, c, y, (hx, c_prev, f, i, g, o, c)


def forward(x: Any, h0: Any, c0: Any, parameters: Any) -> Any:
    """Every h, c and y, and the list of caches."""
    h, c, hs, cs, ys, caches = h0, c0, [], [], [], []
    for t in range(x.shape[2]):
        h, c, y, cache = cell_forward(x[:, :, t], h, c, parameters)
        hs.append(h)
        cs.append(c)
        ys.append(y)
        caches.append(cache)
    return np.stack(hs, axis=2), np.stack(cs, axis=2), np.stack(ys, axis=2), caches


def cell_backward(dh: Any, dc: Any, cache: Any, parameters: Any) -> Any:
    """The gradients of one step, by name, from those of its h and c."""
    p = parameters
    hx, c_prev, f, i, g, o, c = cache
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    df = dc * c_prev * f * (1 - f)
    di = dc * g * i * (1 - i)
    dg = dc * i * (1 - g**2)
    do = dh * np.tanh(c) * o * (1 - o)
    dhx = p["Wf"].T @ df + p["Wi"].T @ di + p["Wg"].T @ dg + p["Wo"].T @ do
    gradients = {"h": dhx[: len(dh)], "c": dc * f, "x": dhx[len(dh) :]}
    for gate, dz in zip("figo", (df, di, dg, do), strict=True):
        gradients["W" + gate] = dz @ hx.T
        gradients["b" + gate] = dz.sum(axis=1, keepdims=True)
    return gradients


def backward(dh: Any, dc: Any, caches: Any, parameters: Any) -> Any:
    """The gradients of x, h0, c0 and the gates' parameters, by name, from those of every h and of the last c."""
    total = {name: np.zeros_like(array) for name, array in parameters.items()}
    dx, dh_next = [], np.zeros_like(dc)
    for t in reversed(range(len(caches))):
        step = cell_backward(dh[:, :, t] + dh_next, dc, caches[t], parameters)
        dh_next, dc = step.pop("h"), step.pop("c")
        dx.append(step.pop("x"))
        for name, gradient in step.items():
            total[name] += gradient
    return {**total, "x": np.stack(dx[::-1], axis=2), "h0": dh_next, "c0": dc}


def cross_entropy(y: Any, labels: Any) -> Any:
    """The mean over samples and steps of -log y of the right class, labels (B, T), and its gradient in the softmax's logits."""
    chosen = np.eye(len(y), dtype=y.dtype)[labels].transpose(2, 0, 1)
    return -np.sum(chosen * np.log(y)) / labels.size, (y - chosen) / labels.size


def train_step(x: Any, labels: Any, parameters: Any, velocity: Any, rate: float, momentum: float) -> Any:
    """The loss, and the parameters and their velocity after one step of SGD with momentum, from a state of zeros."""
    zeros = np.zeros((len(parameters["bf"]), x.shape[1]), x.dtype)
    h, _, y, caches = forward(x, zeros, zeros, parameters)
    loss, dz = cross_entropy(y, labels)
    gradients = backward(np.einsum("kh,kbt->hbt", parameters["Wy"], dz), zeros, caches, parameters)
    gradients["Wy"] = np.einsum("kbt,hbt->kh", dz, h)
    gradients["by"] = dz.sum(axis=(1, 2))[:, None]
    velocity = {name: momentum * array + gradients[name] for name, array in velocity.items()}
    return loss, {name: array - rate * velocity[name] for name, array in parameters.items()}, velocity
