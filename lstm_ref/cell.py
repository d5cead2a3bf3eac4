"""One time step of an LSTM: the equations, forward and backward.

With σ(z) = 1 / (1 + exp(−z)), ⊙ elementwise, W the kernel, U the recurrent kernel and b the bias:

    z  = Wᵀ x + Uᵀ h + b                     four blocks: z_i, z_f, z_c, z_o
    i  = σ(z_i)    f = σ(z_f)    g = tanh(z_c)    o = σ(z_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, as in
https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (there g names the candidate) and in
Keras's LSTMCell. Everything is written into memory that the caller made.

Samples are columns, as in the equations: for B samples of D features and H units, x is (D, B), h and c are (H, B),
and z is (4H, B). So one product gives all gates, each a block of contiguous memory.

In σ, exp takes −z; so −z is what is kept, exact as a change of sign is, by subtracting where the equations add. The
candidate is kept as −z_c too: tanh is odd, so that gives −g, and c' = f ⊙ c − i ⊙ (−g). σ could be had of tanh instead,
(1 + tanh(z/2)) / 2, but right to a rounding of 1 only; so it is to a rounding of the gate, however far that is shut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy import add, divide, exp, multiply, subtract, tanh

from lstm_ref.params import FloatArray

Views: TypeAlias = tuple[FloatArray, ...]
"""The parts of larger arrays that one step works on."""

CARRY, I, F, G, O = range(5)  # noqa: E741 - the equations' symbols
"""Places among the factors of `local_derivatives`."""


@dataclass(frozen=True, eq=False, slots=True)
class Recurrence:
    """The recurrent kernel as `forward_step` takes it, and the step's scratch memory.

    Attributes
    ----------
    kernel_transposed : array (4H, H)
    product : array (4H, B)
        For Uᵀ h.
    ifg, o : array (3, H, B) and (H, B)
        Its blocks.
    terms : array (2, H, B)
    minus_ig, fc : array (H, B)
        Its blocks.
    one : array ()
        1 as NumPy takes it at once; Python's would be made into an array at every step.
    """

    kernel_transposed: FloatArray
    product: FloatArray
    ifg: FloatArray
    o: FloatArray
    terms: FloatArray
    minus_ig: FloatArray
    fc: FloatArray
    one: FloatArray

    @classmethod
    def of(cls, kernel_transposed: FloatArray, B: int) -> Recurrence:
        """With memory for B samples."""
        H, dtype = kernel_transposed.shape[1], kernel_transposed.dtype
        blocks = np.empty((4, H, B), dtype)
        terms, one = np.empty((2, H, B), dtype), np.ones((), dtype)
        return cls(kernel_transposed, blocks.reshape(4 * H, B), blocks[:3], blocks[3], terms, terms[0], terms[1], one)


def views(cells: FloatArray, tanh_c: FloatArray, h: FloatArray) -> Views:
    """What `forward_step` takes, for many steps at once: zipped, it is what each step takes.

    Parameters
    ----------
    cells : array (T + 1, 5, H, B)
        Of each step o, i, f, −g and the c before it, so that what one call can do together lies together.
    tanh_c : array (T, H, B)
    h : array (T + 1, H, B)
    """
    before, after = cells[:-1], cells[1:]
    return (
        before[:, :3],  # o, i, f: the gates with σ
        before[:, 1:4],  # i, f, −g: as they follow each other in the weights
        before[:, 0],  # o
        before[:, 3],  # −g
        before[:, 1:3],  # i, f
        before[:, 3:],  # −g, c: what these two are multiplied with
        after[:, 4],  # c'
        tanh_c,
        h[1:],
    )


def forward_step(step: Views, h: FloatArray, recurrence: Recurrence) -> FloatArray:
    """One step of the equations above.

    Parameters
    ----------
    step : tuple of arrays (H, B), (2, H, B) or (3, H, B)
        Those of `views`. On entry, c is the state before the step, and −(Wᵀ x + b) is where the gates will be; on
        return, all is written: the gates, the state after the step, and tanh(c'), which the backward step needs again.
    h : array (H, B)
        The state before the step.
    recurrence : Recurrence

    Returns
    -------
    h_next : array (H, B)
        The last of the step.
    """
    oif, ifg, o, minus_g, i_f, g_c, c_next, tanh_c, h_next = step
    one = recurrence.one
    recurrence.kernel_transposed.dot(h, out=recurrence.product)
    subtract(ifg, recurrence.ifg, out=ifg)
    subtract(o, recurrence.o, out=o)  # −z = −(Wᵀ x + b) − Uᵀ h

    exp(oif, out=oif)
    add(one, oif, out=oif)
    divide(one, oif, out=oif)  # σ(z) = 1 / (1 + exp(−z)), which is 0 where exp overflows
    tanh(minus_g, out=minus_g)  # −g = tanh(−z_c)

    multiply(i_f, g_c, out=recurrence.terms)  # −i g and f c
    subtract(recurrence.fc, recurrence.minus_ig, out=c_next)  # c' = f c + i g
    tanh(c_next, out=tanh_c)
    multiply(o, tanh_c, out=h_next)  # h' = o tanh(c')
    return h_next


def local_derivatives(cells: FloatArray, tanh_c: FloatArray, factors: FloatArray, d_c_of_h: FloatArray) -> None:
    """The factors by which `backward_step` multiplies cotangents; for many steps at once.

    By σ' = σ (1 − σ) and tanh' = 1 − tanh², each taken of the activated value:

        ∂c'/∂c   = f
        ∂c'/∂z_i = g i (1−i)      ∂c'/∂z_f = c f (1−f)      ∂c'/∂z_c = i (1−g²)
        ∂h'/∂z_o = tanh(c') o (1−o)                         ∂h'/∂c'  = o (1−tanh²(c'))

    Parameters
    ----------
    cells : array (T, 5, H, B)
        As in `views`, after the steps.
    tanh_c : array (T, H, B)
    factors : array (T, 5, H, B)
        Written: the first five.
    d_c_of_h : array (T, H, B)
        Written: the sixth.
    """
    o, i, f, minus_g, _ = cells.swapaxes(0, 1)
    carry, by_i, by_f, by_g, by_o = factors.swapaxes(0, 1)
    by_i_f, i_f, g_c = factors[:, I:G], cells[:, 1:3], cells[:, 3:]

    subtract(i, 1.0, out=by_i)  # −(1−i), since it is −g that it is multiplied with
    subtract(1.0, f, out=by_f)
    multiply(by_i_f, i_f, out=by_i_f)
    multiply(by_i_f, g_c, out=by_i_f)  # by −g and c

    multiply(minus_g, minus_g, out=by_g)
    subtract(1.0, by_g, out=by_g)
    multiply(by_g, i, out=by_g)

    subtract(1.0, o, out=by_o)
    multiply(by_o, o, out=by_o)
    multiply(by_o, tanh_c, out=by_o)

    multiply(tanh_c, tanh_c, out=d_c_of_h)
    subtract(1.0, d_c_of_h, out=d_c_of_h)
    multiply(d_c_of_h, o, out=d_c_of_h)

    carry[...] = f


def views_back(factors: FloatArray, d_c_of_h: FloatArray, d_output: FloatArray) -> Views:
    """What `backward_step` takes, for many steps at once: zipped, it is what each step takes.

    Parameters
    ----------
    factors : array (T, 5, H, B)
    d_c_of_h : array (T, H, B)
        Those of `local_derivatives`.
    d_output : array (T, H, B)
        The cotangents of the outputs.
    """
    T, _, H, B = factors.shape
    d_z = factors[:, I:].reshape(T, 4 * H, B)
    return factors[:, :O], factors[:, O], d_z, d_c_of_h, d_output, factors[:, CARRY]


def backward_step(step: Views, d_h: FloatArray, d_c: FloatArray, recurrent_kernel: FloatArray) -> FloatArray:
    """Carry the cotangents of the state through one step, from after it to before it.

        d_h  ← d_h + d_output
        d_c  ← d_c + d_h ⊙ ∂h'/∂c'
        d_z  = d_c ⊙ ∂c'/∂z  for i, f, c        d_z_o = d_h ⊙ ∂h'/∂z_o
        d_c  ← d_c ⊙ ∂c'/∂c                     d_h   ← U d_z

    Parameters
    ----------
    step : arrays (4, H, B), (H, B), (4H, B), (H, B), (H, B), (H, B)
        Those of `views_back`. On entry they are factors of `local_derivatives`, by four of which d_c is multiplied and
        by one of which d_h; on return the cotangents of z_i, z_f, z_c and z_o, and what reaches c.
    d_h : array (H, B)
        On entry what was carried to h'; on return what reaches h.
    d_c : array (H, B)
        What was carried to c'; overwritten.
    recurrent_kernel : array (H, 4H)

    Returns
    -------
    d_c : array (H, B)
        What reaches c: the last of the step.
    """
    by_d_c, by_d_h, d_z, d_c_of_h, d_output, carry = step
    add(d_h, d_output, out=d_h)
    multiply(d_h, d_c_of_h, out=d_c_of_h)
    add(d_c, d_c_of_h, out=d_c)
    multiply(by_d_c, d_c, out=by_d_c)
    multiply(by_d_h, d_h, out=by_d_h)
    recurrent_kernel.dot(d_z, out=d_h)
    return carry
