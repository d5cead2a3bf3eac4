"""A small NumPy LSTM whose every step is a method, so that a bug is one overridden method.

It is written for this catalogue alone: correct as it stands, and slow. Gate blocks are in the order
i, f, c, o; arrays are batch-first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.case import Case, Result


@dataclass
class Step:
    """What one forward step leaves for the backward pass."""

    x: Any
    h: Any
    c: Any
    z: Any
    i: Any
    f: Any
    g: Any
    o: Any
    c_next: Any
    h_next: Any
    t: int = 0


def block(array: Any, gate: str, order: str = "ifco") -> Any:
    """One gate's block of an array whose last axis has four."""
    H = array.shape[-1] // 4
    n = order.index(gate)
    return array[..., n * H : (n + 1) * H]


class HookableLSTM:
    """An LSTM whose parts can be overridden.

    Overridden methods call ``super()`` where they change what the method gives, so that classes of different
    groups can be bases of one: that LSTM has all their bugs.
    """

    def __call__(self, case: Case) -> Result:
        """Forward and backward pass."""
        steps, W, U, result = self.run(case)
        d_x, d_h0, d_c0, dW, dU, db = self.backward(steps, *self.cotangents(case), W, U)
        result |= {"d_x": d_x, "d_h0": d_h0, "d_c0": d_c0}
        weights = self.write(dW, dU, db)
        result |= dict(zip(("d_kernel", "d_recurrent_kernel", "d_bias"), weights, strict=True))
        if case.params.bias is None:
            del result["d_bias"]
        return result

    def run(self, case: Case) -> tuple[list[Step], Any, Any, dict[str, Any]]:
        """The forward pass: its steps, the matrices as they were read, and output, h and c."""
        self.case = case
        x, h0, c0 = self.inputs(case)
        W, U, b = self.read(case)
        steps = self.forward(x, h0, c0, W, U, b)
        return steps, W, U, dict(zip(("output", "h", "c"), self.finish(steps, h0, c0), strict=True))

    # Inputs and weights.

    def inputs(self, case: Case) -> tuple[Any, Any, Any]:
        """x, h0 and c0."""
        return case.x, case.h0, case.c0

    def read(self, case: Case) -> tuple[Any, Any, Any]:
        """The kernel, the recurrent kernel and the bias, zeros if there is none."""
        p = case.params
        return p.kernel, p.recurrent_kernel, np.zeros(4 * p.hidden_size, p.dtype) if p.bias is None else p.bias

    def write(self, dW: Any, dU: Any, db: Any) -> tuple[Any, Any, Any]:
        """The weights' gradients, in the layout that the weights were given in."""
        return dW, dU, db

    # Forward.

    def forward(self, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> list[Step]:
        """All steps."""
        steps: list[Step] = []
        for t, place in enumerate(self.times(x.shape[1])):
            self.t = t
            step = self.step(x[:, place], h, c, W, U, b)
            step.t = t
            steps.append(step)
            h, c = self.carried(step)
        return steps

    t = 0
    """The number of the step that the forward pass is at."""

    def times(self, T: int) -> Any:
        """The order in which the steps are taken."""
        return range(T)

    def step(self, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Step:
        """One step."""
        z = self.preactivation(x, h, c, W, U, b)
        i, f, g, o = self.activate(z)
        c_next = self.cell(i, f, g, o, c)
        h_next = self.hidden(o, c_next, c, z)
        return Step(x, h, c, z, i, f, g, o, c_next, h_next)

    def preactivation(self, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        """Z = x W + h U + b."""
        return x @ W + h @ U + b

    def activate(self, z: Any) -> tuple[Any, Any, Any, Any]:
        """The gates i, f, the candidate g, the gate o."""
        i, f, g, o = (self.gate(gate, block(z, gate)) for gate in "ifco")
        return i, f, g, o

    def gate(self, gate: str, z: Any) -> Any:
        """One of i, f, c, o, of its logit."""
        return self.candidate(z) if gate == "c" else self.sigmoid(z)

    def sigmoid(self, z: Any) -> Any:
        """1 / (1 + exp(-z))."""
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-z))

    def candidate(self, z: Any) -> Any:
        """tanh(z)."""
        return np.tanh(z)

    def cell(self, i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
        """C' = f c + i g."""
        return f * c + i * g

    def hidden(self, o: Any, c_next: Any, c: Any, z: Any) -> Any:
        """H' = o tanh(c')."""
        return o * self.squash(c_next)

    def squash(self, c: Any) -> Any:
        """tanh(c), which the output gate multiplies."""
        return np.tanh(c)

    def carried(self, step: Step) -> tuple[Any, Any]:
        """The state that the next step begins with."""
        return step.h_next, step.c_next

    def finish(self, steps: list[Step], h0: Any, c0: Any) -> tuple[Any, Any, Any]:
        """output, h and c."""
        return np.stack([step.h_next for step in steps], axis=1), steps[-1].h_next, steps[-1].c_next

    # Backward.

    def cotangents(self, case: Case) -> tuple[Any, Any, Any]:
        """d_output, d_h and d_c."""
        return case.d_output, case.d_h, case.d_c

    def backward(self, steps: list[Step], d_output: Any, d_h: Any, d_c: Any, W: Any, U: Any) -> tuple[Any, ...]:
        """d_x, d_h0, d_c0 and the weights' gradients in this LSTM's own layout."""
        d_x = np.zeros((*d_output.shape[:2], W.shape[0]), W.dtype)
        dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(W.shape[1], W.dtype)
        for t in self.backward_times(len(steps)):
            step = steps[t]
            d_h = self.add_output(d_h, d_output, t)
            d_c_local = self.cell_from_hidden(step, d_h)
            d_c_full = self.add_cell(d_c, d_c_local)
            dz = self.gate_gradients(step, d_h, d_c_full, d_c)
            d_x[:, t] = self.input_gradient(dz, W)
            new = self.weight_gradients(steps, t, dz)
            totals = []
            for place, (old, one) in enumerate(zip((dW, dU, db), new, strict=True)):
                self.array = place
                totals.append(self.accumulate(old, one))
            dW, dU, db = totals
            carried_dz = self.gate_gradients(step, d_h, d_c_local, d_c) if self.carry_local else dz
            d_h, d_c = self.carry_hidden(carried_dz, U, step), self.carry_cell(d_c_full, step)
        return d_x, d_h, d_c, dW, dU, db

    array = 0
    """Which of the weights' three gradients a share is added to."""
    carry_local = False
    """Whether the carried hidden gradient is built without what was carried in c."""

    def backward_times(self, T: int) -> Any:
        """The order in which the steps are gone back over."""
        return reversed(range(T))

    def add_output(self, d_h: Any, d_output: Any, t: int) -> Any:
        """The cotangent of h' is what was carried plus the output's own."""
        return d_h + d_output[:, t]

    def cell_from_hidden(self, step: Step, d_h: Any) -> Any:
        """What reaches c' through h': d_h o (1 - tanh(c')**2)."""
        return d_h * self.head_gate(step) * self.head_slope(step)

    def head_gate(self, step: Step) -> Any:
        """What tanh(c') was multiplied with."""
        return step.o

    def head_slope(self, step: Step) -> Any:
        """1 - tanh(c')**2, of the new c."""
        return 1 - np.tanh(step.c_next) ** 2

    def add_cell(self, d_c: Any, local: Any) -> Any:
        """The cotangent of c' is what was carried plus what came through h'."""
        return d_c + local

    def gate_gradients(self, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        """d_z for i, f, c, o, side by side."""
        return np.concatenate([self.gate_gradient(gate, step, d_h, d_c, carried) for gate in "ifco"], axis=1)

    def gate_gradient(self, gate: str, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        """d_z of one gate."""
        return (d_h if gate == "o" else d_c) * self.factor(gate, step) * self.slope(gate, step)

    def factor(self, gate: str, step: Step) -> Any:
        """What the gate was multiplied with."""
        if gate == "f":
            return self.cell_of_forget(step)
        return {"i": step.g, "c": step.i}[gate] if gate != "o" else np.tanh(step.c_next)

    def slope(self, gate: str, step: Step) -> Any:
        """The slope of the gate's activation."""
        if gate == "c":
            return self.tanh_slope(step.g, step)
        return self.sigmoid_slope(gate, getattr(step, gate), step)

    def sigmoid_slope(self, gate: str, a: Any, step: Step) -> Any:
        """A (1 - a), of the activated gate."""
        return a * (1 - a)

    def tanh_slope(self, g: Any, step: Step) -> Any:
        """1 - g**2, of the activated candidate."""
        return 1 - g**2

    def cell_of_forget(self, step: Step) -> Any:
        """What the forget gate multiplied."""
        return step.c

    def input_gradient(self, dz: Any, W: Any) -> Any:
        """d_z W^T."""
        return dz @ W.T

    def weight_gradients(self, steps: list[Step], t: int, dz: Any) -> tuple[Any, Any, Any]:
        """One step's share of the weights' gradients."""
        return steps[t].x.T @ dz, steps[t].h.T @ dz, dz.sum(axis=0)

    def accumulate(self, total: Any, new: Any) -> Any:
        """Shares are summed."""
        return total + new

    def carry_hidden(self, dz: Any, U: Any, step: Step) -> Any:
        """d_z U^T."""
        return dz @ U.T

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        """d_c f."""
        return d_c * step.f
