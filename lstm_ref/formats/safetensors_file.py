"""Safetensors files, read by the safetensors library.

Source: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lstm_ref.errors import CorruptFileError, MissingPackageError
from lstm_ref.formats.stored import Contents, StoredTensor

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def read(path: Path) -> Contents:
    """Tensors of the file; their names follow PyTorch, which is who writes such files."""
    try:
        import safetensors
    except ImportError as error:
        raise MissingPackageError(f"{path} is a safetensors file; reading it needs: pip install safetensors") from error

    tensors = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                view = file.get_slice(name)
                tensors[name] = _stored(path, name, view.get_dtype(), tuple(view.get_shape()))
    except (safetensors.SafetensorError, OSError) as error:
        raise CorruptFileError(f"{path}: not a sound safetensors file: {error}.") from error
    return Contents(path, "safetensors", "torch", tensors)


def _stored(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> StoredTensor:
    def numbers() -> np.ndarray[Any, Any]:
        import safetensors

        if dtype == "BF16":  # NumPy has no such dtype: take the bytes
            entries = dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]  # a Rust function
            return np.frombuffer(entries[name]["data"], "<u2").reshape(shape)
        with safetensors.safe_open(path, framework="numpy") as file:
            array: np.ndarray[Any, Any] = file.get_tensor(name)
            return array

    return StoredTensor(DTYPES.get(dtype, dtype), shape, numbers)
