"""The tensors of Keras 1, which has a matrix for each gate, such as ``lstm_1_W_i``, or all in one, ``lstm_1_W``.

Source: keras/layers/recurrent.py of Keras 1.2, and ``preprocess_weights_for_loading`` in tf_keras/src/saving/legacy/hdf5_format.py.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lstm_ref.formats.stored import StoredTensor

NAME = re.compile(r"(?P<layer>[^/]+)_(?P<matrix>[WUb])(?:_(?P<gate>[ifco]))?(?::0)?")
ROLES = {"W": "kernel", "U": "recurrent_kernel", "b": "bias"}
GATES = "ifco"
"""As they follow each other here, and in Keras 1 where all are in one."""


def is_own(name: str) -> bool:
    """Whether a tensor's name is that of one gate's matrix, which Keras 1 alone has."""
    match = NAME.fullmatch(name.rpartition("/")[2])
    return match is not None and match["gate"] is not None


def renamed(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    """All tensors, those of Keras 1's LSTMs by the names and in the form that later versions have.

    A gate's matrix that is missing becomes a tensor that cannot be read.
    """
    result: dict[str, StoredTensor] = {}
    layers: dict[tuple[str, str], dict[str, dict[str, StoredTensor]]] = {}
    for name, tensor in tensors.items():
        group, _, leaf = name.rpartition("/")
        match = NAME.fullmatch(leaf)
        if match is None:
            result[name] = tensor
        else:
            matrices = layers.setdefault((group, match["layer"]), {})
            matrices.setdefault(match["matrix"], {})[match["gate"] or ""] = tensor
    for (group, layer), matrices in layers.items():
        gates = set().union(*matrices.values())
        if gates == {""} or {"i", "f", "c", "o"} & gates:
            for matrix in ROLES if gates != {""} else matrices:
                result[f"{group}/{layer}/{ROLES[matrix]}"] = _joined(matrix, matrices.get(matrix, {}))
    return result


def _joined(matrix: str, by_gate: dict[str, StoredTensor]) -> StoredTensor:
    if by_gate.keys() == {""}:
        return by_gate[""]
    shapes = {tensor.shape for tensor in by_gate.values()}
    dtypes = {tensor.dtype for tensor in by_gate.values()}
    shape = next(iter(sorted(shapes)), ())
    wide = (*shape[:-1], 4 * shape[-1]) if shape else (0, 0)
    dtype = "+".join(sorted(dtypes)) or "unknown"
    missing = [gate for gate in GATES if gate not in by_gate]
    if missing or len(shapes) > 1 or len(dtypes) > 1:
        gone = (
            f"its {', '.join(f'{matrix}_{gate}' for gate in missing)} is not in the file"
            if missing
            else "its gates differ in size or type"
        )
        return StoredTensor(dtype, wide, _nothing, f"cannot be put together: {gone}")

    def numbers() -> np.ndarray[Any, Any]:
        return np.concatenate([by_gate[gate].read() for gate in GATES], axis=-1)

    return StoredTensor(dtype, wide, numbers)


def _nothing() -> np.ndarray[Any, Any]:
    raise AssertionError("a tensor is asked for that has a problem")
