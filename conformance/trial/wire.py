"""How a candidate's process and the one that judges it talk: JSON and raw arrays, in both directions.

A message is four bytes, the length of a header, little-endian; the header, JSON in UTF-8; and the bytes of the arrays that
the header lists under "arrays" as [name, dtype, shape], one behind the other, in C order. NumPy's names of dtypes tell the
order of bytes too: "<f4", "<f8".

- The candidate begins: {"without": [...], "features": [...], "trains": [...], "needs_conformance": false}, what it declares, and
  whether it imports this package; "compiles": true, if it is compiled for each shape; or {"refused": "..."}, why it cannot be called.
- {"call": n, "id": "...", "dtype": "<f8", "layers": [...]} asks for a call with the case whose arrays follow: x, h0, c0,
  d_output, d_h, d_c, params.kernel, params.recurrent_kernel, params.bias. `conformance.cases.flat` has the names of a network's
  arrays, and what is told of its layers. The answer has n, the results as arrays, "odd" with the type of
  whatever is no array, and "failure", "trace", "warned", "unknown", "mutated" and "returned", as `Outcome` has them.
- {"call": n, "train": "counting", "dtype": "float64", "updates": 200} asks for the candidate's own training on a task; the answer is as
  that of a call, with the array "losses".
- {"look": n} asks for what the arrays that call n gave hold by now; of the last `HELD` calls.
- Whoever closes the pipe has ended.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import cache
from typing import IO, Any

import numpy as np

HELD = 4
LENGTH = struct.Struct("<I")
LONGEST = 1 << 26
"""A header of more bytes is none: somebody else has written into the pipe."""
encoded = json.JSONEncoder(check_circular=False).encode
"""As `json.dumps`, without a look for what holds itself."""


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """NumPy's name of a dtype with its order of bytes, which takes it a while to make."""
    return dtype.str


def send(stream: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write a message; arrays of Python objects are told as what they are, and not sent."""
    odd = dict(header.get("odd", ()))
    listed, bodies = [], []
    for name, array in arrays.items():
        if array.dtype.hasobject:
            odd[name] = type(array).__name__
        else:
            listed.append((name, dtype_name(array.dtype), array.shape))
            bodies.append(np.asarray(array).tobytes())  # a masked array's own would fill in
    text = encoded({**header, "odd": odd, "arrays": listed}).encode()
    stream.write(b"".join([LENGTH.pack(len(text)), text, *bodies]))
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Read a message: its header, and the arrays, which can be written to.

    Raises
    ------
    EOFError
        If the other side has ended.
    ValueError
        If it is no message.
    """
    length: int = LENGTH.unpack(_read(stream, LENGTH.size))[0]
    if length > LONGEST:
        raise ValueError(f"a header of {length} bytes")
    header: dict[str, Any] = json.loads(_read(stream, length).decode())
    arrays = {}
    for name, dtype, shape in header["arrays"]:
        array = arrays[name] = np.empty(shape, dtype)
        if stream.readinto(array) < array.nbytes:  # type: ignore[attr-defined]  # what is buffered has it
            raise EOFError
    return header, arrays


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
