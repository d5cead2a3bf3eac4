"""What a caller gives to a network, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, UsageError, shape_error
from lstm_ref.layer import Dropout, Layer
from lstm_ref.params import FLOATS, FloatArray, as_float_array

DropoutLike = Sequence[Mapping[str, Dropout] | None] | None
"""For each layer the factors of each of its directions, by name; None for none."""


def wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that is computed in: float32 for what is narrower."""
    return dtype if dtype in FLOATS else np.dtype(np.float32)


def array(
    dtype: np.dtype[Any], name: str, given: Any, symbols: str, expected: tuple[int | None, ...], remedy: str
) -> FloatArray:
    """An array of the weights' dtype and of a shape, in the dtype that is computed in.

    Parameters
    ----------
    dtype : numpy.dtype
        The weights'.
    name, symbols, expected, remedy
        As in `lstm_ref.errors.shape_error`.
    given : array

    Raises
    ------
    ShapeError, DTypeError
    """
    result = as_float_array(name, given)
    if result.dtype != dtype:
        raise DTypeError(
            f"{name} has dtype {result.dtype}, but the weights have {dtype}. Convert one: "
            f"{name}.astype('{dtype}') or params.astype('{result.dtype}')."
        )
    if result.ndim != len(expected) or any(
        want is not None and have != want for have, want in zip(result.shape, expected, strict=True)
    ):
        raise shape_error(name, symbols, expected, result.shape, remedy)
    return result if result.dtype in FLOATS else result.astype(np.float32)


def mask(given: npt.ArrayLike | None, B: int, T: int) -> npt.NDArray[np.bool_] | None:
    """A mask, array (B, T) of bool; a copy, since the backward pass needs it, too.

    Raises
    ------
    ShapeError, DTypeError
    """
    if given is None:
        return None
    result = np.array(given)
    if result.dtype != np.bool_:
        raise DTypeError(f"mask has dtype {result.dtype}, expected bool, True where a step counts. Convert it.")
    if result.shape != (B, T):
        raise shape_error("mask", "(B, T)", (B, T), result.shape, "It has one value for each step of each sample of x")
    return result


def dropout(given: DropoutLike, layers: Sequence[Layer], B: int, T: int) -> list[Mapping[str, Dropout]]:
    """For each layer the factors of its directions.

    Raises
    ------
    UsageError, ShapeError, DTypeError
    """
    if given is None:
        return [{}] * len(layers)
    if not isinstance(given, Sequence) or len(given) != len(layers):
        raise UsageError(
            f"dropout must be a list of {len(layers)} entries, one for each layer, each None or a mapping from directions "
            "to lstm_ref.Dropout."
        )
    return [_of_layer(k, each or {}, layer, B, T) for k, (each, layer) in enumerate(zip(given, layers, strict=True))]


def _of_layer(k: int, given: Mapping[str, Dropout], layer: Layer, B: int, T: int) -> dict[str, Dropout]:
    checked = {}
    for direction, factors in given.items():
        name = f"dropout[{k}][{direction!r}]"
        if direction not in layer.directions or not isinstance(factors, Dropout):
            raise UsageError(
                f"{name} is a {type(factors).__name__}; expected an lstm_ref.Dropout for each direction that layer {k} has, of "
                f"{', '.join(layer.directions)}."
            )
        of_input, recurrent = factors.input, factors.recurrent
        if of_input is not None:
            shared = np.ndim(of_input) == 2
            symbols, shape = ("(B, D)", (B, layer.input_size)) if shared else ("(B, T, D)", (B, T, layer.input_size))
            remedy = "Factors are (B, T, D), or (B, D) for all steps the same"
            of_input = array(layer.dtype, f"{name}.input", of_input, symbols, shape, remedy)
        if recurrent is not None:
            symbols = "(B, H)" if layer.params.projection is None else "(B, P)"
            remedy = "Recurrent factors are for all steps the same"
            recurrent = array(layer.dtype, f"{name}.recurrent", recurrent, symbols, (B, layer.state_size), remedy)
        checked[direction] = Dropout(of_input, recurrent)
    return checked
