"""One time step of an LSTM: the equations, forward and backward.

With σ(z) = 1 / (1 + exp(−z)), ⊙ elementwise, W the kernel, U the recurrent kernel and b the bias:

    z  = x W + h U + b                       four blocks: z_i, z_f, z_c, z_o
    i  = σ(z_i)    f = σ(z_f)    g = tanh(z_c)    o = σ(z_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, as in
https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (there g names the candidate) and in
Keras's LSTMCell. Everything is written into memory that the caller made; B and H as elsewhere.

Gates are blocks of memory of their own, i, f, g, o along an axis before B, so that each call goes over contiguous
memory: what all gates have in common is one call over (4, B, H).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_ref.params import FloatArray

CARRY, I, F, G, O = range(5)  # noqa: E741 - the equations' symbols
"""Places among the factors of `local_derivatives`; among gates the same, less one."""

REPEATED = 4096
"""For gates of up to so many numbers, those that they are multiplied with are written out."""


class Sigmoid:
    """σ out of tanh, σ(z) = (1 + tanh(z/2)) / 2, for i, f and o, while g stays tanh: one tanh for all gates.

    Parameters
    ----------
    B, H : int
    dtype : numpy.dtype
    """

    def __init__(self, B: int, H: int, dtype: np.dtype[Any]) -> None:
        # NumPy takes a microsecond to repeat a number; to read as many as there are gates takes longer if they are many
        self.scale = np.full((4, B, H) if B * H <= REPEATED else (4, 1, 1), 0.5, dtype)
        self.scale[2] = 1.0
        self.shift = np.where(self.scale == 0.5, self.scale, 0.0).astype(dtype)

    def __call__(self, z: FloatArray) -> None:
        """Activate the gates (4, B, H) in place."""
        np.multiply(z, self.scale, out=z)
        np.tanh(z, out=z)
        np.multiply(z, self.scale, out=z)
        np.add(z, self.shift, out=z)


def forward_step(
    gates: FloatArray,
    h: FloatArray,
    c: FloatArray,
    recurrent_kernel: FloatArray,
    h_next: FloatArray,
    c_next: FloatArray,
    tanh_c: FloatArray,
    sigmoid: Sigmoid,
    recurrent: FloatArray,
    product: FloatArray,
) -> None:
    """One step of the equations above.

    Parameters
    ----------
    gates : array (4, B, H)
        On entry x W + b; on return the activated i, f, g, o.
    h, c : array (B, H)
        The state before the step.
    recurrent_kernel : array (4, H, H)
        By gate; or (1, H, 4H), if B is 1.
    h_next, c_next, tanh_c : array (B, H)
        Written: the state after the step, and tanh(c_next), which the backward step needs again.
    sigmoid : Sigmoid
    recurrent : array (4, B, H)
        Scratch.
    product : array (4, B, H)
        The same memory; seen as (1, 1, 4H), if B is 1.
    """
    np.matmul(h, recurrent_kernel, out=product)
    np.add(gates, recurrent, out=gates)  # z = x W + b + h U
    sigmoid(gates)
    i, f, g, o = gates

    np.multiply(i, g, out=tanh_c)  # free until two lines below
    np.multiply(f, c, out=c_next)
    np.add(c_next, tanh_c, out=c_next)  # c' = f c + i g
    np.tanh(c_next, out=tanh_c)
    np.multiply(o, tanh_c, out=h_next)  # h' = o tanh(c')


def local_derivatives(
    gates: FloatArray, c: FloatArray, tanh_c: FloatArray, factors: FloatArray, d_c_of_h: FloatArray
) -> None:
    """The factors by which `backward_step` multiplies cotangents; for many steps at once.

    By σ' = σ (1 − σ) and tanh' = 1 − tanh², each taken of the activated value:

        ∂c'/∂c   = f
        ∂c'/∂z_i = g i (1−i)      ∂c'/∂z_f = c f (1−f)      ∂c'/∂z_c = i (1−g²)
        ∂h'/∂z_o = tanh(c') o (1−o)                         ∂h'/∂c'  = o (1−tanh²(c'))

    Parameters
    ----------
    gates : array (T, 4, B, H)
        The activated gates.
    c, tanh_c : array (T, B, H)
        The cell state before the steps, and tanh of the one after each.
    factors : array (T, 5, B, H)
        Written: the first five.
    d_c_of_h : array (T, B, H)
        Written: the sixth.
    """
    i, f, g, o = gates.swapaxes(0, 1)
    carry, by_i, by_f, by_g, by_o = factors.swapaxes(0, 1)

    np.subtract(1.0, gates, out=factors[:, I:])  # 1−i, 1−f, (1−g), 1−o
    np.multiply(factors[:, I:], gates, out=factors[:, I:])  # σ' of the three sigmoid gates
    np.multiply(by_i, g, out=by_i)
    np.multiply(by_f, c, out=by_f)
    np.multiply(by_o, tanh_c, out=by_o)

    np.multiply(g, g, out=by_g)
    np.subtract(1.0, by_g, out=by_g)
    np.multiply(by_g, i, out=by_g)

    np.multiply(tanh_c, tanh_c, out=d_c_of_h)
    np.subtract(1.0, d_c_of_h, out=d_c_of_h)
    np.multiply(d_c_of_h, o, out=d_c_of_h)

    carry[...] = f


def backward_step(
    factors: FloatArray,
    d_c_of_h: FloatArray,
    recurrent_kernel_transposed: FloatArray,
    d_h: FloatArray,
    d_c: FloatArray,
    by_gate: FloatArray,
) -> None:
    """Carry the cotangents of the state through one step, from after it to before it.

        d_c  ← d_c + d_h ⊙ ∂h'/∂c'
        d_z  = d_c ⊙ ∂c'/∂z  for i, f, g        d_z_o = d_h ⊙ ∂h'/∂z_o
        d_c  ← d_c ⊙ ∂c'/∂c                     d_h   ← d_z Uᵀ

    Parameters
    ----------
    factors : array (5, B, H)
        On entry those of `local_derivatives`; on return what reaches c, and the cotangents of z_i, z_f, z_c, z_o.
    d_c_of_h : array (B, H)
        The sixth factor; overwritten.
    recurrent_kernel_transposed : array (4, H, H)
        By gate; or (1, 4H, H), if B is 1.
    d_h : array (B, H)
        On entry the whole cotangent of h'; on return what reaches h.
    d_c : array (B, H)
        On entry what was carried to c'; overwritten.
    by_gate : array (4, B, H)
        Scratch; (1, 1, H), if B is 1.
    """
    np.multiply(d_h, d_c_of_h, out=d_c_of_h)
    np.add(d_c, d_c_of_h, out=d_c)
    np.multiply(factors[:O], d_c, out=factors[:O])
    np.multiply(factors[O], d_h, out=factors[O])
    d_z = factors[I:] if len(by_gate) == 4 else factors[I:].reshape(1, 1, -1)
    np.matmul(d_z, recurrent_kernel_transposed, out=by_gate)
    np.add.reduce(by_gate, axis=0, out=d_h)
