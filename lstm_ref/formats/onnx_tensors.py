"""Numbers in an ONNX file: as bytes, as protobuf's numbers, or in a file beside it.

Sources: message TensorProto in onnx/onnx.proto, and https://onnx.ai/onnx/repo-docs/ExternalData.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from lstm_ref.errors import CorruptFileError, UnreadableFileError, UnsafeFileError, UnsupportedError
from lstm_ref.formats import beside
from lstm_ref.formats.stored import StoredTensor

TYPES: dict[int, tuple[str, str, str]] = {
    1: ("float32", "<f4", "float_data"),
    2: ("uint8", "<u1", "int32_data"),
    3: ("int8", "<i1", "int32_data"),
    4: ("uint16", "<u2", "int32_data"),
    5: ("int16", "<i2", "int32_data"),
    6: ("int32", "<i4", "int32_data"),
    7: ("int64", "<i8", "int64_data"),
    9: ("bool", "<u1", "int32_data"),
    10: ("float16", "<u2", "int32_data"),
    11: ("float64", "<f8", "double_data"),
    12: ("uint32", "<u4", "uint64_data"),
    13: ("uint64", "<u8", "uint64_data"),
    16: ("bfloat16", "<u2", "int32_data"),
}
"""ONNX's number of a type: its name, its bytes, and the field of its numbers where they are not bytes."""

FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "string_data", "uint64_data")
EXTERNAL = 1
MOST_AXES = 64
"""NumPy's."""


def text(value: str | bytes) -> str:
    """A name; protobuf gives bytes for one that is no UTF-8."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def shown(name: str, most: int = 120) -> str:
    """A name for a message, the beginning of it if it is very long."""
    return repr(name if len(name) <= most else f"{name[:most]}...")


def unread(problem: str, dtype: str = "unknown", shape: tuple[int, ...] = (0, 0)) -> StoredTensor:
    """A tensor that is there, and whose numbers cannot be had."""

    def refuse() -> np.ndarray[Any, Any]:
        raise UnsupportedError(f"the tensor {problem}.")

    return StoredTensor(dtype, shape, refuse, problem)


def of_array(array: np.ndarray[Any, Any], dtype: str | None = None) -> StoredTensor:
    """An array that was made of other tensors; of bfloat16 it holds the bits."""
    return StoredTensor(dtype or array.dtype.name, array.shape, lambda: array)


def stored(proto: Any, path: Path) -> StoredTensor:
    """The tensor of a TensorProto of the model at `path`.

    Raises
    ------
    UnsafeFileError
        If it asks for a file outside of the model's folder.
    """
    shape = tuple(proto.dims)
    if proto.data_type not in TYPES:
        dtype = f"ONNX's type {proto.data_type}"
        return unread(f"is of {dtype}", dtype, shape)
    dtype, code, field = TYPES[proto.data_type]
    size = np.dtype(code).itemsize
    count = prod(shape)
    if any(n < 0 for n in shape) or len(shape) > MOST_AXES:
        return unread(f"has shape {shape[:9]}", dtype)
    if proto.HasField("segment"):
        return unread("is one segment of a tensor", dtype, shape)
    given = [name for name in FIELDS if len(getattr(proto, name))] + (["raw_data"] if proto.raw_data else [])
    if proto.data_location == EXTERNAL:
        if given:
            return unread("has numbers in the model and in another file", dtype, shape)
        place = _external(proto, path, count * size)
        if isinstance(place, str):
            return unread(place, dtype, shape)
        return StoredTensor(dtype, shape, _shaped(path, place.read, code, dtype, shape))
    if len(given) > 1 or (given and given[0] not in ("raw_data", field)):
        return unread(f"has numbers of type {dtype} in {' and '.join(given)}", dtype, shape)
    if given == ["raw_data"]:
        held, read = len(proto.raw_data) / size, lambda: proto.raw_data
    else:
        held = len(getattr(proto, field))
        read = lambda: np.fromiter(getattr(proto, field), code, count).tobytes()  # noqa: E731 - the other of two
    if held != count:
        return unread(f"has {held:g} numbers, expected {count} of the shape {shape[:9]}", dtype, shape)
    return StoredTensor(dtype, shape, _shaped(path, read, code, dtype, shape))


def _shaped(
    path: Path, read: Callable[[], bytes], code: str, dtype: str, shape: tuple[int, ...]
) -> Callable[[], np.ndarray[Any, Any]]:
    kept = code if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")

    def numbers() -> np.ndarray[Any, Any]:
        try:
            return np.frombuffer(read(), kept).reshape(shape)
        except (ValueError, OverflowError) as error:
            raise CorruptFileError(
                f"{path}: a tensor of type {dtype} has numbers that are none of it: {error}."
            ) from error

    return numbers


@dataclass(frozen=True)
class Place:
    """Bytes of a file beside the model."""

    file: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """The bytes."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.offset)
                data = stream.read(self.size)
        except OSError as error:
            raise UnreadableFileError(f"{self.file} cannot be read: {error.strerror or error}.") from error
        if len(data) != self.size:
            raise CorruptFileError(f"{self.file} has become shorter while it was read.")
        return data


def _external(proto: Any, path: Path, size: int) -> Place | str:
    """Where the tensor's numbers are, or why they cannot be had."""
    entries = {text(entry.key): text(entry.value) for entry in proto.external_data}
    location = entries.get("location", "")
    parts = PurePosixPath(location).parts + PureWindowsPath(location).parts
    anchored = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    if not location or "\0" in location or ".." in parts or anchored:
        raise UnsafeFileError(
            f"{path}: the tensor {shown(text(proto.name))} has its numbers in {shown(location)}, expected a file in the model's folder."
        )
    file, inside = resolved(path.parent, location)
    if not inside:
        raise UnsafeFileError(
            f"{path}: the tensor {shown(text(proto.name))} has its numbers in {shown(location)}, a link out of the model's folder."
        )
    if not file.is_file():
        return f"has its numbers in {shown(location)}, which is no file beside the model; copy it there"
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    except ValueError:
        return f"has its numbers in {shown(location)} at a place that is no number"
    available = file.stat().st_size
    if offset < 0 or length != size or offset + size > available:
        return (
            f"has its numbers in {shown(location)}, bytes {offset} to {offset + length}; expected {size} bytes, "
            f"and the file has {available}"
        )
    return Place(file, offset, size)


@lru_cache(maxsize=16)  # most models have all their numbers in one file; `onnx_file.read` begins it anew
def resolved(parent: Path, location: str) -> tuple[Path, bool]:
    """The file, and whether it may be read; a link that leads to itself leads to no file."""
    found = beside.target(parent, location)
    return (parent / location, True) if found is None else (found, beside.inside(parent, found))
