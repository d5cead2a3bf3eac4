"""A column-vector cell with one matrix on [h, x] per gate, as courses teach it: samples are columns."""

from __future__ import annotations

from typing import Any

import numpy as np


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def forward(xs: Any, h: Any, c: Any, W: Any, b: Any) -> Any:
    """Xs is (T, D, B), h and c (H, B); W and b are lists for the gates f, i, c, o: (H, H + D) and (H, 1)."""
    steps = []
    for x in xs:
        hx = np.concatenate([h, x], axis=0)
        f, i, g, o = (W[k] @ hx + b[k] for k in range(4))
        f, i, g, o = _sigmoid(f), _sigmoid(i), np.tanh(g), _sigmoid(o)
        c_before, c = c, f * c + i * g
        h = o * np.tanh(c)
        steps.append((hx, f, i, g, o, c_before, c, h))
    return [step[-1] for step in steps], h, c, steps


def backward(dhs: Any, dh: Any, dc: Any, W: Any, steps: Any) -> Any:
    """Gradients of xs, h, c, W and b."""
    H = dh.shape[0]
    dW, db = [np.zeros_like(w) for w in W], [np.zeros((H, 1), w.dtype) for w in W]
    dxs = []
    for dy, (hx, f, i, g, o, c_before, c, _) in zip(reversed(dhs), reversed(steps), strict=True):
        dh = dh + dy
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        dz = [dc * c_before * f * (1 - f), dc * g * i * (1 - i), dc * i * (1 - g**2), dh * np.tanh(c) * o * (1 - o)]
        for k in range(4):
            dW[k] += dz[k] @ hx.T
            db[k] += dz[k].sum(axis=1, keepdims=True)
        dhx = sum(w.T @ d for w, d in zip(W, dz, strict=True))
        dh, dc = dhx[:H], dc * f
        dxs.append(dhx[H:])
    return dxs[::-1], dh, dc, dW, db
