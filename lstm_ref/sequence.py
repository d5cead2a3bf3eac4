"""One LSTM layer over time: forward, and backpropagation through time.

What does not depend on the previous step is done for a block of steps in one matrix product: the input
projection before the steps, the weights' and the input's gradients after them. Inside, arrays are time-major
and each gate has memory of its own, so that a step works on contiguous pieces; outside they are batch-first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_ref.cell import CARRY, I, Sigmoid, backward_step, forward_step, local_derivatives
from lstm_ref.params import FloatArray, LSTMParams

BLOCK_ELEMENTS = 1 << 18
"""Elements of z projected at once: large enough for a fast product, small enough for the cache."""
WORTH_A_COPY = 16
"""From so many steps on, the recurrent kernel is copied into the layout that products take fastest."""
PRODUCT_ROWS = 4096
"""So many rows, of samples and steps, at least make one product of the weights' gradients."""


@dataclass(frozen=True, eq=False, slots=True)
class Tape:
    """What the backward pass needs of the forward pass, time-major.

    Attributes
    ----------
    x : array (T, B, D)
    gates : array (T, 4, B, H)
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
        shapes = (T, B, D), (T, 4, B, H), (T + 1, B, H), (T + 1, B, H), (T, B, H)
        return cls(*(np.empty(shape, dtype) for shape in shapes))

    def part(self, start: int, stop: int) -> Tape:
        """The tape of some steps; a view."""
        steps, states = slice(start, stop), slice(start, stop + 1)
        return Tape(self.x[steps], self.gates[steps], self.h[states], self.c[states], self.tanh_c[steps])

    def begin(self, h: FloatArray, c: FloatArray) -> None:
        """Set the initial state."""
        self.h[0], self.c[0] = h, c


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """What is remembered of a forward pass: the tape of all steps, or states from which it can be made again, in parts.

    Attributes
    ----------
    sizes : tuple of int
        (B, T, D).
    length : int
        How many steps a part has.
    tape : Tape or None
    x : array (B, T, D) or None
        If there is no tape.
    h, c : array (parts, B, H)
        The states that parts begin with.
    """

    sizes: tuple[int, int, int]
    length: int
    tape: Tape | None
    x: FloatArray | None
    h: FloatArray
    c: FloatArray

    def tapes(self, params: LSTMParams) -> Iterator[tuple[int, Tape]]:
        """The first step and the tape of each part, the last first."""
        B, T, D = self.sizes
        if self.tape is not None:
            yield 0, self.tape
            return
        assert self.x is not None
        run = Steps(params, B, T)
        tape = Tape.empty(self.length, B, D, params.hidden_size, params.dtype)
        for number, (start, stop) in reversed(list(enumerate(pieces(T, self.length)))):
            part = tape.part(0, stop - start)
            part.begin(self.h[number], self.c[number])
            run(self.x[:, start:stop], part)
            yield start, part


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


def piece_length(B: int, H: int) -> int:
    """How many time steps' gradients of the weights are one product: whole blocks."""
    block = block_length(B, H)
    return -(-PRODUCT_ROWS // (block * max(B, 1))) * block


def pieces(T: int, length: int) -> list[tuple[int, int]]:
    """`T` steps in pieces of a length: the first step of each and the one after its last."""
    return [(start, min(start + length, T)) for start in range(0, T, length)]


def by_gate(matrix: FloatArray, B: int) -> FloatArray:
    """A (rows, 4H) matrix as (4, rows, H), or as (1, rows, 4H) if B is 1, where gates lie side by side; a view."""
    rows, columns = matrix.shape
    blocks = 1 if B == 1 else 4
    return matrix.reshape(rows, blocks, columns // blocks).swapaxes(0, 1)


class Steps:
    """The forward pass over some steps, with the weights as steps take them and memory to work in.

    Parameters
    ----------
    params : LSTMParams
    B, T : int
        Of the whole sequence.
    """

    def __init__(self, params: LSTMParams, B: int, T: int) -> None:
        H = params.hidden_size
        self.params = params
        self.block = block_length(B, H)
        self.recurrent_kernel = by_gate(params.recurrent_kernel, B)
        if B > 1 and T >= WORTH_A_COPY:
            self.recurrent_kernel = np.ascontiguousarray(self.recurrent_kernel.swapaxes(1, 2)).swapaxes(1, 2)
        self.bias = np.zeros((4, 1, H), params.dtype) if params.bias is None else params.bias.reshape(4, 1, H)
        self.sigmoid = Sigmoid(B, H, params.dtype)
        self.recurrent = np.empty((4, B, H), params.dtype)
        self.product = self.recurrent.reshape(1, 1, 4 * H) if B == 1 else self.recurrent

    def __call__(self, x: FloatArray, tape: Tape) -> None:
        """Write the tape of x (B, T, D), which has the initial state already."""
        for start, stop in pieces(x.shape[1], self.block):
            self._block(x[:, start:stop], tape.part(start, stop))

    def _block(self, x: FloatArray, tape: Tape) -> None:
        (B, T, D), H = x.shape, tape.h.shape[2]
        tape.x[...] = x.swapaxes(0, 1)
        z = np.matmul(tape.x.reshape(T * B, D), self.params.kernel).reshape(T, B, 4, H)
        np.add(z.swapaxes(1, 2), self.bias, out=tape.gates)
        steps = zip(tape.gates, tape.h, tape.c, tape.h[1:], tape.c[1:], tape.tanh_c, strict=False)
        for gates, h, c, h_next, c_next, tanh_c in steps:
            forward_step(
                gates, h, c, self.recurrent_kernel, h_next, c_next, tanh_c,
                self.sigmoid, self.recurrent, self.product,
            )  # fmt: skip


@np.errstate(all="ignore")  # inf and NaN propagate in silence, as in the frameworks
def forward(
    params: LSTMParams, x: FloatArray, h0: FloatArray, c0: FloatArray, remember: int | None
) -> tuple[FloatArray, FloatArray, FloatArray, Record | None]:
    """Run a layer over a sequence.

    Parameters
    ----------
    params : LSTMParams
    x : array (B, T, D)
    h0, c0 : array (B, H)
    remember : int or None
        After how many steps a state is remembered for `backward`, rounded up to whole pieces; `T` for the tape
        of all steps. None to remember nothing: then memory beyond the output is one block's.

    Returns
    -------
    output : array (B, T, H)
    h, c : array (B, H)
        The final state.
    record : Record or None
    """
    (B, T, D), H = x.shape, params.hidden_size
    run = Steps(params, B, T)
    unit = run.block if remember is None else piece_length(B, H)
    length = -(-(remember or 1) // unit) * unit
    parts = pieces(T, length)
    output = np.empty((B, T, H), x.dtype)
    states = np.empty((2, 0 if remember is None else len(parts), B, H), x.dtype)
    tape = Tape.empty(min(length, T), B, D, H, x.dtype)
    tape.begin(h0, c0)
    h, c = h0.copy(), c0.copy()
    for number, (start, stop) in enumerate(parts):
        if remember is not None:
            states[:, number] = h, c
        part = tape.part(0, stop - start)
        part.begin(h, c)
        run(x[:, start:stop], part)
        output[:, start:stop] = part.h[1:].swapaxes(0, 1)
        h, c = part.h[-1].copy(), part.c[-1].copy()
    if remember is None:
        return output, h, c, None
    whole = len(parts) <= 1
    return output, h, c, Record((B, T, D), length, tape if whole else None, None if whole else x.copy(), *states)


@np.errstate(all="ignore")
def backward(
    params: LSTMParams,
    record: Record,
    d_output: FloatArray | None,
    d_h: FloatArray | None,
    d_c: FloatArray | None,
) -> Gradients:
    """Backpropagate through time; cotangents that are None are zero.

    Parameters
    ----------
    params : LSTMParams
        Those of the forward pass.
    record : Record
        The forward pass's; it is left as it is.
    d_output : array (B, T, H) or None
    d_h, d_c : array (B, H) or None
        Cotangents of the final state.

    Notes
    -----
    Source: reverse-mode differentiation of `lstm_ref.cell`'s equations; Werbos 1990, "Backpropagation
    through time".
    """
    (B, T, D), H, dtype = record.sizes, params.hidden_size, params.dtype
    found = Gradients(
        d_x=np.empty((B, T, D), dtype),
        d_h0=np.zeros((B, H), dtype) if d_h is None else d_h.copy(),
        d_c0=np.zeros((B, H), dtype) if d_c is None else d_c.copy(),
        d_kernel=np.zeros((D, 4 * H), dtype),
        d_recurrent_kernel=np.zeros((H, 4 * H), dtype),
        d_bias=None if params.bias is None else np.zeros(4 * H, dtype),
    )
    back = StepsBack(params, B, min(block_length(B, H), T))
    for start, tape in record.tapes(params):
        for first, last in reversed(pieces(len(tape.x), piece_length(B, H))):
            part, steps = tape.part(first, last), slice(start + first, start + last)
            d_z = back(part, None if d_output is None else d_output[:, steps], found.d_h0, found.d_c0)
            rows = (last - first) * B
            found.d_x[:, steps] = np.matmul(d_z, params.kernel.T).reshape(last - first, B, D).swapaxes(0, 1)
            found.d_kernel[...] += np.matmul(part.x.reshape(rows, D).T, d_z)
            found.d_recurrent_kernel[...] += np.matmul(part.h[:-1].reshape(rows, H).T, d_z)
            if found.d_bias is not None:
                found.d_bias[...] += d_z.sum(axis=0)
    return found


class StepsBack:
    """The backward pass over some steps, with memory to work in.

    Parameters
    ----------
    params : LSTMParams
    B, block : int
        How many samples there are, and how many steps' local derivatives are taken at once.
    """

    def __init__(self, params: LSTMParams, B: int, block: int) -> None:
        H = params.hidden_size
        self.block = max(block, 1)
        self.transposed = by_gate(params.recurrent_kernel, B).swapaxes(1, 2)
        self.factors = np.empty((block, 5, B, H), params.dtype)
        self.d_c_of_h = np.empty((block, B, H), params.dtype)
        self.by_gate = np.empty((len(self.transposed), B, H), params.dtype)

    def __call__(self, tape: Tape, d_output: FloatArray | None, d_h: FloatArray, d_c: FloatArray) -> FloatArray:
        """Carry d_h and d_c, in place, from after the tape's steps to before them.

        Returns
        -------
        d_z : array (T * B, 4H)
            The cotangents of the logits, in Keras's layout again.
        """
        T, _, B, H = tape.gates.shape
        d_z = np.empty((T, B, 4, H), d_h.dtype)
        for first, last in reversed(pieces(T, self.block)):
            d_outputs = None if d_output is None else np.ascontiguousarray(d_output[:, first:last].swapaxes(0, 1))
            factors = self._block(tape.part(first, last), d_outputs, d_h, d_c)
            d_z[first:last] = factors[:, I:].swapaxes(1, 2)
        return d_z.reshape(T * B, 4 * H)

    def _block(self, tape: Tape, d_outputs: FloatArray | None, d_h: FloatArray, d_c: FloatArray) -> FloatArray:
        T = len(tape.x)
        factors, d_c_of_h = self.factors[:T], self.d_c_of_h[:T]
        local_derivatives(tape.gates, tape.c[:-1], tape.tanh_c, factors, d_c_of_h)
        carried = d_c
        for t in reversed(range(T)):
            if d_outputs is not None:
                np.add(d_h, d_outputs[t], out=d_h)
            factor = factors[t]
            backward_step(factor, d_c_of_h[t], self.transposed, d_h, carried, self.by_gate)
            carried = factor[CARRY]
        d_c[...] = carried
        return factors
