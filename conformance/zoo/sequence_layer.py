"""An LSTM as one layer of a network, for one sequence of column vectors, with W, U and b for each gate.

i = σ(Wi x + Ui h + bi)       c' = f ⊙ c + i ⊙ g
f = σ(Wf x + Uf h + bf)       h' = o ⊙ tanh(c')
o = σ(Wo x + Uo h + bo)
g = tanh(Wg x + Ug h + bg)

Every sequence begins with h = c = 0. The layer gives every h, or the last one, for which it has the setting
`return_sequences`. A `Dense` layer has the same methods, and `train_step` trains a list of layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient 0, as it should be
        return 1 / (1 + np.exp(-z))


class Layer:
    """What layers have in common: `params` and `grads` by name."""

    params: dict[str, Any]
    grads: dict[str, Any]

    def get_params(self) -> dict[str, Any]:
        """The parameters by name."""
        return self.params

    def set_params(self, params: dict[str, Any]) -> None:
        """Take other parameters, by name."""
        self.params = dict(params)

    def get_grads(self) -> dict[str, Any]:
        """The gradients of the parameters, by the same names, of the last call of `backward`."""
        return self.grads


class LSTM(Layer):
    """x is (T, D, 1); W is (H, D), U is (H, H) and b is (H, 1) for each gate; it gives (T, H, 1), or the last (H, 1)."""

    def __init__(self, input_size: int, units: int, return_sequences: bool = False, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.units, self.return_sequences = units, return_sequences
        self.params = {f"W{gate}": rng.normal(0, 0.1, (units, input_size)) for gate in "ifog"}
        self.params |= {f"U{gate}": rng.normal(0, 0.1, (units, units)) for gate in "ifog"}
        self.params |= {f"b{gate}": np.zeros((units, 1)) for gate in "ifog"}

    def forward(self, x: Any) -> Any:
        """Every h, or the last."""
        p = self.params
        h = c = np.zeros((self.units, 1), x.dtype)
        self.steps = []
        for x_t in x:
            i = sigmoid(p["Wi"] @ x_t + p["Ui"] @ h + p["bi"])
            f = sigmoid(p["Wf"] @ x_t + p["Uf"] @ h + p["bf"])
            o = sigmoid(p["Wo"] @ x_t + p["Uo"] @ h + p["bo"])
            g = np.tanh(p["Wg"] @ x_t + p["Ug"] @ h + p["bg"])
            h_prev, c_prev = h, c
            c = f * c_prev + i * g
            h = o * np.tanh(c)
            self.steps.append((x_t, h_prev, c_prev, i, f, o, g, c, h))
        return np.array([step[-1] for step in self.steps]) if self.return_sequences else h

    def backward(self, dy: Any) -> Any:
        """The gradient of x, from that of what `forward` gave."""
        p = self.params
        self.grads = {name: np.zeros_like(array) for name, array in p.items()}
        dh = dc = np.zeros((self.units, 1), dy.dtype)
        if not self.return_sequences:
            dh = dy
        dx = []
        for t in reversed(range(len(self.steps))):
            x_t, h_prev, c_prev, i, f, o, g, c, _ = self.steps[t]
            if self.return_sequences:
                dh = dh + dy[t]
            dc = dc + dh * o * (1 - np.tanh(c) ** 2)
            d = {
                "i": dc * g * i * (1 - i),
                "f": dc * c_prev * f * (1 - f),
                "o": dh * np.tanh(c) * o * (1 - o),
                "g": dc * i * (1 - g**2),
            }
            for gate in "ifog":
                self.grads[f"W{gate}"] += d[gate] @ x_t.T
                self.grads[f"U{gate}"] += d[gate] @ h_prev.T
                self.grads[f"b{gate}"] += d[gate]
            dx.append(sum(p[f"W{gate}"].T @ d[gate] for gate in "ifog"))
            dh = sum(p[f"U{gate}"].T @ d[gate] for gate in "ifog")
            dc = dc * f
        return np.array(dx[::-1])


class Dense(Layer):
    """y = W h + b; h is (H, 1), W is (K, H), b and y are (K, 1)."""

    def __init__(self, input_size: int, units: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.params = {"W": rng.normal(0, 0.1, (units, input_size)), "b": np.zeros((units, 1))}

    def forward(self, h: Any) -> Any:
        """The output."""
        self.h = h
        return self.params["W"] @ h + self.params["b"]

    def backward(self, dy: Any) -> Any:
        """The gradient of h, from that of the output."""
        self.grads = {"W": dy @ self.h.T, "b": dy}
        return self.params["W"].T @ dy


class Adam:
    """The optimizer, which keeps moments for each layer."""

    def __init__(self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.moments: dict[int, Any] = {}

    def update(self, layer: Layer) -> None:
        """One step along the gradients of a layer."""
        params, grads = layer.get_params(), layer.get_grads()
        zeros = {name: np.zeros_like(array) for name, array in params.items()}
        t, m, v = self.moments.get(id(layer), (0, zeros, zeros))
        t += 1
        m = {name: self.beta1 * m[name] + (1 - self.beta1) * grad for name, grad in grads.items()}
        v = {name: self.beta2 * v[name] + (1 - self.beta2) * grad**2 for name, grad in grads.items()}
        self.moments[id(layer)] = t, m, v
        for name, array in params.items():
            m_hat, v_hat = m[name] / (1 - self.beta1**t), v[name] / (1 - self.beta2**t)
            params[name] = array - self.rate * m_hat / (np.sqrt(v_hat) + self.epsilon)
        layer.set_params(params)


def train_step(layers: list[Any], x: Any, target: Any, optimizer: Adam) -> float:
    """One step of the optimizer on ½ Σ (y - target)² of one sequence; the loss before it."""
    y = x
    for layer in layers:
        y = layer.forward(y)
    d = y - target
    for layer in reversed(layers):
        d = layer.backward(d)
        optimizer.update(layer)
    return float(0.5 * np.sum((y - target) ** 2))
