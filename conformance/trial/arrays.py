"""What candidates give, as NumPy arrays: tensors of any framework, lists, scalars."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMERIC = "fiub"
"""The kinds of dtype whose numbers can be compared."""


def as_array(value: Any, dtype: np.dtype[Any]) -> Any:
    """`value` as a NumPy array of the numbers that it holds; as it is if it holds none that could be told.

    Tensors are detached from their graph and brought to the CPU. Of bfloat16 and its like, which NumPy does not have,
    float32 is made. Whatever has no dtype of its own, such as a list of numbers, gets the case's.

    Parameters
    ----------
    value : object
        What a candidate gave for a quantity.
    dtype : numpy.dtype
        The case's.
    """
    array = value
    if not isinstance(value, np.ndarray):
        try:
            if hasattr(value, "detach"):  # it is PyTorch's
                for step in ("detach", "cpu", "resolve_conj", "resolve_neg"):
                    value = getattr(value, step)() if hasattr(value, step) else value
            value = value.float() if str(getattr(value, "dtype", "")) == "torch.bfloat16" else value
            array = np.asarray(value) if hasattr(value, "dtype") else np.asarray(value, dtype)
        except Exception:  # noqa: BLE001 - whatever somebody's array class raises, it is no array then
            return value
    registered = array.dtype.isbuiltin == 2  # by ml_dtypes for one, with the names that JAX and TensorFlow have
    if registered and array.dtype.name.startswith(("bfloat16", "float8")):
        array = array.astype(np.float32)
    return array if array.dtype.kind in NUMERIC or hasattr(value, "dtype") else value
