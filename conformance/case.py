"""The two things that everything here is about: a case, and the result of computing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray

Result: TypeAlias = Mapping[str, FloatArray]
"""Quantity to array. What an implementation does not compute, it leaves out."""

Implementation: TypeAlias = Callable[["Case"], Result]
"""Anything that computes an LSTM: the reference, a framework, a candidate on trial."""

FORWARD = ("output", "h", "c")
GRADIENTS = ("d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias")
QUANTITIES = FORWARD + GRADIENTS

AXES = {
    "output": ("b", "t", "unit"),
    "h": ("b", "unit"),
    "c": ("b", "unit"),
    "d_x": ("b", "t", "feature"),
    "d_h0": ("b", "unit"),
    "d_c0": ("b", "unit"),
    "d_kernel": ("feature", "4H"),
    "d_recurrent_kernel": ("from", "4H"),
    "d_bias": ("4H",),
}
"""What each quantity's axes count; "4H" is a gate and a unit at once."""


@dataclass(frozen=True)
class Options:
    """What departs from a plain LSTM of one layer in one direction; nothing can, so far."""


@dataclass(frozen=True, eq=False)
class Case:
    """One LSTM computation, with its cotangents.

    Attributes
    ----------
    id : str
        Readable and unique.
    dtype : numpy.dtype
        float64 or float32; every array has it.
    x : array (B, T, D)
    h0, c0 : array (B, H)
        The initial state; zeros where a case is about none.
    params : LSTMParams
        kernel (D, 4H), recurrent_kernel (H, 4H), bias (4H,) or None; gate blocks i, f, c, o.
    d_output : array (B, T, H)
    d_h, d_c : array (B, H)
        Cotangents: the loss is sum(d_output*output) + sum(d_h*h) + sum(d_c*c).
    mask : array (B, T) of bool, or None
    options : Options
    """

    id: str
    dtype: np.dtype[Any]
    x: FloatArray
    h0: FloatArray
    c0: FloatArray
    params: LSTMParams
    d_output: FloatArray
    d_h: FloatArray
    d_c: FloatArray
    mask: npt.NDArray[np.bool_] | None = None
    options: Options = Options()

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(B, T, D, H)."""
        B, T, D = self.x.shape
        return B, T, D, self.params.hidden_size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every quantity; without ``d_bias`` if there is no bias."""
        B, T, D, H = self.sizes
        shapes: dict[str, tuple[int, ...]] = {
            "output": (B, T, H),
            "h": (B, H),
            "c": (B, H),
            "d_x": (B, T, D),
            "d_h0": (B, H),
            "d_c0": (B, H),
            "d_kernel": (D, 4 * H),
            "d_recurrent_kernel": (H, 4 * H),
        }
        if self.params.bias is not None:
            shapes["d_bias"] = (4 * H,)
        return shapes
