"""A damaged, foreign or hostile file gives one clear error or a correct load: no crash, no hang, no execution."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import lstm_ref
from conformance.cases.draw import Draw
from conformance.suite.exports import exported
from lstm_ref.errors import (
    CorruptFileError,
    LSTMError,
    MissingFileError,
    NoLSTMError,
    UnknownFormatError,
    UnreadableFileError,
    UnsafeFileError,
)
from lstm_ref.formats.pickle_names import is_data_type, is_key

FORMATS = ("zip.pt", "legacy.pth", "model.safetensors", "model.keras", "model.weights.h5", "legacy.h5", "keras2.hdf5")
LONGEST = 20.0  # seconds that reading a file of a few kilobytes may take on a busy machine

pytestmark = pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning")


def attempt(path: Path) -> LSTMError | None:
    """Inspect and load everything in a file; the error if there is one, and never another kind of error."""
    started = time.monotonic()
    try:
        for info in lstm_ref.inspect(path):
            for part in info.parts:
                lstm_ref.load(path, part.name)
    except LSTMError as caught:
        error = caught
    else:
        return None
    assert str(path) in str(error), "the message does not name the file"
    assert len(str(error)) < 1000
    assert time.monotonic() - started < LONGEST
    return error


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_copy_is_refused(name: str, tmp_path: Path) -> None:
    content = exported(name)[0].read_bytes()
    lengths = {len(content) - 1, len(content) // 2, 700, 9, *Draw(name).integers(len(content), 5).tolist()}
    for length in sorted(lengths - {0}):
        path = tmp_path / f"{length}"
        path.write_bytes(content[:length])
        assert isinstance(attempt(path), CorruptFileError | UnknownFormatError), length


@pytest.mark.parametrize("name", FORMATS)
def test_ten_random_bytes_changed(name: str, tmp_path: Path) -> None:
    content = exported(name)[0].read_bytes()
    draw = Draw(f"ten bytes of {name}")
    refused = 0
    rounds = 12 if name.endswith(("h5", "hdf5")) else 100
    for number in range(rounds):
        damaged = bytearray(content)
        reach = len(content) if number % 2 else min(len(content), 2000)  # headers are where damage does most
        for place, byte in zip(draw.integers(reach, 10), draw.integers(256, 10), strict=True):
            damaged[place] = byte
        path = tmp_path / f"{number}"
        path.write_bytes(damaged)
        refused += attempt(path) is not None
    assert refused, "the damage was never noticed"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"epoch,loss\n1,0.5\n" * 100, "is text"),
        (b"{}", "is text"),
        (bytes(range(200, 256)) * 20, "begins with the bytes c8 c9"),
        (b"\x08\x08\x12\x07pytorch" + bytes(100), "begins like an ONNX model, and is damaged"),
        (pickle.dumps({"weight_ih_l0": [1.0]}), "is a Python pickle"),
    ],
    ids=["empty", "csv", "braces", "noise", "onnx", "pickle"],
)
def test_a_foreign_file_is_told_what_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError, match=message) as caught:
        lstm_ref.load(path)
    assert "PyTorch .pt/.pth and .pt2, .safetensors, Keras .keras" in str(caught.value)


def test_a_numpy_archive_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, kernel=np.ones((2, 4)))
    with pytest.raises(UnknownFormatError, match=r"NumPy \.npz; pass its arrays to lstm_ref\.LSTMParams"):
        lstm_ref.load(path)


def test_missing_directory_and_forbidden(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no file"):
        lstm_ref.load(tmp_path / "nothing.pt")
    with pytest.raises(MissingFileError, match="null character"):
        lstm_ref.load("\0")
    with pytest.raises(UnknownFormatError, match="is a directory"):
        lstm_ref.load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UnknownFormatError, match=r"SavedModel: load it in Keras and save it as \.keras"):
        lstm_ref.inspect(tmp_path)
    if os.geteuid():  # root may read everything
        path = tmp_path / "forbidden.pt"
        path.touch(mode=0)
        with pytest.raises(UnreadableFileError, match="cannot be read"):
            lstm_ref.load(path)


class Hostile:
    """Pickles as a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_that_would_run_a_command_runs_nothing(legacy: bool, protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    path = tmp_path / "hostile.pt"
    content = {"lstm.weight_ih_l0": torch.ones(4, 1), "extra": Hostile(f"touch {trace}")}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    with pytest.raises(UnsafeFileError, match=r"refers to 'posix\.system'.*nothing was executed"):
        lstm_ref.load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the file is not harmless
    assert trace.exists()


def test_a_pickled_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.LSTM(2, 3), path)
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.rnn\.LSTM.*save model\.state_dict\(\)"):
        lstm_ref.load(path)


def rewritten(source: Path, target: Path, **entries: bytes) -> Path:
    """A copy of a zip archive with some entries replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, entries.get(entry.rpartition("/")[2].replace(".", "_"), old.read(entry)))
    return target


def pickled(function: str, *arguments: bytes) -> bytes:
    """A pickle that calls a global, with arguments given as opcodes."""
    return b"\x80\x02c" + function.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR."


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x08tQ"


@pytest.mark.parametrize(
    ("name", "shape", "stride"),
    [
        ("larger than its storage", b"K\x04K\x04\x86", b"K\x04K\x01\x86"),
        ("huge by a stride of 0", b"K\x04J\xff\xff\xff\x7f\x86", b"K\x00K\x00\x86"),
        ("of negative stride", b"K\x04K\x01\x86", b"J\xff\xff\xff\xffK\x01\x86"),
        ("of uneven rank", b"K\x04K\x01\x86", b"K\x01\x85"),
        ("of no numbers at all", b"K\x04X\x01\x00\x00\x00a\x86", b"K\x01K\x01\x86"),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(
    name: str, shape: bytes, stride: bytes, tmp_path: Path
) -> None:
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00" + shape + stride + b"\x89}tR"
    good = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x04K\x01\x86K\x01K\x01\x86\x89}tR"
    data = b"\x80\x02}(X\x0c\x00\x00\x00weight_ih_l0" + tensor + b"X\x0c\x00\x00\x00weight_hh_l0" + good + b"u."
    path = tmp_path / "bad.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad/data.pkl", data)
        archive.writestr("bad/data/0", struct.pack("<8f", *range(8)))
    assert isinstance(attempt(path), CorruptFileError), name


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02" + b"]" * 200_000 + b".",
        b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b".",
        b"\x80\x02" + b"]q\x00h\x00a" + b".",
        b"\x80\x02}q\x00" + b"".join(b"(h%ch%ctq%c" % (n, n, n + 1) for n in range(60)) + b".",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x02]" + b"\x85" * 1_000_000 + b".",
        b"\x80\x02c",
        b"",
        b"not a pickle at all",
    ],
    ids=["lists", "nested", "itself", "doubling", "memo", "huge bytes", "tuples", "cut", "empty", "text"],
)
def test_a_pickle_made_to_exhaust_the_reader(data: bytes, tmp_path: Path) -> None:
    path = rewritten(exported("zip.pt")[0], tmp_path / "bomb.pt", data_pkl=data)
    error = attempt(path)
    assert error is None or isinstance(error, CorruptFileError | UnsafeFileError)
    if error is None:
        with pytest.raises(NoLSTMError):
            lstm_ref.load(path)


@pytest.mark.parametrize("name", ["zip.pt", "model.keras"])
def test_a_compressed_archive_is_refused_before_it_is_unpacked(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(exported(name)[0]) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
        new.writestr("bomb", bytes(50_000_000))
    with pytest.raises(UnsafeFileError, match="compressed or larger than the file"):
        lstm_ref.load(path)


def test_a_checkpoint_whose_storage_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    with zipfile.ZipFile(exported("zip.pt")[0]) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.namelist():
            if not entry.endswith("data/0"):
                new.writestr(entry, old.read(entry))
    with pytest.raises(CorruptFileError, match=r"has no entry .*data/0"):
        lstm_ref.load(path)


def test_hdf5_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(8 * 4 * 4))
    path = tmp_path / "external.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("lstm/lstm")
        group.create_dataset("kernel", (8, 4), "f4", external=[(str(secret), 0, 128)])
        group.create_dataset("recurrent_kernel", data=np.ones((1, 4), "f4"))
    with pytest.raises(UnsafeFileError, match="lie in another file"):
        lstm_ref.load(path)
    with h5py.File(path, "w") as file:
        file["lstm"] = h5py.ExternalLink(str(secret), "/")
    with pytest.raises(UnsafeFileError, match="link to elsewhere"):
        lstm_ref.load(path)


def test_hdf5_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hollow.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("lstm/lstm")
        group.create_dataset("kernel", (100_000_000, 4), "f4", chunks=(1000, 4))
        group.create_dataset("recurrent_kernel", data=np.ones((1, 4), "f4"))
    with pytest.raises(CorruptFileError, match="claims 1600000000 bytes and holds 0"):
        lstm_ref.load(path)


def test_safetensors_whose_offsets_leave_the_file(tmp_path: Path) -> None:
    header = json.dumps({"weight_ih_l0": {"dtype": "F32", "shape": [4, 1], "data_offsets": [0, 16]}}).encode()
    path = tmp_path / "short.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CorruptFileError, match="not a sound safetensors file"):
        lstm_ref.load(path)


@pytest.mark.parametrize("name", FORMATS)
def test_reading_leaves_the_file_as_it_was(name: str) -> None:
    path, _ = exported(name)
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o444)
    lstm_ref.load(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_reading_from_memory_of_a_zip_needs_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "only.keras"
    copy.write_bytes(io.BytesIO(exported("model.keras")[0].read_bytes()).getvalue())
    monkeypatch.chdir(tmp_path)
    lstm_ref.load(copy)
    assert [entry.name for entry in tmp_path.iterdir()] == ["only.keras"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("torch.float16", True),
        ("torch.FloatStorage", True),
        ("torch.storage.UntypedStorage", True),
        ("torch.load", False),
        ("torch.hub.load", False),
        ("torch.storage.load", False),
        ("os.floating", False),
        ("torch.utils.int32", False),
    ],
)
def test_only_storages_and_dtypes_of_pytorch_are_data_types(name: str, data: bool) -> None:
    assert is_data_type(name) is data


@pytest.mark.parametrize(
    ("key", "sound"), [(None, True), ("a", True), (2**64 - 1, True), (2**64, False), (-(2**64), False), ([], False)]
)
def test_keys_of_a_dict_are_small(key: object, sound: bool) -> None:
    assert is_key(key) is sound
