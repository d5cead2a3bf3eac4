"""PyTorch checkpoints: the zip archives of 1.6 and later, and the rows of pickles from before.

Sources: torch/serialization.py, functions ``_save``, ``_legacy_save`` and their counterparts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lstm_ref.errors import CorruptFileError, UnsafeFileError
from lstm_ref.formats.archive import Archive
from lstm_ref.formats.pickle_names import Inert, Storage, TensorRecord
from lstm_ref.formats.pickled import read_pickle
from lstm_ref.formats.stored import Contents, StoredTensor, cut
from lstm_ref.formats.torch_names import OWN

Order: TypeAlias = Literal["<", ">"]
ORDERS: dict[bytes, Order] = {b"little": "<", b"big": ">"}

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

DEEPEST = 64
"""How deep a checkpoint's containers are followed."""
MEMORY = 16 << 20
"""How long all names together may be, beyond the file's own size."""
MOST = 300_000
"""How many containers and tensors are looked at."""
EXPANDED = 1 << 20
"""How many numbers a tensor may have beyond its storage's, by a stride of 0."""

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}


def roots(archive: Archive) -> list[str]:
    """The folders of an archive that may be torch.save's; it has one if the archive is."""
    ends = "/data.pkl"
    return [name.removesuffix(ends) for name in archive.entries if name.count("/") == 1 and name.endswith(ends)]


def read_zip(archive: Archive, root: str) -> Contents:
    """Tensors of the archive whose pickle is ``<root>/data.pkl``."""
    path, size, entries = archive.path, archive.size, archive.entries
    scripted = f"{root}/constants.pkl" in entries  # a program: its code is neither run nor read
    needed = [name for name in entries if not scripted or name.startswith((f"{root}/data/", f"{root}/data.pkl"))]
    archive.check("torch.save", needed)

    def member(name: str) -> bytes:
        return archive.read(f"{root}/{name}")

    order = byte_order(path, member("byteorder") if f"{root}/byteorder" in entries else None)
    content = read_pickle(io.BytesIO(member("data.pkl")), f"{path}, {root}/data.pkl", size, scripted=scripted)
    tensors = _named(path, walk(path, content), order, lambda storage: member(f"data/{storage.key}"))
    return Contents(path, "TorchScript archive" if scripted else "PyTorch checkpoint (zip)", "torch", tensors)


def byte_order(path: Path, said: bytes | None) -> Order:
    """Of an archive's numbers, by its entry of that name, which older ones do not have."""
    if said is None:
        return "<"
    if said not in ORDERS:
        raise CorruptFileError(
            f"{path}: its byteorder is {cut(repr(said))}, neither little nor big. The copy is damaged or incomplete."
        )
    return ORDERS[said]


def read_legacy(path: Path, stream: IO[bytes]) -> Contents:
    """Tensors of a file of pickles in a row: magic, protocol, system, object, keys; then the storages."""
    storages: dict[str, Storage] = {}
    magic, protocol, system, content, keys = (
        read_pickle(stream, f"{path}, pickle {n} of 5", path.stat().st_size, storages) for n in range(1, 6)
    )
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(system, dict) or not isinstance(keys, list):
        raise CorruptFileError(f"{path}: its first pickles are not those of a torch.save file of protocol {PROTOCOL}.")
    order: Order = "<" if system.get("little_endian", True) else ">"

    records = list(walk(path, content))
    itemsize = {key: _dtype(storage.kind).itemsize for key, storage in storages.items()}
    end = path.stat().st_size
    position = stream.tell()
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        stream.seek(position)
        header = stream.read(8)
        if not isinstance(key, str) or len(header) < 8 or key not in itemsize:
            raise CorruptFileError(
                f"{path}: storage {cut(key)!r} is missing or belongs to no tensor; the copy is incomplete."
            )
        length = int.from_bytes(header, "little" if order == "<" else "big", signed=True) * itemsize[key]
        if length < 0 or position + 8 + length > end:
            raise CorruptFileError(f"{path}: storage {cut(key)} ends behind the file's end; the copy is incomplete.")
        places[key] = (position + 8, length)
        position += 8 + length

    def read(storage: Storage) -> bytes:
        if storage.key not in places:
            raise CorruptFileError(f"{path}: storage {cut(storage.key)} is not in the file.")
        start, length = places[storage.key]
        if storage.view is not None:  # a window on a larger storage, in elements
            width = itemsize[storage.key]
            offset, length_of_view = storage.view[1] * width, storage.view[2] * width
            if offset + length_of_view > length:
                raise CorruptFileError(f"{path}: a view of storage {cut(storage.key)} ends behind the storage.")
            start, length = start + offset, length_of_view
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    tensors = _named(path, records, order, read)
    return Contents(path, "PyTorch checkpoint (before 1.6)", "torch", tensors)


def _named(
    path: Path, found: Iterable[tuple[str, Any]], order: Order, read: Callable[[Storage], bytes]
) -> dict[str, StoredTensor]:
    """Name to tensor; two of one name, as of ``{"a.b": ..}`` and ``{"a": {"b": ..}}``, are neither."""
    tensors: dict[str, StoredTensor] = {}
    left = MEMORY + path.stat().st_size
    for name, value in found:
        left -= len(name)
        if left < 0:
            raise UnsafeFileError(
                f"{path}: the names of its tensors, {len(tensors):,} so far, take more than the file itself."
            )
        if name in tensors:
            tensors[name] = replace(
                tensors[name], problem="has the name of another one, once their keys are joined by dots"
            )
        elif isinstance(value, TensorRecord):
            tensors[name] = _stored(path, value, order, read)
        else:
            tensors[name] = StoredTensor(
                "unknown", (), _nothing, problem=f"is {_kind(value)}, not a tensor's plain numbers"
            )
    return tensors


def _nothing() -> np.ndarray[Any, Any]:
    raise CorruptFileError("a tensor is asked for that cannot be read")


KINDS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantized tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor on the meta device, without numbers",
    "_rebuild_from_type_v2": "a tensor of a class of its own",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device, saved as a NumPy array",
    "_reconstruct": "a NumPy array",
}
"""What a call in a pickle makes."""


def _kind(value: Any) -> str:
    name = value.name.rpartition(".")[2] if isinstance(value, Inert) else ""
    return KINDS.get(name, f"{cut(name)!r}" if name else f"of Python's type {type(value).__name__}")


def walk(path: Path, content: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor in nested dicts, lists and tuples, with its keys joined by dots, by each way that leads to it.

    What has an LSTM's name and is no tensor comes as well.

    Raises
    ------
    UnsafeFileError
        If containers hold each other in so many ways that there is hardly an end to it.
    """
    todo: list[tuple[tuple[str, ...], Any]] = [((), content)]
    for _ in range(MOST):
        if not todo:
            return
        keys, value = todo.pop()
        if isinstance(value, TensorRecord) or (keys and OWN.fullmatch(keys[-1].rpartition(".")[2])):
            yield ".".join(keys), value
        elif isinstance(value, dict | list | tuple) and len(keys) < DEEPEST:
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
            todo.extend(((*keys, str(key)), item) for key, item in reversed(items) if _matters(key, item))
    raise UnsafeFileError(f"{path}: its containers hold each other in more than {MOST:,} ways, which weights never do.")


def _matters(key: Any, item: Any) -> bool:
    """Whether a value is to be looked at: a number in a long list is not."""
    return isinstance(item, TensorRecord | dict | list | tuple) or (isinstance(key, str) and "_" in key)


def _dtype(kind: str) -> np.dtype[Any]:
    name = STORAGES.get(kind.rpartition(".")[2], "uint8")
    return np.dtype("uint16" if name == "bfloat16" else name)


def _stored(path: Path, record: TensorRecord, order: Order, read: Callable[[Storage], bytes]) -> StoredTensor:
    kind = record.storage.kind.rpartition(".")[2]
    name = record.dtype.rpartition(".")[2] if record.dtype else STORAGES.get(kind, kind)
    dtype = _dtype(kind).newbyteorder(order)
    problem = record.problem
    if kind not in STORAGES or (record.dtype and name != STORAGES[kind]):
        problem = f"is stored as {cut(record.storage.kind)} with the dtype {cut(record.dtype or 'of it')}"

    def numbers() -> np.ndarray[Any, Any]:
        shape, stride, offset = record.shape, record.stride, record.offset
        data = read(record.storage)
        count = record.storage.size if record.storage.view is None else record.storage.view[2]
        if len(data) != count * dtype.itemsize:
            raise CorruptFileError(
                f"{path}: the storage {cut(record.storage.key)} has {len(data)} bytes, expected {count} numbers of "
                f"{dtype.itemsize} bytes. The copy is damaged or incomplete."
            )
        needed = offset + 1 + sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) if prod(shape) else 0
        if needed > count or prod(shape) > max(count, EXPANDED):
            raise CorruptFileError(
                f"{path}: a tensor of shape {shape}, stride {stride} and offset {offset} does not fit its storage "
                f"{cut(record.storage.key)} of {count} numbers. The copy is damaged or incomplete."
            )
        flat = np.frombuffer(data, dtype, count)[offset:]
        array = as_strided(flat, shape, tuple(s * dtype.itemsize for s in stride), writeable=False)
        if not record.negated:
            return array
        return array ^ np.uint16(0x8000) if name == "bfloat16" else -array  # there it is a float32's upper half

    return StoredTensor(name, record.shape, numbers, problem)
