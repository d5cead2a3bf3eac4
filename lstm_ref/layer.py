"""One layer: weights of one or two directions, how those are merged, and what masked steps give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, ShapeError, UsageError
from lstm_ref.options import PLAIN, Options
from lstm_ref.params import FloatArray, LSTMParams

MERGES = ("concat", "sum", "mul", "ave", None)


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: weights of one direction or of both.

    Parameters
    ----------
    forward, reverse : LSTMParams or None
        The weights of each direction; at least one of them, and both of the same sizes.
    merge : str or None
        How the outputs of two directions become one: "concat", "sum", "mul" or "ave"; None to give both, as one array with
        a first axis of two.
    options : Options

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If there is no direction, or the two do not fit together.
    """

    forward: LSTMParams | None
    reverse: LSTMParams | None = None
    merge: str | None = "concat"
    options: Options = PLAIN

    def __post_init__(self) -> None:
        for direction in ("forward", "reverse"):
            value = getattr(self, direction)
            if not isinstance(value, LSTMParams | None):
                raise UsageError(f"{direction} is a {type(value).__name__}, expected LSTMParams or None.")
        if not self.directions:
            raise UsageError("a layer needs the weights of at least one direction.")
        if self.merge not in MERGES:
            raise UsageError(f"merge={self.merge!r} is none of 'concat', 'sum', 'mul', 'ave' and None.")
        if self.forward is not None and self.reverse is not None:
            there, back = self.forward.arrays, self.reverse.arrays
            if {n: a.shape for n, a in there.items()} != {n: a.shape for n, a in back.items()}:
                shapes = [{name: array.shape for name, array in arrays.items()} for arrays in (there, back)]
                raise ShapeError(f"the directions' weights differ in shape: forward {shapes[0]}, reverse {shapes[1]}.")
            if self.forward.dtype != self.reverse.dtype:
                raise DTypeError(
                    f"the forward weights have dtype {self.forward.dtype}, the reverse ones {self.reverse.dtype}. "
                    "Convert them to the same dtype."
                )

    @cached_property
    def directions(self) -> dict[str, LSTMParams]:
        """The directions that there are, "forward" before "reverse", and their weights."""
        both = {"forward": self.forward, "reverse": self.reverse}
        return {direction: params for direction, params in both.items() if params is not None}

    @property
    def params(self) -> LSTMParams:
        """The weights of the first direction."""
        return next(iter(self.directions.values()))

    @cached_property
    def input_size(self) -> int:
        """D, the number of input features."""
        return self.params.input_size

    @cached_property
    def hidden_size(self) -> int:
        """H, the number of units of the cell state, in each direction."""
        return self.params.hidden_size

    @cached_property
    def state_size(self) -> int:
        """The number of units of the hidden state, in each direction: P with a projection, else H."""
        return self.params.output_size

    @cached_property
    def output_size(self) -> int:
        """The last axis of the output."""
        joined = len(self.directions) == 2 and self.merge == "concat"
        return self.state_size * (2 if joined else 1)

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of the weights."""
        return self.params.dtype

    def astype(self, dtype: npt.DTypeLike) -> Layer:
        """The same layer with its weights rounded or widened to `dtype`."""
        there, back = (params and params.astype(dtype) for params in (self.forward, self.reverse))
        return replace(self, forward=there, reverse=back)

    @cached_property
    def output_symbols(self) -> str:
        """The shape of the output in words, such as ``"(B, T, H)"``."""
        units = "H" if self.params.projection is None else "P"
        joined = len(self.directions) == 2 and self.merge == "concat"
        both = ("2",) if len(self.directions) == 2 and self.merge is None else ()
        steps = ("T",) if self.options.return_sequences else ()
        return f"({', '.join((*both, 'B', *steps, f'2{units}' if joined else units))})"

    def output_shape(self, B: int, T: int) -> tuple[int, ...]:
        """The shape of the output."""
        both = (2,) if len(self.directions) == 2 and self.merge is None else ()
        return (*both, B, *((T,) if self.options.return_sequences else ()), self.output_size)


@dataclass(frozen=True, eq=False)
class Dropout:
    """What a layer's input and its hidden state are multiplied by in one direction: 0, or 1 / (1 − rate), drawn by the caller.

    Parameters
    ----------
    input : array (B, T, D) or (B, D), optional
        For each step, as PyTorch draws between layers, or the same for all steps, as Keras draws. Steps are counted as in
        the layer's input, in both directions.
    recurrent : array (B, H), or (B, P) with a projection, optional
        What h is multiplied by before the recurrent kernel, the same for all steps.
    """

    input: FloatArray | None = None
    recurrent: FloatArray | None = None
