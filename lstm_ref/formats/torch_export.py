"""Archives of ``torch.export.save``, .pt2: raw weights beside JSON that names them.

Source: torch/export/pt2_archive/_package.py and torch/_export/serde/schema.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lstm_ref.errors import CorruptFileError, UnsafeFileError
from lstm_ref.formats import torch_files
from lstm_ref.formats.archive import Archive
from lstm_ref.formats.stored import Contents, StoredTensor, cut, parse_json

CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
OLDER = tuple(f"serialized_{what}.{kind}" for what in ("state_dict", "constants") for kind in ("pt", "json"))
"""Where PyTorch 2.1 to 2.7 have the tensors; .json is 2.1's name for the same bytes."""
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    13: "bfloat16",
}
STRIDED = 7
LARGEST = 16 << 20
"""Bytes of JSON that are read."""


def read(archive: Archive, root: str) -> Contents:
    """Tensors of the archive whose entries begin with ``<root>/``."""
    path, entries = archive.path, archive.entries
    archive.check("torch.export", ())

    def member(name: str) -> bytes:
        if f"{root}/{name}" in entries:
            archive.check("torch.export.save", [f"{root}/{name}"])
        return archive.read(f"{root}/{name}")

    order = torch_files.byte_order(path, member("byteorder") if f"{root}/byteorder" in entries else None)
    tensors: dict[str, StoredTensor] = {}
    for config in CONFIGS:
        if (entry := entries.get(f"{root}/{config}")) is None:
            continue
        if entry.file_size > LARGEST:
            raise UnsafeFileError(f"{path}: {config} is of {entry.file_size:,} bytes, expected at most {LARGEST:,}.")
        described = parse_json(path, config, member(config)).get("config")
        for name, told in (described if isinstance(described, dict) else {}).items():
            tensors[name] = _tensor(path, name, told, f"{config.rpartition('/')[0]}/", order, member)
    return Contents(path, "PyTorch export (.pt2)", "torch", tensors)


def read_older(archive: Archive) -> Contents:
    """Tensors of an archive of PyTorch 2.1 to 2.7: what torch.save wrote, in entries of their own."""
    archive.check("torch.export.save", [name for name in OLDER if name in archive.entries])
    tensors: dict[str, StoredTensor] = {}
    for name in OLDER:
        content = archive.read(name) if name in archive.entries else b""
        if not content:
            continue
        inner = Archive(archive.path, content)
        roots = torch_files.roots(inner)
        if len(roots) != 1:
            raise CorruptFileError(
                f"{archive.path}: its entry {name} is not what torch.save writes; the copy is damaged."
            )
        found = torch_files.read_zip(inner, roots[0]).tensors
        if both := sorted(tensors.keys() & found.keys()):
            raise CorruptFileError(f"{archive.path}: two of its tensors are called {cut(both[0])!r}.")
        tensors |= found
    return Contents(archive.path, "PyTorch export (.pt2 of 2.1 to 2.7)", "torch", tensors)


def _tensor(
    path: Path, name: str, told: Any, folder: str, order: torch_files.Order, member: Callable[[str], bytes]
) -> StoredTensor:
    try:
        meta, file = told["tensor_meta"], told["path_name"]
        shape, stride = (tuple(_count(n["as_int"]) for n in meta[key]) for key in ("sizes", "strides"))
        offset = _count(meta["storage_offset"]["as_int"])
        dtype = DTYPES.get(meta["dtype"], f"number {meta['dtype']}"[:20])
        plain = (
            told["use_pickle"] is False
            and meta["layout"] == STRIDED
            and isinstance(file, str)
            and len(shape) == len(stride)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{path}: its description of {cut(name)!r} is no tensor's.") from error
    stored = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder(order) if dtype in DTYPES.values() else None

    def numbers() -> np.ndarray[Any, Any]:
        assert stored is not None
        data = member(folder + file)
        count = len(data) // stored.itemsize
        needed = offset + 1 + sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) if prod(shape) else 0
        if needed > count or prod(shape) > count:
            raise CorruptFileError(f"{path}: {cut(name)!r} of shape {shape} does not fit its {count} numbers.")
        flat = np.frombuffer(data, stored, count)[offset:]
        return as_strided(flat, shape, tuple(s * stored.itemsize for s in stride), writeable=False)

    problem = "" if plain and stored is not None else "is not stored as plain numbers"
    return StoredTensor(dtype, shape, numbers, problem)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise ValueError("no count")
    return value
