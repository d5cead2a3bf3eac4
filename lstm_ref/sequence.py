"""One LSTM layer over time: forward, and backpropagation through time.

What does not depend on the previous step is done for many steps in one matrix product: the input
projection before the loop, the weights' and the input's gradients after it. Inside, arrays are
time-major, so that a step is one contiguous piece of memory; outside they are batch-first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_ref.cell import backward_step, forward_step, local_derivatives
from lstm_ref.params import FloatArray, LSTMParams

BLOCK_ELEMENTS = 1 << 18
"""Elements of z projected at once: large enough for a fast product, small enough for the cache."""


@dataclass(frozen=True, eq=False, slots=True)
class Tape:
    """What the backward pass needs of the forward pass, time-major.

    Attributes
    ----------
    x : array (T, B, D)
    gates : array (T, B, 4H)
        Activated: i, f, g, o.
    h, c : array (T + 1, B, H)
        The states; index 0 is the initial one.
    tanh_c : array (T, B, H)
        tanh of ``c[1:]``.
    """

    x: FloatArray
    gates: FloatArray
    h: FloatArray
    c: FloatArray
    tanh_c: FloatArray

    @classmethod
    def empty(cls, T: int, B: int, D: int, H: int, dtype: np.dtype[Any]) -> Tape:
        """Memory for `T` steps, uninitialised."""
        shapes = (T, B, D), (T, B, 4 * H), (T + 1, B, H), (T + 1, B, H), (T, B, H)
        return cls(*(np.empty(shape, dtype) for shape in shapes))


@dataclass(frozen=True, eq=False, slots=True)
class Gradients:
    """Gradients of the loss sum(d_output*output) + sum(d_h*h) + sum(d_c*c).

    Attributes
    ----------
    d_x : array (B, T, D)
    d_h0, d_c0 : array (B, H)
    d_kernel : array (D, 4H)
    d_recurrent_kernel : array (H, 4H)
    d_bias : array (4H,) or None
        None for a layer without bias.
    """

    d_x: FloatArray
    d_h0: FloatArray
    d_c0: FloatArray
    d_kernel: FloatArray
    d_recurrent_kernel: FloatArray
    d_bias: FloatArray | None


def block_length(B: int, H: int) -> int:
    """How many time steps are projected at once."""
    return max(1, BLOCK_ELEMENTS // max(1, 4 * B * H))


@np.errstate(
    all="ignore"
)  # exp(-z) may overflow: see cell.sigmoid; inf and NaN propagate in silence, as in the frameworks
def forward(
    params: LSTMParams, x: FloatArray, h0: FloatArray, c0: FloatArray, *, keep_tape: bool
) -> tuple[FloatArray, FloatArray, FloatArray, Tape | None]:
    """Run a layer over a sequence.

    Parameters
    ----------
    params : LSTMParams
    x : array (B, T, D)
    h0, c0 : array (B, H)
    keep_tape : bool
        Whether to remember what `backward` needs. Without, memory beyond the output is one block's.

    Returns
    -------
    output : array (B, T, H)
    h, c : array (B, H)
        The final state.
    tape : Tape or None
    """
    (B, T, D), H = x.shape, params.hidden_size
    block = min(block_length(B, H), max(T, 1))
    tape = Tape.empty(T if keep_tape else block, B, D, H, x.dtype)
    output = np.empty((B, T, H), x.dtype)
    recurrent = np.empty((B, 4 * H), x.dtype)
    tape.h[0], tape.c[0] = h0, c0

    last = 0  # index of the newest state on the tape
    for start in range(0, T, block):
        stop = min(start + block, T)
        if not keep_tape:  # the tape holds one block and begins anew
            tape.h[0], tape.c[0] = tape.h[last], tape.c[last]
        first = start if keep_tape else 0
        last = first + stop - start

        steps = slice(first, last)
        tape.x[steps] = x[:, start:stop].swapaxes(0, 1)
        rows = (last - first) * B
        z = tape.gates[steps].reshape(rows, 4 * H)
        np.matmul(tape.x[steps].reshape(rows, D), params.kernel, out=z)
        if params.bias is not None:
            np.add(z, params.bias, out=z)

        for t in range(first, last):
            forward_step(
                tape.gates[t], tape.h[t], tape.c[t], params.recurrent_kernel,
                tape.h[t + 1], tape.c[t + 1], tape.tanh_c[t], recurrent,
            )  # fmt: skip
        output[:, start:stop] = tape.h[first + 1 : last + 1].swapaxes(0, 1)

    h, c = tape.h[last].copy(), tape.c[last].copy()
    return output, h, c, tape if keep_tape else None


@np.errstate(all="ignore")
def backward(
    params: LSTMParams,
    tape: Tape,
    d_output: FloatArray | None,
    d_h: FloatArray | None,
    d_c: FloatArray | None,
) -> Gradients:
    """Backpropagate through time; cotangents that are None are zero.

    Parameters
    ----------
    params : LSTMParams
        Those of the forward pass.
    tape : Tape
        The forward pass's; it is left as it is.
    d_output : array (B, T, H) or None
    d_h, d_c : array (B, H) or None
        Cotangents of the final state.

    Notes
    -----
    Source: reverse-mode differentiation of `lstm_ref.cell`'s equations; Werbos 1990, "Backpropagation
    through time".
    """
    (T, B, D), H, dtype = tape.x.shape, params.hidden_size, tape.x.dtype
    carried_h = np.zeros((B, H), dtype) if d_h is None else d_h.copy()
    carried_c = np.zeros((B, H), dtype) if d_c is None else d_c.copy()
    recurrent_kernel_transposed = params.recurrent_kernel.T
    d_z = np.empty((T, B, 4 * H), dtype)
    block = min(block_length(B, H), max(T, 1))
    d_c_of_h = np.empty((block, B, H), dtype)
    scratch = np.empty((B, H), dtype)

    for start in reversed(range(0, T, block)):
        steps = slice(start, min(start + block, T))
        local_derivatives(
            tape.gates[steps], tape.c[steps], tape.tanh_c[steps],
            d_z[steps], d_c_of_h[: steps.stop - start],
        )  # fmt: skip
        for t in reversed(range(start, steps.stop)):
            if d_output is not None:
                np.add(carried_h, d_output[:, t], out=carried_h)
            backward_step(
                tape.gates[t, :, H : 2 * H], d_z[t], d_c_of_h[t - start],
                recurrent_kernel_transposed, carried_h, carried_c, scratch,
            )  # fmt: skip

    rows = d_z.reshape(T * B, 4 * H)
    d_x = np.matmul(rows, params.kernel.T).reshape(T, B, D)
    return Gradients(
        d_x=np.ascontiguousarray(d_x.swapaxes(0, 1)),
        d_h0=carried_h,
        d_c0=carried_c,
        d_kernel=np.matmul(tape.x.reshape(T * B, D).T, rows),
        d_recurrent_kernel=np.matmul(tape.h[:T].reshape(T * B, H).T, rows),
        d_bias=None if params.bias is None else d_z.sum(axis=0).sum(axis=0),
    )
