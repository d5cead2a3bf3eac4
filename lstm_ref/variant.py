"""An LSTM cell with everything that departs from the plain one, over time: forward, and backpropagation through time.

For row vectors, with W the kernel, U the recurrent kernel, b the bias, R the projection, p the peepholes, r what the
hidden state is multiplied by for dropout, s the gates' activation, a the candidate's and a' the cell's on its way out:

    z  = x W + (h ⊙ r) U + b                           four blocks: z_i, z_f, z_c, z_o
    i  = s(cut(z_i + p_i ⊙ c))    f = s(cut(z_f + p_f ⊙ c)), or 1 − i    g = a(cut(z_c))
    c' = f ⊙ c + i ⊙ g
    o  = s(cut(z_o + p_o ⊙ c'))
    h' = (o ⊙ a'(c')) R

where cut(z) is z within [−clip, clip], of slope 1 up to the border and 0 beyond it. Without an option its part is not
there. `lstm_ref.cell` is what is left without any, and faster.

Source: the operator LSTM of https://onnx.ai/onnx/operators/onnx__LSTM.html (peepholes, clip, ``input_forget``,
activations), https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (``proj_size``) and Keras's LSTMCell
(``recurrent_dropout``, activations); peepholes are those of Gers & Schmidhuber 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref.activations import ACTIVATIONS, Activation
from lstm_ref.gradients import WeightGradients
from lstm_ref.options import Options
from lstm_ref.params import FloatArray, LSTMParams

Rows: TypeAlias = npt.NDArray[np.intp] | slice
"""The samples of a step that counts for them."""

GATE_ROWS = I, F, O = range(3)  # noqa: E741 - the equations' symbols
"""Places in a peephole."""


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """What a step was given and what it made, of the samples that it counts for.

    Attributes
    ----------
    rows : array of int, or slice
    x : array (B, D)
    h : array (B, P)
        As the recurrent kernel meets it, after dropout.
    c, c_next : array (B, H)
    z_i, z_f, z_c, z_o : array (B, H)
        Not yet cut.
    i, f, g, o, out : array (B, H)
        The last is a'(c').
    h_next : array (B, P)
    """

    rows: Rows
    x: FloatArray
    h: FloatArray
    c: FloatArray
    z_i: FloatArray
    z_f: FloatArray
    z_c: FloatArray
    z_o: FloatArray
    i: FloatArray
    f: FloatArray
    g: FloatArray
    o: FloatArray
    c_next: FloatArray
    out: FloatArray
    h_next: FloatArray


class Cell:
    """One step, forward and backward.

    Parameters
    ----------
    params : LSTMParams
    options : Options
    recurrent : array (B, P) or None
        What the hidden state is multiplied by before the recurrent kernel.
    """

    def __init__(self, params: LSTMParams, options: Options, recurrent: FloatArray | None) -> None:
        self.params, self.recurrent = params, recurrent
        self.coupled, self.clip = options.coupled_gates, None if options.clip is None else float(options.clip)
        self.gate = ACTIVATIONS[options.recurrent_activation]
        self.candidate, self.out = ACTIVATIONS[options.activation], ACTIVATIONS[options.of_output]

    def forward(self, rows: Rows, x: FloatArray, h: FloatArray, c: FloatArray) -> Step:
        """The equations above, of some samples: x (B, D), h (B, P), c (B, H)."""
        p, peephole = self.params, self.params.peephole
        if self.recurrent is not None:
            h = h * self.recurrent[rows]
        z = x @ p.kernel + h @ p.recurrent_kernel
        if p.bias is not None:
            z += p.bias
        z_i, z_f, z_c, z_o = z.reshape(len(x), 4, p.hidden_size).swapaxes(0, 1)
        if peephole is not None:
            z_i, z_f = z_i + peephole[I] * c, z_f + peephole[F] * c
        i, g = self.gate.of(self._cut(z_i)), self.candidate.of(self._cut(z_c))
        f = 1 - i if self.coupled else self.gate.of(self._cut(z_f))
        c_next = f * c + i * g
        if peephole is not None:
            z_o = z_o + peephole[O] * c_next
        o, out = self.gate.of(self._cut(z_o)), self.out.of(c_next)
        h_next = o * out if p.projection is None else (o * out) @ p.projection
        return Step(rows, x, h, c, z_i, z_f, z_c, z_o, i, f, g, o, c_next, out, h_next)

    def backward(
        self, step: Step, d_h: FloatArray, d_c: FloatArray, d_weights: dict[str, FloatArray]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The cotangents of x, h and c, of those of h' (B, P) and c' (B, H); those of the weights are added to."""
        p, s, peephole = self.params, step, self.params.peephole
        d_m = d_h if p.projection is None else d_h @ p.projection.T  # of m = o ⊙ a'(c')
        d_z_o = d_m * s.out * self._slope(self.gate, s.z_o, s.o)
        d_c = d_c + d_m * s.o * self.out.slope(s.c_next, s.out)
        if peephole is not None:
            d_c += d_z_o * peephole[O]
        d_f = d_c * s.c
        d_i = d_c * s.g - d_f if self.coupled else d_c * s.g
        d_z_i = d_i * self._slope(self.gate, s.z_i, s.i)
        d_z_f = np.zeros_like(d_f) if self.coupled else d_f * self._slope(self.gate, s.z_f, s.f)
        d_z_c = d_c * s.i * self._slope(self.candidate, s.z_c, s.g)
        d_c = d_c * s.f
        if peephole is not None:
            d_c += d_z_i * peephole[I] + d_z_f * peephole[F]

        d_z = np.concatenate([d_z_i, d_z_f, d_z_c, d_z_o], axis=1)
        d_weights["kernel"] += s.x.T @ d_z
        d_weights["recurrent_kernel"] += s.h.T @ d_z
        if p.bias is not None:
            d_weights["bias"] += d_z.sum(axis=0)
        if p.projection is not None:
            d_weights["projection"] += (s.o * s.out).T @ d_h
        if peephole is not None:
            d_weights["peephole"] += [(d_z_i * s.c).sum(0), (d_z_f * s.c).sum(0), (d_z_o * s.c_next).sum(0)]
        d_h = d_z @ p.recurrent_kernel.T
        return d_z @ p.kernel.T, d_h if self.recurrent is None else d_h * self.recurrent[s.rows], d_c

    def _cut(self, z: FloatArray) -> FloatArray:
        return z if self.clip is None else np.clip(z, -self.clip, self.clip)

    def _slope(self, activation: Activation, z: FloatArray, a: FloatArray) -> FloatArray:
        """That of activation(cut(z)), whose value is a, by z."""
        slope = activation.slope(self._cut(z), a)
        return slope if self.clip is None else slope * (np.abs(z) <= self.clip)


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """What is remembered of a forward pass: the cell, the sizes (B, T, D), and all steps."""

    cell: Cell
    sizes: tuple[int, int, int]
    steps: list[Step]


def forward(
    cell: Cell, x: FloatArray, h0: FloatArray, c0: FloatArray, mask: npt.NDArray[np.bool_] | None, remember: bool
) -> tuple[FloatArray, FloatArray, FloatArray, Record | None]:
    """Run a layer over a sequence, from its beginning to its end.

    Parameters
    ----------
    cell : Cell
    x : array (B, T, D)
    h0 : array (B, P)
    c0 : array (B, H)
    mask : array (B, T) of bool, or None
        True where a step counts; another one holds the state, and is not computed.
    remember : bool
        Whether for `backward`.

    Returns
    -------
    output : array (B, T, P)
        h after every step.
    h : array (B, P)
    c : array (B, H)
        The final state.
    record : Record or None
    """
    (B, T, _), h, c = x.shape, h0.copy(), c0.copy()
    output, steps = np.empty((B, T, h.shape[1]), x.dtype), []
    for t in range(T):
        rows = slice(None) if mask is None else np.flatnonzero(mask[:, t])
        step = cell.forward(rows, x[rows, t].copy(), h[rows], c[rows])
        h, c = h.copy(), c.copy()  # the step keeps those before it
        h[rows], c[rows] = step.h_next, step.c_next
        output[:, t] = h
        if remember:
            steps.append(step)
    return output, h, c, Record(cell, x.shape, steps) if remember else None


def backward(
    record: Record, d_output: FloatArray | None, d_h: FloatArray | None, d_c: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, WeightGradients]:
    """Backpropagate through time; cotangents that are None are zero.

    Parameters
    ----------
    record : Record
        The forward pass's; it is left as it is.
    d_output : array (B, T, P) or None
    d_h : array (B, P) or None
    d_c : array (B, H) or None

    Returns
    -------
    d_x : array (B, T, D)
    d_h0 : array (B, P)
    d_c0 : array (B, H)
    gradients : WeightGradients
    """
    cell, params, (B, T, D) = record.cell, record.cell.params, record.sizes
    d_h = np.zeros((B, params.output_size), params.dtype) if d_h is None else d_h.copy()
    d_c = np.zeros((B, params.hidden_size), params.dtype) if d_c is None else d_c.copy()
    d_x = np.zeros((B, T, D), params.dtype)
    d_weights = {name: np.zeros_like(weight) for name, weight in params.arrays.items()}
    for t in reversed(range(T)):
        step = record.steps[t]
        if d_output is not None:
            d_h += d_output[:, t]
        d_x[step.rows, t], d_h[step.rows], d_c[step.rows] = cell.backward(
            step, d_h[step.rows], d_c[step.rows], d_weights
        )
    return d_x, d_h, d_c, WeightGradients(**{f"d_{name}": gradient for name, gradient in d_weights.items()})
