"""The weights of one LSTM layer in one direction, and the layouts other libraries keep them in.

Here, always: gate blocks in the order i, f, c, o (Keras's) along every axis of length 4H.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, UsageError, shape_error

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

GATES = "ifco"
"""The gate blocks in order: input, forget, candidate, output."""

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
NARROW = ("float16", "bfloat16")
"""Kept as they are, and computed in float32; bfloat16 is a dtype of the package ml_dtypes, and known by its name."""


def as_float_array(name: str, array: npt.ArrayLike) -> FloatArray:
    """`array` as it is if it is a float64 or float32 array, or a float16 or bfloat16 one; nothing is converted in silence.

    Raises
    ------
    DTypeError
        For any other dtype, byte-swapped ones included.
    """
    result = np.asarray(array)
    if result.dtype not in FLOATS and not (result.dtype.name in NARROW and result.dtype.isnative):
        raise DTypeError(
            f"{name} has dtype {result.dtype}, expected float64 or float32 in native byte order, or float16 or bfloat16. "
            f"Convert it first, for example with {name}.astype('float64')."
        )
    return result


@dataclass(frozen=True, eq=False, slots=True)
class LSTMParams:
    """Weights of one LSTM layer in one direction.

    Parameters
    ----------
    kernel : array (D, 4H)
        Input weights, applied as ``x @ kernel``.
    recurrent_kernel : array (H, 4H)
        Recurrent weights, applied as ``h @ recurrent_kernel``.
    bias : array (4H,) or None
        One bias; None for a layer without.
    projection : array (H, P) or None
        Applied to what would be the hidden state: h' = (o ⊙ tanh(c')) @ projection. h then has P units, c keeps H.
    peephole : array (3, H) or None
        What the cell state is multiplied by on its way into the gates i, f and o, in this order.

    All are of one dtype, float64 or float32, or float16 or bfloat16, with gate blocks in the order i, f, c, o. With a
    projection, the recurrent kernel is (P, 4H). The arrays are kept as they are, neither copied nor ever written to. Whether
    they are finite is the caller's business.

    Raises
    ------
    ShapeError, DTypeError
        If the arrays do not fit together.

    Notes
    -----
    Names and shapes are those of Keras's ``LSTMCell``, https://keras.io/api/layers/recurrent_layers/lstm/. The projection is
    PyTorch's ``weight_hr``, transposed; the peephole is ONNX's P, in another order.
    """

    kernel: FloatArray
    recurrent_kernel: FloatArray
    bias: FloatArray | None = None
    projection: FloatArray | None = None
    peephole: FloatArray | None = None

    def __post_init__(self) -> None:
        for name, value in self._given():
            object.__setattr__(self, name, as_float_array(name, value))
        recurrent, kernel, bias = self.recurrent_kernel, self.kernel, self.bias
        remedy = "PyTorch's weights are transposed: lstm_ref.from_torch converts them"
        rows = recurrent.shape[0] if recurrent.ndim else None
        if self.projection is not None:
            if self.projection.ndim != 2 or 0 in self.projection.shape:
                raise shape_error("projection", "(H, P)", (None, rows), self.projection.shape, remedy)
            hidden = self.projection.shape[0]
            if recurrent.shape != (expected := (self.projection.shape[1], 4 * hidden)):
                raise shape_error("recurrent_kernel", "(P, 4H)", expected, recurrent.shape, remedy)
        elif recurrent.ndim != 2 or recurrent.shape[1] != 4 * recurrent.shape[0] or recurrent.shape[0] < 1:
            four = None if rows is None else 4 * rows
            raise shape_error("recurrent_kernel", "(H, 4H)", (rows, four), recurrent.shape, remedy)
        hidden = recurrent.shape[1] // 4
        if kernel.ndim != 2 or kernel.shape[1] != 4 * hidden:
            raise shape_error("kernel", "(D, 4H)", (None, 4 * hidden), kernel.shape, remedy)
        if bias is not None and bias.shape != (4 * hidden,):
            remedy = "Two biases of one layer have to be summed first"
            raise shape_error("bias", "(4H,)", (4 * hidden,), bias.shape, remedy)
        if self.peephole is not None and self.peephole.shape != (3, hidden):
            remedy = (
                "It has one row for each of the gates i, f and o; ONNX's P has them one behind the other, as i, o, f"
            )
            raise shape_error("peephole", "(3, H)", (3, hidden), self.peephole.shape, remedy)
        names, arrays = zip(*self._given(), strict=True)
        if len(dtypes := {array.dtype for array in arrays}) > 1:
            raise DTypeError(
                f"{', '.join(names[:-1])} and {names[-1]} have dtypes {sorted(map(str, dtypes))}, expected one. "
                "Convert them to the same dtype."
            )

    def _given(self) -> list[tuple[str, FloatArray]]:
        """The arrays that there are, with their names; the kernels are there, or it is an error to leave them out."""
        every = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, array) for name, array in every if array is not None or name.endswith("kernel")]

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """Name to array, of those that there are."""
        return dict(self._given())

    @property
    def input_size(self) -> int:
        """D, the number of input features."""
        return int(self.kernel.shape[0])

    @property
    def hidden_size(self) -> int:
        """H, the number of units of the cell state."""
        return int(self.recurrent_kernel.shape[1]) // 4

    @property
    def output_size(self) -> int:
        """The number of units of the hidden state: P if there is a projection, else H."""
        return int(self.recurrent_kernel.shape[0])

    @property
    def plain_cell(self) -> bool:
        """Whether the equations of one step are the plain ones: neither projection nor peephole."""
        return self.projection is None and self.peephole is None

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of all arrays."""
        return self.kernel.dtype

    def astype(self, dtype: npt.DTypeLike) -> LSTMParams:
        """The same weights rounded or widened to `dtype`."""
        return LSTMParams(**{name: array.astype(dtype) for name, array in self.arrays.items()})


def reorder_gates(array: FloatArray, source: str, target: str = GATES, axis: int = -1) -> FloatArray:
    """Copy of `array` with its four gate blocks brought from one order into another.

    Parameters
    ----------
    array : array with an axis of length 4H
        A kernel, a bias, or a gradient of one.
    source, target : str
        Orders as four letters of "ifco", with g for c if you like: PyTorch's "ifgo" is the same, ONNX's is "iofc".
    axis : int
        The axis that holds the blocks.

    Raises
    ------
    UsageError, ShapeError
        For an order that is not a permutation of "ifco", or an axis that four does not divide.
    """
    source, target = source.replace("g", "c"), target.replace("g", "c")
    array = as_float_array("array", array)
    for order in (source, target):
        if sorted(order) != sorted(GATES):
            raise UsageError(f"gate order {order!r} is not one of the 24 orders of the letters i, f, c (or g), o.")
    if array.ndim == 0 or array.shape[axis] % 4:
        raise shape_error(
            f"axis {axis} of the array",
            "(4H,)",
            (None,),
            array.shape[-1:] if axis == -1 else array.shape,
            "Its length must be four blocks",
        )
    blocks = dict(zip(source, np.split(array, 4, axis=axis), strict=True))
    return np.concatenate([blocks[gate] for gate in target], axis=axis)


def from_torch(
    weight_ih: FloatArray,
    weight_hh: FloatArray,
    bias_ih: FloatArray | None = None,
    bias_hh: FloatArray | None = None,
    weight_hr: FloatArray | None = None,
) -> LSTMParams:
    """Weights of a ``torch.nn.LSTM`` layer or a ``torch.nn.LSTMCell`` as `LSTMParams`.

    PyTorch's order i, f, g, o is i, f, c, o under another name; its matrices act from the left and
    it adds two biases, which are summed here.

    Parameters
    ----------
    weight_ih : array (4H, D)
    weight_hh : array (4H, H), or (4H, P) with a projection
    bias_ih, bias_hh : array (4H,) or None
    weight_hr : array (P, H) or None
        The projection, of a layer with ``proj_size``.

    Notes
    -----
    Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, "Variables".
    """
    weight_ih, weight_hh = as_float_array("weight_ih", weight_ih), as_float_array("weight_hh", weight_hh)
    given = {"bias_ih": bias_ih, "bias_hh": bias_hh}
    biases = {name: as_float_array(name, b) for name, b in given.items() if b is not None}
    for name, array in biases.items():
        if array.shape != weight_hh.shape[:1]:
            raise shape_error(
                name, "(4H,)", weight_hh.shape[:1], array.shape, "It has one number for each row of weight_hh"
            )
        if array.dtype != weight_hh.dtype:
            raise DTypeError(
                f"{name} has dtype {array.dtype}, but weight_hh has {weight_hh.dtype}. Convert one of them."
            )
    bias = np.add(*biases.values()) if len(biases) == 2 else next(iter(biases.values()), None)
    projection = None if weight_hr is None else np.ascontiguousarray(as_float_array("weight_hr", weight_hr).T)
    return LSTMParams(np.ascontiguousarray(weight_ih.T), np.ascontiguousarray(weight_hh.T), bias, projection)


def from_onnx(W: FloatArray, R: FloatArray, B: FloatArray | None = None, P: FloatArray | None = None) -> LSTMParams:
    """Weights of one direction of ONNX's operator LSTM as `LSTMParams`.

    ONNX's order is i, o, f, c; its matrices act from the left and it adds two biases, which are summed here.

    Parameters
    ----------
    W : array (4H, D)
    R : array (4H, H)
    B : array (8H,) or None
        The input's bias, then the recurrent one.
    P : array (3H,) or None
        Peepholes of the gates i, o and f, one behind the other.

    Notes
    -----
    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html.
    """
    kernel, recurrent_kernel = (reorder_gates(np.ascontiguousarray(a.T), "iofc") for a in (W, R))
    bias = None if B is None else reorder_gates(np.add(*np.split(as_float_array("B", B), 2)), "iofc")
    peephole = None if P is None else np.stack([np.split(as_float_array("P", P), 3)[k] for k in (0, 2, 1)])
    return LSTMParams(kernel, recurrent_kernel, bias, peephole=peephole)


def from_cudnn_keras(kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray) -> LSTMParams:
    """Weights of a Keras 2 ``CuDNNLSTM`` as `LSTMParams`.

    That layer hands its memory to cuDNN as it stands, so each gate's block is the other way round
    than in ``LSTM``: the recurrent block is transposed, and the kernel's block is an (H, D) matrix
    written into an array of shape (D, H). Its 8H biases are two vectors of 4H, to be summed.

    Parameters
    ----------
    kernel : array (D, 4H)
    recurrent_kernel : array (H, 4H)
    bias : array (8H,)

    Notes
    -----
    Source: ``_convert_rnn_weights`` in tf_keras/src/saving/legacy/hdf5_format.py.
    """
    rows, columns = kernel.shape[0], kernel.shape[1] // 4
    kernel_blocks = [block.reshape(columns, rows).T for block in np.split(kernel, 4, axis=1)]
    recurrent_blocks = [block.T for block in np.split(recurrent_kernel, 4, axis=1)]
    return LSTMParams(
        np.concatenate(kernel_blocks, axis=1),
        np.concatenate(recurrent_blocks, axis=1),
        np.add(*np.split(bias, 2)),
    )
