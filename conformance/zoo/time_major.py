"""A time-major class with `forward` and `backward` methods that keeps its gradients; gates i, f, o, g; no initial state."""

from __future__ import annotations

from typing import Any

import numpy as np


class LSTM:
    """x is (T, B, D), Wx (D, 4H), Wh (H, 4H), b (4H,)."""

    def __init__(self, Wx: Any, Wh: Any, b: Any) -> None:
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x: Any) -> Any:
        """Every hidden state, (T, B, H)."""
        T, B, _ = x.shape
        H = self.Wh.shape[0]
        self.x, self.h, self.c = x, np.zeros((T + 1, B, H), x.dtype), np.zeros((T + 1, B, H), x.dtype)
        self.a = np.empty((T, B, 4 * H), x.dtype)
        for t in range(T):
            a = x[t] @ self.Wx + self.h[t] @ self.Wh + self.b
            with np.errstate(over="ignore"):
                a[:, : 3 * H] = 1 / (1 + np.exp(-a[:, : 3 * H]))
            a[:, 3 * H :] = np.tanh(a[:, 3 * H :])
            i, f, o, g = np.split(a, 4, axis=1)
            self.c[t + 1] = f * self.c[t] + i * g
            self.h[t + 1] = o * np.tanh(self.c[t + 1])
            self.a[t] = a
        return self.h[1:]

    def backward(self, dout: Any) -> Any:
        """The input's gradient; the weights' are kept as dWx, dWh, db."""
        T = len(dout)
        dx, dh, dc = np.empty_like(self.x), np.zeros_like(self.h[0]), np.zeros_like(self.c[0])
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        for t in reversed(range(T)):
            i, f, o, g = np.split(self.a[t], 4, axis=1)
            dh, tanh_c = dh + dout[t], np.tanh(self.c[t + 1])
            dc = dc + dh * o * (1 - tanh_c**2)
            da = np.hstack(
                [dc * g * i * (1 - i), dc * self.c[t] * f * (1 - f), dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)]
            )
            self.dWx += self.x[t].T @ da
            self.dWh += self.h[t].T @ da
            self.db += da.sum(axis=0)
            dx[t], dh, dc = da @ self.Wx.T, da @ self.Wh.T, dc * f
        return dx
