"""A batch-first function with stacked weights, PyTorch's: ``lstm_forward(x, h0, c0, w_ih, w_hh, b)`` and its backward."""

from __future__ import annotations

from typing import Any

import numpy as np


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def lstm_forward(x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b: Any) -> Any:
    """X is (B, T, D), w_ih (4H, D), w_hh (4H, H), b (4H,); gates i, f, g, o."""
    h, c, hs, cache = h0, c0, [], []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w_ih.T + h @ w_hh.T + b, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        h_before, c_before = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        hs.append(h)
        cache.append((i, f, g, o, c, h_before, c_before))
    return np.stack(hs, axis=1), h, c, cache


def lstm_backward(dy: Any, dh: Any, dc: Any, x: Any, w_ih: Any, w_hh: Any, cache: Any) -> Any:
    """Gradients of x, h0, c0, w_ih, w_hh and b."""
    dx, dw_ih, dw_hh = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh)
    db = np.zeros(w_ih.shape[0], w_ih.dtype)
    for t in reversed(range(x.shape[1])):
        i, f, g, o, c, h_before, c_before = cache[t]
        dh = dh + dy[:, t]
        tanh_c = np.tanh(c)
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = np.concatenate(
            [dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], axis=1
        )
        dx[:, t] = dz @ w_ih
        dw_ih += dz.T @ x[:, t]
        dw_hh += dz.T @ h_before
        db += dz.sum(axis=0)
        dh, dc = dz @ w_hh, dc * f
    return dx, dh, dc, dw_ih, dw_hh, db
