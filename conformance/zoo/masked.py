"""A batch of padded sequences: a function of x and a mask of ones and zeros (B, T), Keras's weights, and its backward."""

from __future__ import annotations

from typing import Any

import numpy as np


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def forward(x: Any, mask: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
    """Every h (B, T, H), held where the mask is zero, and the last h and c."""
    hs, cache = [], []
    for t in range(x.shape[1]):
        m = mask[:, t, None]
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c_new = f * c + i * g
        cache.append((m, i, f, g, o, c_new, h, c))
        h = m * (o * np.tanh(c_new)) + (1 - m) * h
        c = m * c_new + (1 - m) * c
        hs.append(h)
    return np.stack(hs, axis=1), h, c, cache


def backward(dhs: Any, dh: Any, dc: Any, x: Any, W: Any, U: Any, cache: Any) -> Any:
    """Gradients of x, h, c, W, U and b, by those of every h and of the last h and c."""
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros(W.shape[1], W.dtype)
    for t in reversed(range(x.shape[1])):
        m, i, f, g, o, c_new, h_before, c_before = cache[t]
        dh = dh + dhs[:, t]
        dh_new, dc_new = m * dh, m * dc
        tanh_c = np.tanh(c_new)
        dc_new = dc_new + dh_new * o * (1 - tanh_c**2)
        di, df, dg, do = dc_new * g, dc_new * c_before, dc_new * i, dh_new * tanh_c
        dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
        dx[:, t] = dz @ W.T
        dW += x[:, t].T @ dz
        dU += h_before.T @ dz
        db += dz.sum(axis=0)
        dh, dc = dz @ U.T + (1 - m) * dh, dc_new * f + (1 - m) * dc
    return dx, dh, dc, dW, dU, db
