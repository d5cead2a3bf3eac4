"""One direction of a plain LSTM layer over time: forward, and backpropagation through time.

What does not depend on the previous step is done for a block of steps in one matrix product: the input
projection before the steps, the weights' and the input's gradients after them. Inside, time comes first and samples
are columns, so that a step works on contiguous memory; outside, arrays are batch-first.

A step that a mask leaves out is computed like the others, of zeros, since samples are computed together; then its
state is replaced by the one before it. So on the way back the cotangents of the state pass it as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_ref.cell import CARRY, I, Recurrence, backward_step, forward_step, local_derivatives, views, views_back
from lstm_ref.gradients import WeightGradients
from lstm_ref.params import FloatArray, LSTMParams
from lstm_ref.tape import Tape

BLOCK_BYTES = 1 << 19
"""What is projected at once, so that it stays in the cache; but"""
BLOCK_COLUMNS = 128
"""so many columns, one for each sample of each step, at least, for a fast product."""
WORTH_A_COPY = 16
"""From so many steps on, with more than one sample, a transposed copy of the recurrent kernel pays."""
ROWS_COPIED = 16
"""So many rows are transposed at once: whole lines of the cache."""
PRODUCT_COLUMNS = 2048
"""Over so many columns at least the weights' gradients are summed in one product."""


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
    mask : array (B, T) of bool, or None
        If there is no tape.
    h, c : array (parts, H, B)
        The states that parts begin with.
    """

    sizes: tuple[int, int, int]
    length: int
    tape: Tape | None
    x: FloatArray | None
    mask: npt.NDArray[np.bool_] | None
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
        tape = Tape.empty(self.length, B, D, params.hidden_size, params.dtype, self.mask is not None)
        for number, (start, stop) in reversed(list(enumerate(pieces(T, self.length)))):
            part = tape.part(0, stop - start)
            part.begin(self.h[number], self.c[number])
            run(self.x[:, start:stop], part, None if self.mask is None else self.mask[:, start:stop])
            yield start, part


def block_length(B: int, H: int, dtype: np.dtype[Any]) -> int:
    """How many time steps are projected at once."""
    return max(BLOCK_BYTES // max(1, 4 * B * H * dtype.itemsize), -(-BLOCK_COLUMNS // max(1, B)))


def piece_length(B: int, H: int, dtype: np.dtype[Any]) -> int:
    """How many time steps' gradients of the weights are one product: whole blocks."""
    block = block_length(B, H, dtype)
    return -(-PRODUCT_COLUMNS // (block * max(B, 1))) * block


def pieces(T: int, length: int) -> list[tuple[int, int]]:
    """`T` steps in pieces of a length: the first step of each and the one after its last."""
    return [(start, min(start + length, T)) for start in range(0, T, length)]


def transposed(matrix: FloatArray) -> FloatArray:
    """A contiguous copy of the transpose."""
    copy = np.empty(matrix.shape[::-1], matrix.dtype)
    for start, stop in pieces(len(matrix), ROWS_COPIED):
        copy[:, start:stop] = matrix[start:stop].T
    return copy


class Steps:
    """The forward pass over some steps, with the weights as steps take them and memory to work in.

    Parameters
    ----------
    params : LSTMParams
    B, T : int
        Of the whole sequence.
    """

    def __init__(self, params: LSTMParams, B: int, T: int) -> None:
        H, dtype = params.hidden_size, params.dtype
        self.block = block_length(B, H, dtype)
        copied = B > 1 and T >= WORTH_A_COPY
        self.kernel = params.kernel.T
        self.minus_bias = np.zeros((4 * H, 1), dtype) if params.bias is None else -params.bias[:, np.newaxis]
        self.projected = np.empty(4 * H * min(self.block, T) * B, dtype)
        self.recurrence = Recurrence.of(transposed(params.recurrent_kernel) if copied else params.recurrent_kernel.T, B)

    def __call__(self, x: FloatArray, tape: Tape, mask: npt.NDArray[np.bool_] | None) -> None:
        """Write the tape of x (B, T, D) and mask (B, T), which has the initial state already."""
        if tape.masked is not None:
            assert mask is not None
            np.logical_not(mask.T, out=tape.masked)
        for start, stop in pieces(x.shape[1], self.block):
            self._block(x[:, start:stop], tape.part(start, stop))

    def _block(self, x: FloatArray, tape: Tape) -> None:
        (B, T, D), H = x.shape, tape.h.shape[1]
        tape.x[...] = x.swapaxes(0, 1)
        if tape.masked is not None:
            tape.x[tape.masked] = 0  # it may be NaN, and 0 times that is NaN, too
        projected = self.projected[: 4 * H * T * B].reshape(4 * H, T * B)
        self.kernel.dot(tape.x.reshape(T * B, D).T, out=projected)
        np.subtract(self.minus_bias, projected, out=projected)  # −(Wᵀ x + b)
        blocks = projected.reshape(4, H, T, B).transpose(2, 0, 1, 3)
        tape.cells[:-1, 1:4], tape.cells[:-1, 0] = blocks[:, :3], blocks[:, 3]
        h = tape.h[0]
        steps = zip(*views(tape.cells, tape.tanh_c, tape.h), strict=True)
        if tape.masked is None:
            for step in steps:
                h = forward_step(step, h, self.recurrence)
            return
        for step, masked, (c, c_next) in zip(steps, tape.masked, pairwise(tape.c), strict=True):
            before, h = h, forward_step(step, h, self.recurrence)
            np.copyto(h, before, where=masked)
            np.copyto(c_next, c, where=masked)


def forward(
    params: LSTMParams,
    x: FloatArray,
    h0: FloatArray,
    c0: FloatArray,
    mask: npt.NDArray[np.bool_] | None,
    remember: int | None,
) -> tuple[FloatArray, FloatArray, FloatArray, Record | None]:
    """Run a layer over a sequence, from its beginning to its end.

    Parameters
    ----------
    params : LSTMParams
    x : array (B, T, D)
    h0, c0 : array (B, H)
    mask : array (B, T) of bool, or None
        True where a step counts; another one holds the state.
    remember : int or None
        After how many steps a state is remembered for `backward`, rounded up to whole pieces; `T` for the tape
        of all steps. None to remember nothing: then memory beyond the output is one block's.

    Returns
    -------
    output : array (B, T, H)
        h after every step.
    h, c : array (B, H)
        The final state.
    record : Record or None
    """
    (B, T, D), H, dtype = x.shape, params.hidden_size, params.dtype
    run = Steps(params, B, T)
    unit = run.block if remember is None else piece_length(B, H, dtype)
    length = -(-(remember or 1) // unit) * unit
    parts = pieces(T, length)
    output = np.empty((B, T, H), dtype)
    states = np.empty((2, 0 if remember is None else len(parts), H, B), dtype)
    tape = Tape.empty(min(length, T), B, D, H, dtype, mask is not None)
    h, c = h0.T, c0.T
    for number, (start, stop) in enumerate(parts):
        if remember is not None:
            states[:, number] = h, c
        part = tape.part(0, stop - start)
        part.begin(h, c)
        run(x[:, start:stop], part, None if mask is None else mask[:, start:stop])
        output[:, start:stop] = part.h[1:].transpose(2, 0, 1)
        h, c = part.h[-1], part.c[-1]
    h, c = h.T.copy(), c.T.copy()
    if remember is None:
        return output, h, c, None
    if len(parts) <= 1:
        return output, h, c, Record((B, T, D), length, tape, None, None, *states)
    return output, h, c, Record((B, T, D), length, None, x.copy(), mask, *states)


def backward(
    params: LSTMParams,
    record: Record,
    d_output: FloatArray | None,
    d_h: FloatArray | None,
    d_c: FloatArray | None,
) -> tuple[FloatArray, FloatArray, FloatArray, WeightGradients]:
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

    Returns
    -------
    d_x : array (B, T, D)
    d_h0, d_c0 : array (B, H)
    gradients : WeightGradients

    Notes
    -----
    Source: reverse-mode differentiation of `lstm_ref.cell`'s equations; Werbos 1990, "Backpropagation
    through time".
    """
    (B, T, D), H, dtype = record.sizes, params.hidden_size, params.dtype
    state = np.zeros((2, H, B), dtype)
    for d_state, given in zip(state, (d_h, d_c), strict=True):
        if given is not None:
            d_state[...] = given.T
    d_x = np.empty((B, T, D), dtype)
    d_kernel, d_recurrent_kernel, d_bias = (np.zeros(shape, dtype) for shape in ((D, 4 * H), (H, 4 * H), 4 * H))
    back = StepsBack(params, B, min(block_length(B, H, dtype), T))
    for start, tape in record.tapes(params):
        for first, last in reversed(pieces(len(tape.x), piece_length(B, H, dtype))):
            part, steps, count = tape.part(first, last), slice(start + first, start + last), (last - first) * B
            d_z = back(part, None if d_output is None else d_output[:, steps], *state)
            d_x[:, steps] = params.kernel.dot(d_z).reshape(D, last - first, B).transpose(2, 1, 0)
            d_kernel += np.matmul(part.x.reshape(count, D).T, d_z.T)
            d_recurrent_kernel += np.matmul(part.h[:-1].swapaxes(0, 1).reshape(H, count), d_z.T)
            d_bias += d_z.sum(axis=1)
    d_h0, d_c0 = (d_state.T.copy() for d_state in state)
    return d_x, d_h0, d_c0, WeightGradients(d_kernel, d_recurrent_kernel, None if params.bias is None else d_bias)


class StepsBack:
    """The backward pass over some steps, with memory to work in.

    Parameters
    ----------
    params : LSTMParams
    B, block : int
        How many samples there are, and how many steps' local derivatives are taken at once.
    """

    def __init__(self, params: LSTMParams, B: int, block: int) -> None:
        H, dtype = params.hidden_size, params.dtype
        self.block = block
        self.recurrent_kernel = params.recurrent_kernel
        self.factors = np.empty((block, 5, H, B), dtype)
        self.d_c_of_h = np.empty((block, H, B), dtype)

    def __call__(self, tape: Tape, d_output: FloatArray | None, d_h: FloatArray, d_c: FloatArray) -> FloatArray:
        """Carry d_h and d_c, in place, from after the tape's steps to before them.

        Returns
        -------
        d_z : array (4H, T * B)
            The cotangents of the logits.
        """
        T, H, B = tape.tanh_c.shape
        # with one sample a step is a row, and nothing needs to be transposed
        d_z = np.empty((4 * H, T * B), d_h.dtype, order="F" if B == 1 else "C")
        for first, last in reversed(pieces(T, self.block)):
            d_outputs = np.zeros((last - first, H, B), d_h.dtype)
            if d_output is not None:
                d_outputs[...] = d_output[:, first:last].transpose(1, 2, 0)
            d_z.reshape(4 * H, T, B)[:, first:last] = self._block(tape.part(first, last), d_outputs, d_h, d_c)
        return d_z

    def _block(self, tape: Tape, d_outputs: FloatArray, d_h: FloatArray, d_c: FloatArray) -> FloatArray:
        T, H, B = tape.tanh_c.shape
        factors, d_c_of_h = self.factors[:T], self.d_c_of_h[:T]
        local_derivatives(tape.cells[:-1], tape.tanh_c, factors, d_c_of_h)
        steps = zip(*(each[::-1] for each in views_back(factors, d_c_of_h, d_outputs)), strict=True)
        carried = d_c
        if tape.masked is None:
            for step in steps:
                carried = backward_step(step, d_h, carried, self.recurrent_kernel)
        else:
            held = tape.masked[:, np.newaxis]
            np.copyto(factors, 0, where=held[:, np.newaxis])
            np.copyto(factors[:, CARRY], 1, where=held)
            np.copyto(d_c_of_h, 0, where=held)
            for step, masked, d_output in zip(steps, tape.masked[::-1], d_outputs[::-1], strict=True):
                before = d_h + d_output
                carried = backward_step(step, d_h, carried, self.recurrent_kernel)
                np.copyto(d_h, before, where=masked)
        d_c[...] = carried
        return factors[:, I:].reshape(T, 4 * H, B).swapaxes(0, 1)
