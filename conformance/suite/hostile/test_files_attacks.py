"""Files that are made to take all time or memory: they are refused, or read, within stated bounds.

At most 64 MB and four times the file's size of memory, in the reading process and in its child each, and 5 s and one more for
each 10 MB; nothing but an `LSTMError` comes out.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.suite.measuring import measured, most_memory
from lstm_ref.formats import hdf5_process


@cache
def child_of(folder: Path) -> float:
    """What a child takes that reads a small sound file."""
    path = folder / "small.h5"
    with h5py.File(path, "w") as file:
        lstm(file.create_group("layers/lstm/cell/vars"))
    return measured(path).child


def lstm(group: h5py.Group, D: int = 2, H: int = 3, **options: object) -> None:
    for name, shape in (("0", (D, 4 * H)), ("1", (H, 4 * H)), ("2", (4 * H,))):
        group.create_dataset(name, data=np.zeros(shape, "f4"), **options)


def bomb(path: Path) -> None:
    """A megabyte that unpacks to one gigabyte."""
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/lstm/cell/vars")
        data = group.create_dataset(
            "0", (64, 4 << 20), "f4", chunks=(1, 4 << 20), compression="gzip", compression_opts=9
        )
        data[...] = 0.0
        group.create_dataset("1", (1 << 20, 4 << 20), "f4", chunks=(1, 4 << 20), compression="gzip")


def long_names(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        group = file
        for _ in range(200):
            group = group.create_group("n" * 10_000)


def links(path: Path) -> None:
    """Groups that hold each other, under a great many names."""
    with h5py.File(path, "w", libver="latest") as file:
        groups = [file.create_group(f"g{k}") for k in range(60)]
        for group in groups:
            for k, other in enumerate(groups):
                group[f"to{k}"] = other
        lstm(groups[0])


def slow_pattern(path: Path) -> None:
    """A name that a regular expression with two lazy parts takes 16 s for."""
    with h5py.File(path, "w") as file:
        lstm(file.create_group("/".join(["lstm_cell"] * 50) + "/x/vars"))
        for k in range(2000):
            file.create_group("a/" * 30 + "lstm" * 50 + f"{k}/vars").create_dataset("0", (1,), "f4")


def config_of(text: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        weights = io.BytesIO()
        with h5py.File(weights, "w") as file:
            lstm(file.create_group("layers/lstm/cell/vars"))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", text)
            archive.writestr("model.weights.h5", weights.getvalue())

    return make


HDF5: dict[str, Callable[[Path], None]] = {
    "bomb": bomb,
    "long-names": long_names,
    "links": links,
    "pattern": slow_pattern,
    "nested-config": config_of('{"config": ' + "[" * 200_000 + "]" * 200_000 + "}"),
    "digits": config_of('{"config": ' + "9" * 100_000 + "}"),
    "many-layers": config_of(
        json.dumps({"config": {"layers": [{"class_name": "LSTM", "config": {"name": "x"}}] * 50_000}})
    ),
    "deep-models": config_of('{"config": {"layers": [' * 300 + "]}}" * 300),
}


def of_pickle(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/data.pkl", b"\x80\x02" + content + b".")
            archive.writestr("m/data/0", bytes(64))

    return make


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x10tQ"


def tensor(shape: bytes) -> bytes:
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00" + shape + b"(K\x01t\x89}tR"


DOUBLED = b"(K\x01t" + b"2\x86" * 500
"""A tuple of itself twice, 500 times over: its text would be 2**500 characters long."""
LONG_KEYS = b"}" + b"".join(
    [text("k" * 1_000_000), b"}", *(text(f"{k}") + tensor(b"(K\x10t") + b"s" for k in range(5000)), b"s"]
)
NETWORKS = b"}" + b"".join(
    text(f"n{k}.{name}_l0") + tensor(shape) + b"s"
    for k in range(20_000)
    for name, shape in (("weight_ih", b"(K\x04K\x01t"), ("weight_hh", b"(K\x04K\x01t"))
)

TORCH: dict[str, Callable[[Path], None]] = {
    "doubled-shape": of_pickle(tensor(DOUBLED)),
    "doubled-value": of_pickle(b"}" + text("weight_ih_l0") + DOUBLED + b"s"),
    "doubled-key": of_pickle(b"}" + DOUBLED + b"K\x01s"),
    "lists": of_pickle(b"]" * 5_000_000),
    "deep": of_pickle(b"]" * 200_000 + b"a" * 199_999),
    "digits": of_pickle(b"I" + b"9" * 100_000 + b"\n"),
    "long-text": of_pickle(b"c" + b"m" * 5_000_000 + b"\nx\n)R"),
    "joined-keys": of_pickle(LONG_KEYS),
    "many-lstms": of_pickle(NETWORKS.replace(b"(K\x01t\x89", b"(K\x01K\x01t\x89")),
    "surrogates": of_pickle(b"}" + b"X\x03\x00\x00\x00\xed\xa0\x80" + tensor(b"(K\x10t") + b"s"),
}


@pytest.mark.parametrize("kind", TORCH)
def test_torch_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "attack"
    TORCH[kind](path)
    reading = measured(path)
    assert reading.within_bounds, reading


@pytest.mark.parametrize("kind", HDF5)
def test_keras_files(kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path / "attack"
    HDF5[kind](path)
    reading = measured(path)
    assert reading.within_bounds, reading
    assert reading.child - child_of(tmp_path_factory.getbasetemp()) < most_memory(reading.size), reading


def test_twenty_thousand_lstms_are_listed_and_a_name_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(20_000):
            lstm(file.create_group(f"layers/lstm_{k}/cell/vars"), 1, 1)
    reading = measured(path)
    assert reading.told == ["read", "LSTMNameError"]
    assert reading.within_bounds, reading


def test_more_groups_than_can_be_listed_in_time_are_refused_with_their_number(tmp_path: Path) -> None:
    listing: Any = hdf5_process.listing
    with h5py.File(tmp_path / "groups.h5", "w") as file:
        for k in range(500):
            file.create_group(f"{k}")
        with pytest.raises(hdf5_process.UnsafeError, match="so many groups and tensors, more than 200, "):
            listing(h5py, file, size=0, deadline=0.0)
        listing(h5py, file, size=0, deadline=1e9)


def test_a_child_that_may_not_have_as_much_as_it_asks_for_makes_do(tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        lstm(file.create_group("layers/lstm/cell/vars"))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))"
    assert measured(path, before=limit).told == ["read", "read"]


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        reading = measured(path)
        assert reading.told == ["UnreadableFileError", "UnreadableFileError"]
        assert reading.own < 64
        assert reading.seconds < 5
