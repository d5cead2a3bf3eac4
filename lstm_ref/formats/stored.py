"""A tensor as it lies in a file: its dtype and shape are known, its numbers are read when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lstm_ref.errors import CorruptFileError
from lstm_ref.params import FloatArray


@dataclass(frozen=True)
class StoredTensor:
    """One named array of a file.

    Attributes
    ----------
    dtype : str
        NumPy's name for it, or "bfloat16"; other libraries' types keep their own name.
    shape : tuple of int
    read : callable
        Returns the array in its stored dtype; bfloat16 as its upper 16 bits, uint16.
    problem : str
        Why its numbers cannot be read here, as in "is a sparse tensor"; empty when they can. An LSTM that it belongs to
        is refused, whatever else the file holds.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray[Any, Any]]
    problem: str = ""


@dataclass(frozen=True)
class Contents:
    """What a reader found in a file.

    Attributes
    ----------
    path : Path
    format : str
        For people, such as "PyTorch checkpoint (zip)".
    convention : str
        Whose names the tensors have: "torch", "keras-paths" (weights.h5), "keras-names" (legacy h5) or "onnx".
    tensors : dict
        Full name to tensor.
    layer_names : dict
        Group path to the name that its user gave the layer; Keras only.
    config : dict
        The model's own description, where the file has one: Keras's, or an ONNX model's graphs.
    version : str
        Of the library that wrote the file, where it says so; Keras only.
    """

    path: Path
    format: str
    convention: str
    tensors: dict[str, StoredTensor]
    layer_names: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    version: str = ""


WIDENED = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}
"""Stored dtypes that can be weights, and the dtype they are computed in; both widenings are exact."""


def as_weights(tensor: StoredTensor) -> FloatArray:
    """The tensor's numbers as a contiguous float32 or float64 array of its own memory."""
    stored = tensor.read()
    if tensor.dtype == "bfloat16":  # the upper half of a float32
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return np.array(stored, dtype=WIDENED[tensor.dtype], order="C")


def parse_json(path: Path, what: str, text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`, which is the part `what` of the file at `path`."""
    try:
        result = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: its {what} is not JSON: {error}.") from error
    if not isinstance(result, dict):
        raise CorruptFileError(f"{path}: its {what} is a JSON {type(result).__name__}, expected an object.")
    return result


def cut(value: Any, most: int = 80) -> str:
    """Something from a file, for a message."""
    text = value if isinstance(value, str) else type(value).__name__
    return ascii(text[:most])[1:-1] + ("..." if len(text) > most else "")
