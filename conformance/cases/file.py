"""A case in a file, with the true values of its quantities: what `sweep` writes, and `repro` reads.

It is a safetensors file. The arrays of the case are called as in `conformance.cases.flat`, and are in the case's dtype: the very
numbers. The true values are ``expected.output`` and so on, in float64. Its metadata has one key, whose value is JSON: the case's
id and dtype, and what is told of its layers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from conformance.case import Case, Result
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.errors import CaseFileError
from lstm_ref.errors import LSTMError

KEY, FORMAT = "lstm-conformance case", 1
EXPECTED = "expected."
LIKE = {"h0": "h", "c0": "c", "d_h": "h", "d_c": "c", "d_output": "output"}
"""Inputs, and the quantities that have their shapes."""


def as_bytes(case: Case, expected: Result) -> bytes:
    """The file of a case and its true values; the same bytes of the same case."""
    arrays = arrays_of(case) | {EXPECTED + name: np.asarray(expected[name], np.float64) for name in case.shapes}
    told = {"format": FORMAT, "id": case.id, "dtype": case.dtype.name, "layers": layers_of(case)}
    return save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, {KEY: json.dumps(told, sort_keys=True)})


def read_case(path: Path) -> tuple[Case, Result]:
    """The case that a file holds, and the true values of its quantities.

    Raises
    ------
    CaseFileError
        If it cannot be read, or holds no case, or one whose arrays do not fit each other.
    """
    try:
        with safe_open(path, framework="np") as file:
            told: dict[str, Any] = json.loads((file.metadata() or {}).get(KEY, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise CaseFileError(f"{path} cannot be read as a case: {error}.") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise CaseFileError(f"{path} holds no case of format {FORMAT}; `lstm-conformance sweep` writes such files.")
    expected = {name.removeprefix(EXPECTED): arrays.pop(name) for name in list(arrays) if name.startswith(EXPECTED)}
    try:
        case = of_arrays(arrays, told["id"], told["dtype"], told["layers"])
        fits = _fits(case) and {name: a.shape for name, a in expected.items()} == case.shapes
    except (LSTMError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CaseFileError(f"{path} holds no whole case: {type(error).__name__}: {error}.") from error
    if not fits:
        raise CaseFileError(f"{path} holds arrays that do not fit each other.")
    return case, expected


def _fits(case: Case) -> bool:
    """Whether inputs are of the sizes and the dtype that the weights have."""
    given = [a for name, a in arrays_of(case).items() if name != "mask"]
    sizes = all(np.shape(getattr(case, name)) == case.shapes[of] for name, of in LIKE.items() if of in case.shapes)
    masked = case.mask is None or (case.mask.shape == case.x.shape[:2] and case.mask.dtype == np.bool_)
    widths = case.x.ndim == 3 and case.x.shape[2] == case.layers[0].input_size
    return sizes and masked and widths and all(a.dtype == case.dtype for a in given)
