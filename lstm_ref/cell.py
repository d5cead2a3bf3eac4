"""One time step of an LSTM: the equations, forward and backward.

With σ(z) = 1 / (1 + exp(−z)), ⊙ elementwise, W the kernel, U the recurrent kernel and b the bias:

    z  = Wᵀ x + Uᵀ h + b                     four blocks: z_i, z_f, z_c, z_o
    i  = σ(z_i)    f = σ(z_f)    g = tanh(z_c)    o = σ(z_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, as in
https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (there g names the candidate) and in
Keras's LSTMCell. Everything is written into memory that the caller made.

Here samples are columns, as in the equations: for B samples of D features and H units, x is (D, B), h and c are (H, B),
and z is (4H, B). So one product gives all gates, each in a block of memory of its own, i, f, g, o along an axis before
H: every call goes over contiguous memory, and what all gates have in common is one call over (4, H, B).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import add, multiply, subtract, tanh

from lstm_ref.params import FloatArray

CARRY, I, F, G, O = range(5)  # noqa: E741 - the equations' symbols
"""Places among the factors of `local_derivatives`; among gates the same, less one."""

REPEATED = 4096
"""For gates of up to so many numbers, those that they are multiplied with are written out."""


def activation(H: int, B: int, dtype: np.dtype[Any]) -> tuple[FloatArray, FloatArray]:
    """The scale and the shift that make σ of tanh, σ(z) = (1 + tanh(z/2)) / 2, for i, f and o, and leave g as it is.

    So one tanh does for all gates. It is right to a rounding of 1 and not of σ: a gate closed to less than that is 0.

    Returns
    -------
    scale, shift : array (4, H, B) or (4, 1, 1)
    """
    # NumPy takes a microsecond to repeat a number; to read as many as there are gates takes longer if they are many
    scale = np.full((4, H, B) if H * B <= REPEATED else (4, 1, 1), 0.5, dtype)
    scale[2] = 1.0
    return scale, np.where(scale == 0.5, scale, 0.0).astype(dtype)


def forward_step(
    z: FloatArray,
    i: FloatArray,
    f: FloatArray,
    g: FloatArray,
    o: FloatArray,
    h: FloatArray,
    c: FloatArray,
    recurrent_kernel_transposed: FloatArray,
    h_next: FloatArray,
    c_next: FloatArray,
    tanh_c: FloatArray,
    scale: FloatArray,
    shift: FloatArray,
    recurrent: FloatArray,
    product: FloatArray,
) -> None:
    """One step of the equations above.

    Parameters
    ----------
    z : array (4, H, B)
        On entry Wᵀ x + b; on return the activated gates.
    i, f, g, o : array (H, B)
        The blocks of z.
    h, c : array (H, B)
        The state before the step.
    recurrent_kernel_transposed : array (4H, H)
    h_next, c_next, tanh_c : array (H, B)
        Written: the state after the step, and tanh(c_next), which the backward step needs again.
    scale, shift : array
        Those of `activation`.
    recurrent : array (4, H, B)
        Scratch.
    product : array (4H, B)
        The same memory.
    """
    recurrent_kernel_transposed.dot(h, out=product)
    add(z, recurrent, out=z)  # z = Wᵀ x + b + Uᵀ h

    multiply(z, scale, out=z)
    tanh(z, out=z)
    multiply(z, scale, out=z)
    add(z, shift, out=z)  # i, f, g, o

    multiply(i, g, out=tanh_c)  # i g, where tanh(c') will be
    multiply(f, c, out=c_next)
    add(c_next, tanh_c, out=c_next)  # c' = f c + i g
    tanh(c_next, out=tanh_c)
    multiply(o, tanh_c, out=h_next)  # h' = o tanh(c')


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
    gates : array (T, 4, H, B)
        The activated gates.
    c, tanh_c : array (T, H, B)
        The cell state before the steps, and tanh of the one after each.
    factors : array (T, 5, H, B)
        Written: the first five.
    d_c_of_h : array (T, H, B)
        Written: the sixth.
    """
    i, f, g, o = gates.swapaxes(0, 1)
    carry, by_i, by_f, by_g, by_o = factors.swapaxes(0, 1)

    subtract(1.0, gates, out=factors[:, I:])  # 1−i, 1−f, (1−g), 1−o
    multiply(factors[:, I:], gates, out=factors[:, I:])  # σ' of the three sigmoid gates
    multiply(by_i, g, out=by_i)
    multiply(by_f, c, out=by_f)
    multiply(by_o, tanh_c, out=by_o)

    multiply(g, g, out=by_g)
    subtract(1.0, by_g, out=by_g)
    multiply(by_g, i, out=by_g)

    multiply(tanh_c, tanh_c, out=d_c_of_h)
    subtract(1.0, d_c_of_h, out=d_c_of_h)
    multiply(d_c_of_h, o, out=d_c_of_h)

    carry[...] = f


def backward_step(
    by_d_c: FloatArray,
    by_d_h: FloatArray,
    d_z: FloatArray,
    d_c_of_h: FloatArray,
    recurrent_kernel: FloatArray,
    d_output: FloatArray,
    d_h: FloatArray,
    d_c: FloatArray,
) -> None:
    """Carry the cotangents of the state through one step, from after it to before it.

        d_h  ← d_h + d_output
        d_c  ← d_c + d_h ⊙ ∂h'/∂c'
        d_z  = d_c ⊙ ∂c'/∂z  for i, f, g        d_z_o = d_h ⊙ ∂h'/∂z_o
        d_c  ← d_c ⊙ ∂c'/∂c                     d_h   ← U d_z

    Parameters
    ----------
    by_d_c : array (4, H, B)
        The first four factors of `local_derivatives`; on return what reaches c, and the cotangents of z_i, z_f, z_c.
    by_d_h : array (H, B)
        The fifth; on return the cotangent of z_o.
    d_z : array (4H, B)
        The cotangents of z_i, z_f, z_c and z_o: the same memory as by_d_c without its first, and by_d_h.
    d_c_of_h : array (H, B)
        The sixth; overwritten.
    recurrent_kernel : array (H, 4H)
    d_output : array (H, B)
        The cotangent of h' as an output.
    d_h : array (H, B)
        On entry what was carried to h'; on return what reaches h.
    d_c : array (H, B)
        On entry what was carried to c'; overwritten. What reaches c is in by_d_c.
    """
    add(d_h, d_output, out=d_h)
    multiply(d_h, d_c_of_h, out=d_c_of_h)
    add(d_c, d_c_of_h, out=d_c)
    multiply(by_d_c, d_c, out=by_d_c)
    multiply(by_d_h, d_h, out=by_d_h)
    recurrent_kernel.dot(d_z, out=d_h)
