"""The two things that everything here is about: a case, and the result of computing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref import Dropout, Layer, LSTMParams, Options
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray

Result: TypeAlias = Mapping[str, FloatArray]
"""Quantity to array. What an implementation does not compute, it leaves out."""

Implementation: TypeAlias = Callable[["Case"], Result]
"""Anything that computes an LSTM: the reference, a framework, a candidate on trial."""

FORWARD = ("output", "h", "c")
GRADIENTS = ("d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias")
QUANTITIES = FORWARD + GRADIENTS
"""The quantities of a plain case: one layer, one direction, no options."""

KINDS = (*QUANTITIES, "d_projection", "d_peephole")
"""What a network's quantities are counted as, in order: ``layers.0.forward.d_kernel`` is a ``d_kernel``."""

STATES = ("h", "c", "d_h0", "d_c0")

WEIGHT_AXES = {
    "kernel": ("feature", "4H"),
    "recurrent_kernel": ("from", "4H"),
    "bias": ("4H",),
    "projection": ("unit", "projected"),
    "peephole": ("gate", "unit"),
}
"""What each weight's axes count; "4H" is a gate and a unit at once."""


def kind_of(quantity: str) -> str:
    """Which of `KINDS` a quantity is: the last part of its name."""
    return quantity.rpartition(".")[2]


def is_gradient(quantity: str) -> bool:
    """Whether a quantity is a gradient: ``d_x``, ``layers.0.forward.d_kernel``."""
    return kind_of(quantity).startswith("d_")


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
        kernel (D, 4H), recurrent_kernel (H, 4H), bias (4H,) or None; gate blocks i, f, c, o. Of several layers or
        directions, those of the first.
    d_output : array (B, T, H)
    d_h, d_c : array (B, H)
        Cotangents: the loss is sum(d_output*output) + sum(d_h*h) + sum(d_c*c).
    mask : array (B, T) of bool, or None
        True where a step counts.
    options : Options
        Of the layer, if there is only one; see `lstm_ref.Options`.
    layers : tuple of lstm_ref.Layer
        All layers with all their directions and options. A case of one layer in one direction has one, made of `params`
        and `options`.
    dropout : tuple
        For each layer the factors of each of its directions, by name: ``dropout[k]["forward"]``, an `lstm_ref.Dropout`.
        Empty without dropout.

    With several layers or directions, states and their cotangents are (layers * directions, B, H), as PyTorch orders them;
    where widths differ, they are a tuple of (directions, B, H), one for each layer.
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
    options: Options = PLAIN
    layers: tuple[Layer, ...] = ()
    dropout: tuple[Mapping[str, Dropout], ...] = ()

    def __post_init__(self) -> None:
        if self.single:  # also where `params` were replaced
            reverse = bool(self.layers) and self.layers[0].forward is None
            there, back = (None, self.params) if reverse else (self.params, None)
            object.__setattr__(self, "layers", (Layer(there, back, options=self.options),))

    @property
    def single(self) -> bool:
        """Whether there is one layer in one direction: its states have no axis of layers, its weights no prefix."""
        return len(self.layers) <= 1 and all(len(layer.directions) == 1 for layer in self.layers)

    @property
    def uniform(self) -> bool:
        """Whether the states of all layers are of one width, and so in one array."""
        return len({(layer.hidden_size, layer.state_size) for layer in self.layers}) == 1

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(B, T, D, H), H of the first layer."""
        B, T, D = self.x.shape
        return B, T, D, self.params.hidden_size

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """For every quantity, what its axes count."""
        last, state = self.layers[-1], ("b", "unit")
        both = ("direction",) if len(last.directions) == 2 and last.merge is None else ()
        axes: dict[str, tuple[str, ...]] = {
            "output": (*both, "b", *(("t",) if last.options.return_sequences else ()), "unit"),
            "d_x": ("b", "t", "feature"),
        }
        if self.single:
            axes |= dict.fromkeys(STATES, state)
        elif self.uniform:
            axes |= dict.fromkeys(STATES, ("layer", *state))
        else:
            for k, _ in enumerate(self.layers):
                axes |= {f"layers.{k}.{name}": ("direction", *state) for name in STATES}
        axes |= {name: WEIGHT_AXES[self._weight(name)] for name in self._weights}
        order = [*(name for name in axes if not is_gradient(name)), *(name for name in axes if is_gradient(name))]
        return {name: axes[name] for name in order}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every quantity; without ``d_bias`` if there is no bias."""
        B, T, D = self.x.shape
        shapes = {"output": self.layers[-1].output_shape(B, T), "d_x": (B, T, D)}
        for k, layer in enumerate(self.layers):
            prefix = "" if self.uniform else f"layers.{k}."
            rows = sum(len(every.directions) for every in self.layers) if self.uniform else len(layer.directions)
            leading = () if self.single else (rows,)
            for name in STATES:
                size = layer.state_size if name in ("h", "d_h0") else layer.hidden_size
                shapes[prefix + name] = (*leading, B, size)
        shapes |= {name: array.shape for name, array in self._weights.items()}
        return {name: shapes[name] for name in self.axes}

    @property
    def _weights(self) -> dict[str, FloatArray]:
        """The name of every weight's gradient to the weight."""
        if self.single:
            return {f"d_{name}": array for name, array in self.params.arrays.items()}
        return {
            f"layers.{k}.{direction}.d_{name}": array
            for k, layer in enumerate(self.layers)
            for direction, params in layer.directions.items()
            for name, array in params.arrays.items()
        }

    @staticmethod
    def _weight(quantity: str) -> str:
        return kind_of(quantity).removeprefix("d_")
