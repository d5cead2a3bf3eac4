"""Stacked layers of both directions, as a class over one-layer functions: states are (layers * 2, B, H), as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.zoo.batch_first import lstm_backward, lstm_forward

STEPS = {"forward": slice(None), "reverse": slice(None, None, -1)}


class BiLSTM:
    """`weights` has for each layer a dict from "forward" and "reverse" to (w_ih, w_hh, b); one of them may be missing."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        """Outputs (B, T, 2H), and the final states."""
        self.cache: list[Any] = []
        h: list[Any] = []
        c: list[Any] = []
        for layer in self.weights:
            outputs = []
            for way, (w_ih, w_hh, b) in layer.items():
                seen, n = x[:, STEPS[way]], len(h)
                y, h_n, c_n, cache = lstm_forward(seen, h0[n], c0[n], w_ih, w_hh, b)
                outputs.append(y[:, STEPS[way]])
                h.append(h_n)
                c.append(c_n)
                self.cache.append((seen, cache))
            x = np.concatenate(outputs, axis=2)
        return x, np.stack(h), np.stack(c)

    def backward(self, dy: Any, dh: Any, dc: Any) -> Any:
        """Gradients of x, h0 and c0; those of the weights are in `grads`, in the form of `weights`."""
        dh0, dc0, n = np.zeros_like(dh), np.zeros_like(dc), len(dh)
        self.grads: list[Any] = []
        for layer in reversed(self.weights):
            n -= len(layer)
            dx: Any = 0.0
            grads: dict[str, list[Any]] = {}
            for k, (way, (w_ih, w_hh, _)) in enumerate(layer.items()):
                H, (seen, cache) = w_hh.shape[1], self.cache[n + k]
                part = dy[:, STEPS[way], k * H : (k + 1) * H]
                d_seen, dh0[n + k], dc0[n + k], *grads[way] = lstm_backward(
                    part, dh[n + k], dc[n + k], seen, w_ih, w_hh, cache
                )
                dx = dx + d_seen[:, STEPS[way]]
            self.grads.insert(0, grads)
            dy = dx
        return dy, dh0, dc0
