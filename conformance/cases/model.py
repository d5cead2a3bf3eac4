"""Cases of a given network, a trained model's: its own weights and sizes, on random and on given inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.draw import Draw
from conformance.cases.network import as_states, state_shapes
from conformance.errors import CandidateError
from lstm_ref import Layer
from lstm_ref.options import PLAIN

INPUTS = ("x", "h0", "c0", "mask")
"""What a file of inputs may hold: x, and where it says so the state to begin with and a mask."""


def model_cases(layers: Sequence[Layer], dtype: str, given: Mapping[str, Any] | None = None) -> Iterator[Case]:
    """Cases of a network in one dtype: a step, some steps, many; with and without a state; and one of the inputs given.

    Parameters
    ----------
    layers : sequence of Layer
    dtype : str
        What the weights are brought to; wider than they are stored, it holds the same numbers.
    given : mapping of str to array, optional
        x (B, T, D), and h0, c0 and mask in a case's form. Cotangents are drawn.
    """
    layers = [layer.astype(dtype) for layer in layers]
    for B, T, state, cotangents in (
        (1, 1, True, "all"),
        (3, 7, True, "all"),
        (3, 7, False, "output"),
        (2, 40, False, "all"),
    ):
        words = [f"B{B}", f"T{T}", "state" if state else "nostate", *(["output"] if cotangents == "output" else [])]
        yield _case(f"model-{'-'.join(words)}-{dtype}", layers, B, T, state, cotangents == "all", {})
    if given is not None:
        B, T = np.shape(given["x"])[:2]
        yield _case(f"model-input-{dtype}", layers, B, T, False, True, given)


def case_of_layers(id: str, layers: Sequence[Layer], B: int, T: int) -> Case:
    """A case of given layers from a random state, with all cotangents; fixed by `id` up to its last word, the dtype's."""
    return _case(id, layers, B, T, True, True, {})


def _case(
    id: str, layers: Sequence[Layer], B: int, T: int, state: bool, all_cotangents: bool, given: Mapping[str, Any]
) -> Case:
    draw, dtype = Draw(id.rpartition("-")[0]), layers[0].dtype  # both dtypes from one stream
    shapes = state_shapes(layers, B)

    def states(bound: float, which: int, on: bool) -> Any:
        return as_states([(draw.uniform(bound, *shape[which]) * on).astype(dtype) for shape in shapes], layers)

    arrays: dict[str, Any] = {
        "x": draw.uniform(1.0, B, T, layers[0].input_size).astype(dtype),
        "h0": states(0.9, 0, state),
        "c0": states(1.5, 1, state),
        "d_output": draw.uniform(1.0, *layers[-1].output_shape(B, T)).astype(dtype),
        "d_h": states(1.0, 0, all_cotangents),
        "d_c": states(1.0, 1, all_cotangents),
    }
    for name, array in given.items():
        if name == "mask":
            arrays[name] = np.asarray(array, bool)
            expected: tuple[int, ...] = (B, T)
        else:
            if isinstance(arrays[name], tuple):
                raise CandidateError(f"{name} cannot be given: the widths of the model's layers differ.")
            expected = arrays[name].shape
            arrays[name] = np.asarray(array).astype(dtype)
        if arrays[name].shape != expected:
            raise CandidateError(f"{name} has shape {arrays[name].shape}, expected {expected} for this model.")
    single = len(layers) == 1 and len(layers[0].directions) == 1
    options = layers[0].options if single else PLAIN
    return Case(id, dtype, params=layers[0].params, options=options, layers=tuple(layers), **arrays)


def split_model(text: str) -> tuple[str, str | None]:
    """FILE[:NAME] as a file and the name of an LSTM in it; what is a file as it stands is one."""
    file, colon, name = text.rpartition(":")
    return (file, name) if colon and not Path(text).exists() else (text, None)


def read_inputs(path: str | Path) -> dict[str, Any]:
    """The arrays of an .npz of inputs.

    Raises
    ------
    CandidateError
        If it cannot be read, lacks x, or holds what is no input.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise CandidateError(f"{path} cannot be read as an .npz of arrays: {error}.") from error
    if "x" not in arrays or not arrays.keys() <= set(INPUTS):
        raise CandidateError(
            f"{path} holds {', '.join(sorted(arrays))}; expected x (B, T, D) and, if you like, {', '.join(INPUTS[1:])}."
        )
    x = arrays["x"]
    if x.ndim != 3 or x.dtype.kind not in "fiu":
        raise CandidateError(f"x in {path} has shape {x.shape} and dtype {x.dtype}, expected numbers (B, T, D).")
    return arrays
