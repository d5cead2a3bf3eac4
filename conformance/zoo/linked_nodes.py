"""An LSTM as a chain of nodes, one for each step of one sample, which share a parameter object and add to its differences.

g = φ(Wg [x, h] + bg)       c' = g ⊙ i + c ⊙ f
i = σ(Wi [x, h] + bi)       h' = ψ(c') ⊙ o
f = σ(Wf [x, h] + bf)
o = σ(Wo [x, h] + bo)

Nothing is done to c' on its way out in this variant of the cell: ψ is the identity. The usual cell has ψ = tanh: that is a
setting of the parameter object, as σ and φ are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient 0, as it should be
        return 1 / (1 + np.exp(-z))


class Activation(NamedTuple):
    """A function, and its derivative as a function of the value a that it gave."""

    of: Any
    slope: Any


SIGMOID = Activation(sigmoid, lambda a: a * (1 - a))
TANH = Activation(np.tanh, lambda a: 1 - a**2)
LINEAR = Activation(lambda z: z, np.ones_like)


class Parameters:
    """What all nodes share: W (H, D + H) and b (H,) of the gates g, i, f, o, their differences, and the activations."""

    def __init__(self, W: Any, b: Any, gate: Any = SIGMOID, candidate: Any = TANH, output: Any = LINEAR) -> None:
        self.W, self.b = dict(zip("gifo", W, strict=True)), dict(zip("gifo", b, strict=True))
        self.gate, self.candidate, self.output = gate, candidate, output
        self.clear_differences()

    def clear_differences(self) -> None:
        """Set all differences to zero."""
        self.dW = {gate: np.zeros_like(W) for gate, W in self.W.items()}
        self.db = {gate: np.zeros_like(b) for gate, b in self.b.items()}

    def apply_differences(self, rate: float) -> None:
        """One step of SGD along the differences, which then begin anew."""
        self.W = {gate: W - rate * self.dW[gate] for gate, W in self.W.items()}
        self.b = {gate: b - rate * self.db[gate] for gate, b in self.b.items()}
        self.clear_differences()


class State:
    """The h and c between two nodes, and the gradients that come back to them."""

    def __init__(self, h: Any, c: Any) -> None:
        self.h, self.c = h, c
        self.dh, self.dc = np.zeros_like(h), np.zeros_like(c)


class Node:
    """One step: from the state before it to the state after it."""

    def __init__(self, shared: Parameters, x: Any, before: State) -> None:
        p, self.shared, self.before = shared, shared, before
        self.xh = np.hstack([x, before.h])
        self.g = p.candidate.of(p.W["g"] @ self.xh + p.b["g"])
        self.i = p.gate.of(p.W["i"] @ self.xh + p.b["i"])
        self.f = p.gate.of(p.W["f"] @ self.xh + p.b["f"])
        self.o = p.gate.of(p.W["o"] @ self.xh + p.b["o"])
        c = self.g * self.i + before.c * self.f
        self.out = p.output.of(c)
        self.after = State(self.out * self.o, c)

    def backward(self) -> None:
        """Hand the gradients of the state after this node on to the state before it, to x and to the differences."""
        p, before, dh = self.shared, self.before, self.after.dh
        dc = self.after.dc + dh * self.o * p.output.slope(self.out)
        dg = dc * self.i * p.candidate.slope(self.g)
        di = dc * self.g * p.gate.slope(self.i)
        df = dc * before.c * p.gate.slope(self.f)
        do = dh * self.out * p.gate.slope(self.o)
        dz = {"g": dg, "i": di, "f": df, "o": do}
        for gate, d in dz.items():
            p.dW[gate] += np.outer(d, self.xh)
            p.db[gate] += d
        dxh = sum(p.W[gate].T @ d for gate, d in dz.items())
        self.dx = dxh[: -len(dh)]
        before.dh += dxh[-len(dh) :]
        before.dc += dc * self.f


def squared_error(h: Any, target: Any) -> Any:
    """The loss of one step, of the first unit alone, and its gradient in h."""
    return (h[0] - target) ** 2, 2 * (h - target) * (np.arange(len(h)) == 0)


class Network:
    """The chain of nodes; it grows with what it reads."""

    def __init__(self, shared: Parameters, h: Any, c: Any) -> None:
        self.shared, self.nodes = shared, list[Node]()
        self.start = self.end = State(h, c)

    def read(self, xs: Any) -> None:
        """One more node for every x."""
        for x in xs:
            self.nodes.append(Node(self.shared, x, self.end))
            self.end = self.nodes[-1].after

    def backward(self, targets: Any, loss: Any = squared_error) -> Any:
        """The loss summed over the nodes, each with its target; its gradients are added everywhere."""
        total = 0.0
        for node, target in zip(reversed(self.nodes), reversed(targets), strict=True):
            value, slope = loss(node.after.h, target)
            total += value
            node.after.dh += slope
            node.backward()
        return total


def train_step(shared: Parameters, xs: Any, targets: Any, rate: float) -> Any:
    """One step of SGD on the loss of one sequence, from a state of zeros; the loss before it."""
    zeros = np.zeros_like(shared.b["g"])
    network = Network(shared, zeros, zeros)
    network.read(xs)
    loss = network.backward(targets)
    shared.apply_differences(rate)
    return loss
