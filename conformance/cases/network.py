"""Cases of whole networks: layers, directions, masks and options, described by a small spec and drawn at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.case import Case
from conformance.cases.draw import Draw
from lstm_ref import Dropout, Layer, LSTMParams, Options
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray

MASKS = ("", "right", "left", "holes")
DROPOUTS = ("", "input", "recurrent", "both", "between")
DIRECTIONS = ("forward", "reverse", "both")


@dataclass(frozen=True)
class NetworkSpec:
    """What a network's case is to be, before its arrays exist.

    Attributes
    ----------
    B, T, D : int
    units : tuple of int
        H of each layer.
    direction : str
        Of every layer: "forward", "reverse" or "both".
    merge : str or None
        Of every layer with both directions; None, which gives two outputs, is the last layer's alone, and the ones before it
        have "concat".
    projection : int
        P of every layer; 0 for none.
    peephole, bias, state : bool
        Whether there are peepholes and biases, and a random initial state.
    mask : str
        One of `MASKS`: padding behind the sequence or before it, or steps left out anywhere.
    dropout : str
        One of `DROPOUTS`: what is multiplied by given factors; "between", another factor at each step between layers, as
        PyTorch has it.
    options : lstm_ref.Options
        Of every layer; but `return_sequences` is the last layer's alone.
    cotangents : str
        Which are non-zero: "output", "h", "c" or "all".
    scale : float
        What the kernels are multiplied by: beyond one, gates saturate.
    dtype, stream : str
    """

    B: int
    T: int
    D: int
    units: tuple[int, ...]
    direction: str = "forward"
    merge: str | None = "concat"
    projection: int = 0
    peephole: bool = False
    bias: bool = True
    state: bool = True
    mask: str = ""
    dropout: str = ""
    options: Options = PLAIN
    cotangents: str = "all"
    scale: float = 1.0
    dtype: str = "float64"
    stream: str = ""

    @property
    def id(self) -> str:
        """Such as ``float64-B3-T7-D5-H4x2-both-sum-mask-right``."""
        words = [
            self.stream,
            self.dtype,
            f"B{self.B}",
            f"T{self.T}",
            f"D{self.D}",
            f"H{'x'.join(map(str, self.units))}",
        ]
        if self.direction != "forward":
            words.append(self.direction)
        if self.direction == "both" and self.merge != "concat":
            words.append(self.merge or "unmerged")
        if self.projection:
            words.append(f"P{self.projection}")
        words += [word for word in ("peephole",) if getattr(self, word)]
        words += [f"no{word}" for word in ("bias", "state") if not getattr(self, word)]
        words += [f"{word}-{getattr(self, word)}" for word in ("mask", "dropout") if getattr(self, word)]
        for name, value in self.options.departures.items():
            words.append(name.replace("_", "-") if value is True else f"{name.replace('_', '-')}-{value}".lower())
        if self.cotangents != "all":
            words.append(self.cotangents)
        if self.scale != 1.0:
            words.append(f"scale-{self.scale:g}")
        return "-".join(word for word in words if word)

    def build(self) -> Case:
        """The case's arrays, drawn from a stream that everything but the dtype names."""
        draw = Draw(replace(self, dtype="float64").id)
        dtype = np.dtype(self.dtype)

        def drawn(bound: float, *shape: int) -> FloatArray:
            return draw.uniform(bound, *shape).astype(dtype)

        layers: list[Layer] = []
        width = self.D
        for k, H in enumerate(self.units):
            last = k == len(self.units) - 1
            options = self.options if last else replace(self.options, return_sequences=True)
            merge = self.merge if last or self.merge is not None else "concat"
            weights = {
                name: self._weights(drawn, width, H) if self.direction in (name, "both") else None
                for name in ("forward", "reverse")
            }
            layers.append(Layer(**weights, merge=merge, options=options))
            width = layers[-1].output_size
        B, T = self.B, self.T
        shapes = state_shapes(layers, B)
        single = len(layers) == 1 and self.direction != "both"
        mask = self._mask(draw)

        def states(bound: float, which: int, on: bool) -> Any:
            return as_states([drawn(bound, *shape[which]) * dtype.type(on) for shape in shapes], layers)

        return Case(
            self.id, dtype,
            x=drawn(1.0, B, T, self.D),
            h0=states(0.9, 0, self.state),
            c0=states(1.5, 1, self.state),
            params=layers[0].params,
            d_output=drawn(1.0, *layers[-1].output_shape(B, T)) * dtype.type(self.cotangents in ("output", "all")),
            d_h=states(1.0, 0, self.cotangents in ("h", "all")),
            d_c=states(1.0, 1, self.cotangents in ("c", "all")),
            mask=mask,
            options=layers[0].options if single else PLAIN,
            layers=tuple(layers),
            dropout=self._dropout(draw, layers, dtype),
        )  # fmt: skip

    def _weights(self, drawn: Any, D: int, H: int) -> LSTMParams:
        """Spread so that every gate is used over its range; the blocks differ, so that no two can be exchanged unseen."""
        dtype, P = np.dtype(self.dtype), self.projection or H
        spread = self.scale * np.repeat([1.0, 0.75, 1.25, 0.9], H).astype(dtype)
        memory = 0.5 * math.log(max(self.T, 1))
        shift = np.repeat([0.125 - memory, 0.5 + memory, -0.25, -0.125], H).astype(dtype)
        return LSTMParams(
            drawn((5.0 / D) ** 0.5, D, 4 * H) * spread,
            drawn((3.0 / P) ** 0.5, P, 4 * H) * spread[::-1],
            drawn(0.5, 4 * H) + shift if self.bias else None,
            drawn((6.0 / H) ** 0.5, H, P) if self.projection else None,
            drawn(1.0, 3, H) if self.peephole else None,
        )

    def _mask(self, draw: Draw) -> npt.NDArray[np.bool_] | None:
        """Every row has a step that counts; without holes the first has all of them, and the others have fewer."""
        if not self.mask:
            return None
        B, T = self.B, self.T
        if self.mask == "holes":
            mask = draw.integers(3, B, T) > 0
            mask[np.arange(B), draw.integers(T, B)] = True
            return mask
        lengths = 1 + draw.integers(max(T - 1, 1), B)
        lengths[0] = T
        mask = np.arange(T) < lengths[:, np.newaxis]
        return mask if self.mask == "right" else mask[:, ::-1].copy()

    def _dropout(self, draw: Draw, layers: list[Layer], dtype: np.dtype[Any]) -> tuple[Mapping[str, Dropout], ...]:
        """A third is dropped, and the rest is larger by a half."""
        if not self.dropout:
            return ()

        def factors(*shape: int) -> FloatArray:
            kept = draw.integers(3, *shape) > 0
            kept.flat[0], kept.flat[-1] = False, True
            return (kept * 1.5).astype(dtype)

        every: list[Mapping[str, Dropout]] = []
        for k, layer in enumerate(layers):
            shared = factors(self.B, self.T, layer.input_size) if self.dropout == "between" and k else None
            of_layer = {}
            for direction in layer.directions:
                each = factors(self.B, layer.input_size) if self.dropout in ("input", "both") else shared
                recurrent = factors(self.B, layer.state_size) if self.dropout in ("recurrent", "both") else None
                of_layer[direction] = Dropout(each, recurrent)
            every.append(of_layer)
        return tuple(every)


def as_states(arrays: list[FloatArray], layers: Sequence[Layer]) -> Any:
    """The states of all layers, (directions, B, units) each, in the form that a case has them in."""
    if len({(layer.hidden_size, layer.state_size) for layer in layers}) > 1:
        return tuple(arrays)
    joined = np.concatenate(arrays)
    return joined[0] if len(joined) == 1 else joined


def state_shapes(layers: Sequence[Layer], B: int) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
    """The shapes of h and c of each layer."""
    return [
        ((len(layer.directions), B, layer.state_size), (len(layer.directions), B, layer.hidden_size))
        for layer in layers
    ]
