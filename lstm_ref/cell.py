"""One time step of an LSTM: the equations, forward and backward.

With σ(z) = 1 / (1 + exp(−z)), ⊙ elementwise, W the kernel, U the recurrent kernel and b the bias:

    z  = x W + h U + b                       four blocks: z_i, z_f, z_c, z_o
    i  = σ(z_i)    f = σ(z_f)    g = tanh(z_c)    o = σ(z_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, as in
https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (there g names the candidate) and in
Keras's LSTMCell. Everything is written into memory that the caller made; B and H as elsewhere.
"""

from __future__ import annotations

import numpy as np

from lstm_ref.params import FloatArray


def sigmoid(z: FloatArray) -> None:
    """σ(z) = 1 / (1 + exp(−z)) in place, for an array of any shape.

    exp(−z) may reach infinity, and then the result is the correct 0. The caller silences that
    overflow once for a whole sequence, with ``numpy.errstate``.
    """
    np.multiply(z, -1.0, out=z)  # numpy.negative is wrong in place on some strides (seen in 2.4.6)
    np.exp(z, out=z)
    np.add(z, 1.0, out=z)
    np.divide(1.0, z, out=z)


def forward_step(
    gates: FloatArray,
    h: FloatArray,
    c: FloatArray,
    recurrent_kernel: FloatArray,
    h_next: FloatArray,
    c_next: FloatArray,
    tanh_c: FloatArray,
    recurrent: FloatArray,
) -> None:
    """One step of the equations above.

    Parameters
    ----------
    gates : array (B, 4H)
        On entry x W + b; on return the activated gates i, f, g, o.
    h, c : array (B, H)
        The state before the step.
    recurrent_kernel : array (H, 4H)
    h_next, c_next, tanh_c : array (B, H)
        Written: the state after the step, and tanh(c_next), which the backward step needs again.
    recurrent : array (B, 4H)
        Scratch.
    """
    H = h.shape[1]
    i, f, g, o = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H : 3 * H], gates[:, 3 * H :]

    np.matmul(h, recurrent_kernel, out=recurrent)
    np.add(gates, recurrent, out=gates)  # z = x W + b + h U

    sigmoid(gates[:, : 2 * H])  # i and f lie side by side
    np.tanh(g, out=g)
    sigmoid(o)

    input_part = tanh_c  # free until the last two lines
    np.multiply(i, g, out=input_part)
    np.multiply(f, c, out=c_next)
    np.add(c_next, input_part, out=c_next)  # c' = f c + i g

    np.tanh(c_next, out=tanh_c)
    np.multiply(o, tanh_c, out=h_next)  # h' = o tanh(c')


def local_derivatives(
    gates: FloatArray, c: FloatArray, tanh_c: FloatArray, d_z: FloatArray, d_c_of_h: FloatArray
) -> None:
    """The factors by which `backward_step` multiplies cotangents; any number of steps at once.

    By σ' = σ (1 − σ) and tanh' = 1 − tanh², each taken of the activated value:

        ∂c'/∂z_i = g i (1−i)      ∂c'/∂z_f = c f (1−f)      ∂c'/∂z_c = i (1−g²)
        ∂h'/∂z_o = tanh(c') o (1−o)                         ∂h'/∂c'  = o (1−tanh²(c'))

    Parameters
    ----------
    gates : array (..., 4H)
        The activated gates.
    c, tanh_c : array (..., H)
        The cell state before the step, and tanh of the one after it.
    d_z : array (..., 4H)
        Written: the first four factors.
    d_c_of_h : array (..., H)
        Written: the fifth.
    """
    H = c.shape[-1]
    i, _, g, o = (gates[..., k * H : (k + 1) * H] for k in range(4))
    by_i, by_f, by_g, by_o = (d_z[..., k * H : (k + 1) * H] for k in range(4))

    np.subtract(1.0, gates, out=d_z)  # 1−i, 1−f, (1−g), 1−o
    np.multiply(d_z, gates, out=d_z)  # σ' of the three sigmoid gates
    np.multiply(by_i, g, out=by_i)
    np.multiply(by_f, c, out=by_f)
    np.multiply(by_o, tanh_c, out=by_o)

    np.multiply(g, g, out=by_g)
    np.subtract(1.0, by_g, out=by_g)
    np.multiply(by_g, i, out=by_g)

    np.multiply(tanh_c, tanh_c, out=d_c_of_h)
    np.subtract(1.0, d_c_of_h, out=d_c_of_h)
    np.multiply(d_c_of_h, o, out=d_c_of_h)


def backward_step(
    f: FloatArray,
    d_z: FloatArray,
    d_c_of_h: FloatArray,
    recurrent_kernel_transposed: FloatArray,
    d_h: FloatArray,
    d_c: FloatArray,
    scratch: FloatArray,
) -> None:
    """Carry the cotangents of the state through one step, from after it to before it.

        d_c  ← d_c + d_h ⊙ ∂h'/∂c'
        d_z  = d_c ⊙ ∂c'/∂z  for i, f, c        d_z_o = d_h ⊙ ∂h'/∂z_o
        d_c  ← d_c ⊙ f                          d_h   ← d_z Uᵀ

    Parameters
    ----------
    f : array (B, H)
        The activated forget gate.
    d_z : array (B, 4H)
        On entry the factors of `local_derivatives`; on return the cotangent of z.
    d_c_of_h : array (B, H)
        The fifth factor of `local_derivatives`.
    recurrent_kernel_transposed : array (4H, H)
    d_h, d_c : array (B, H)
        On entry the whole cotangents of h' and c'; on return what reaches h and c.
    scratch : array (B, H)
    """
    B, H = d_h.shape
    by_ifg, by_o = d_z.reshape(B, 4, H)[:, :3], d_z[:, 3 * H :]

    np.multiply(d_h, d_c_of_h, out=scratch)
    np.add(d_c, scratch, out=d_c)
    np.multiply(by_ifg, d_c[:, np.newaxis], out=by_ifg)
    np.multiply(by_o, d_h, out=by_o)
    np.multiply(d_c, f, out=d_c)
    np.matmul(d_z, recurrent_kernel_transposed, out=d_h)
