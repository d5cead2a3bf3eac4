"""An LSTM that serves cases to lstm-conformance check --process "python my_lstm.py": forward pass and all gradients.

It knows the protocol and NumPy, and nothing of lstm-conformance.
"""

import base64
import json
import sys

import numpy as np


def sigmoid(z):
    e = np.exp(-abs(z))  # of a gate that is nearly shut, 1 + tanh would lose the digits
    return np.where(z >= 0, 1, e) / (1 + e)


def forward(x, h, c, W, U, b):
    """The outputs, the final state, and what the way back needs; the gates' blocks are i, f, c, o."""
    steps = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before, c = (h, c), f * c + i * g
        h = o * np.tanh(c)
        steps.append((before, i, f, g, o, c, h))
    return np.stack([step[-1] for step in steps], axis=1), h, c, steps


def backward(dy, dh, dc, x, W, U, steps):
    """The gradients of sum(dy * y) + sum(dh * h) + sum(dc * c)."""
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(W[0])
    for t in reversed(range(x.shape[1])):
        (h, before), i, f, g, o, c, _ = steps[t]
        dh = dh + dy[:, t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        gates = [dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(c) * o * (1 - o)]
        dz = np.concatenate(gates, axis=1)
        dW, dU, db = dW + x[:, t].T @ dz, dU + h.T @ dz, db + dz.sum(axis=0)
        dx[:, t], dh, dc = dz @ W.T, dz @ U.T, dc * f
    return dx, dh, dc, dW, dU, db


def array(a):
    return np.frombuffer(base64.b64decode(a["data"]), a["dtype"]).reshape(a["shape"])


def encoded(a):
    return {"dtype": a.dtype.name, "shape": a.shape, "data": base64.b64encode(a.tobytes()).decode()}


def results(a):
    x, W, U = a["x"], a["kernel"], a["recurrent_kernel"]
    y, h, c, steps = forward(x, a["h0"], a["c0"], W, U, a["bias"])
    names = ("d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias")
    gradients = backward(a["d_output"], a["d_h"], a["d_c"], x, W, U, steps)
    return {"output": y, "h": h, "c": c, **dict(zip(names, gradients, strict=True))}


def answer(message):
    if "protocol" in message:
        return {"protocol": "lstm-conformance", "version": 1, "arrays": "base64"}
    found = results({name: array(a) for name, a in message["arrays"].items()})
    return {"call": message["call"], "results": {name: encoded(a) for name, a in found.items()}}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
