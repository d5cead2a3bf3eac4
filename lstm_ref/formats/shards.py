"""Checkpoints in several files, with an index beside them that says which tensor is where.

Source: "Sharded checkpoints" in https://huggingface.co/docs/transformers/big_models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lstm_ref.errors import CorruptFileError, MissingFileError, UnreadableFileError, UnsafeFileError
from lstm_ref.formats import beside
from lstm_ref.formats.stored import Contents, StoredTensor, cut, parse_json

NAME = re.compile(r".*-(\d{4,6})-of-(\d{4,6})\.[a-z]+")
LARGEST = 64 << 20
"""Bytes of an index: some hundred thousand tensors."""


def is_index(path: Path) -> bool:
    """Whether a file may be an index: JSON that speaks of a weight_map, and not too large for one."""
    with path.open("rb") as file:
        begins = file.read(64).lstrip()[:1] == b"{"
    return begins and path.stat().st_size <= LARGEST and b'"weight_map"' in path.read_bytes()


def index_of(path: Path) -> Path | None:
    """The index beside a shard that the shard is in; None if there is none.

    Raises
    ------
    CorruptFileError
        If the file's name says that it is one of several, and no index says where the others are.
    """
    path = next((name for name in beside.names_of(path) if NAME.fullmatch(name.name)), path)
    for index in sorted(path.parent.glob("*.index.json")):
        named = index.is_file() and index.stat().st_size <= LARGEST and f'"{path.name}"'.encode() in index.read_bytes()
        if named and path.name in _weight_map(index).values():
            return index
    numbers = NAME.fullmatch(path.name)
    if numbers is not None and int(numbers[2]) > 1:
        raise CorruptFileError(
            f"{path} is by its name one of {int(numbers[2])} files of one checkpoint, and no index beside it, *.index.json, "
            "says what is in the others. Put them all into one folder with their index, and load that."
        )
    return None


def _weight_map(index: Path) -> dict[str, Any]:
    found = parse_json(index, "content", index.read_bytes()).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(file, str) for file in found.values()):
        raise CorruptFileError(f"{index} has no weight_map from tensors to files: it is no index of a checkpoint.")
    return found


def read(index: Path, read_one: Callable[[Path], Contents]) -> Contents:
    """All tensors of a checkpoint, by its index.

    Raises
    ------
    UnsafeFileError
        If a file lies in another folder, and not in the cache that the index is in.
    MissingFileError, UnreadableFileError, CorruptFileError
        If a file is missing or no regular one, or does not hold just what the index says.
    """
    weight_map = _weight_map(index)
    tensors: dict[str, StoredTensor] = {}
    formats = set()
    for file in dict.fromkeys(weight_map.values()):
        path = _shard(index, file)
        part = read_one(path)
        formats.add(part.format)
        expected = {name for name, where in weight_map.items() if where == file}
        if odd := sorted(expected ^ part.tensors.keys()):
            raise CorruptFileError(
                f"{path}: {index.name} and the file do not agree on what is in it, such as {cut(odd[0])!r}. They are of two "
                "checkpoints, or one is incomplete."
            )
        tensors |= part.tensors
    kinds = ", ".join(sorted(formats))
    return Contents(index, f"{kinds}, in {len(set(weight_map.values()))} files", "torch", tensors)


def _shard(index: Path, file: str) -> Path:
    """The file that an index calls `file`, if it is a regular one of the index's folder or of its cache."""
    if not file.isprintable() or Path(file).name != file or file == "..":
        raise UnsafeFileError(f"{index} leads to {cut(file)!r}, which is no file of its own folder.")
    path = index.parent / file
    found = beside.target(index.parent, file)
    if found is None:
        raise MissingFileError(f"{path} is a link that leads to itself. Put the file itself there.")
    if not beside.inside(index.parent, found):
        raise UnsafeFileError(
            f"{index} leads to {cut(file)!r}, which is no file of its own folder but a link to {cut(str(found), 300)}. "
            "Put the file itself there."
        )
    if not found.exists():
        where = f", a link to {cut(str(found), 300)}" if path.is_symlink() else ""
        raise MissingFileError(
            f"{path}{where} is missing, which {index.name} says holds a part of the checkpoint. Finish its download, or copy it there."
        )
    if not found.is_file():
        raise UnreadableFileError(f"{path} is no regular file. Copy what it gives into a file first.")
    return path
