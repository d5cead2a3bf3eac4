"""Zip archives whose table and entries do not agree, that are damaged, or that hold very many entries; and older exports."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstm_ref
from conformance.suite.exports import exported
from conformance.suite.measuring import measured
from conformance.suite.test_files_torch import EXPORTS, Model, agrees, module, x
from lstm_ref.errors import CorruptFileError, UnsafeFileError

# What torch says of its own old and slow ways.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The tensor attribute.* assigned during export:UserWarning"),
    pytest.mark.filterwarnings("ignore:This version of file is deprecated:UserWarning"),
]

TABLE = b"PK\x01\x02"
NAMES = {"m.pt": "m/data/0", "m.keras": "model.weights.h5", "m.pt2": "m/data/weights/weight_1"}


@pytest.fixture(params=NAMES)
def sound(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A real file of each kind of archive, and an entry of it that has weights."""
    path = tmp_path / str(request.param)
    if path.suffix == ".pt":
        torch.save(module(num_layers=1).state_dict(), path)
    elif path.suffix == ".keras":
        path.write_bytes(exported("model.keras")[0].read_bytes())
    else:
        EXPORTS["exported"](Model().eval(), path)
    return path, NAMES[path.name]


def place_of(path: Path, name: str) -> tuple[int, int, int]:
    """Where an entry's own header is, where its bytes are, and where it is in the table."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(name).header_offset
    content = path.read_bytes()
    lengths = struct.unpack_from("<2H", content, start + 26)
    table = content.index(TABLE)
    while content[table + 46 :][: len(name)] != name.encode():
        table = content.index(TABLE, table + 4)
    return start, start + 30 + sum(lengths), table


def changed(path: Path, place: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.write_bytes(content)


def refused(path: Path) -> str:
    with pytest.raises(CorruptFileError) as caught:
        _ = [lstm_ref.load(path, info.name) for info in lstm_ref.inspect(path)]
    told = str(caught.value)
    assert str(path) in told
    assert "again" in told or "incomplete" in told
    return told


def test_a_damaged_float_does_not_load(sound: tuple[Path, str]) -> None:
    """PyTorch itself loads it: its reader of zip archives looks at no checksum."""
    path, name = sound
    _, data, _ = place_of(path, name)
    at = data + 1 if path.suffix != ".keras" else data + zipfile.ZipFile(path).getinfo(name).file_size - 40
    changed(path, at, bytes([path.read_bytes()[at] ^ 1]))
    if path.suffix == ".pt":
        torch.load(path)
    assert "do not have the checksum" in refused(path)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"PK\x03\x05", "there is no entry at its place"),
        (30, b"X", "calls itself 'X"),
        (8, b"\x08\x00", "differ in how it is stored"),
        (14, b"\x01\x02\x03\x04", "says checksum"),
        (18, b"\x07\x00\x00\x00", "says packed size 7"),
        (22, b"\x07\x00\x00\x00", "says size 7"),
    ],
)
def test_an_entrys_own_header_has_to_agree(offset: int, value: bytes, reason: str, sound: tuple[Path, str]) -> None:
    path, name = sound
    start, _, _ = place_of(path, name)
    changed(path, start + offset, value)
    assert reason in refused(path)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(16, b"\x01\x02\x03\x04"), (24, b"\x07\x00\x00\x00"), (42, b"\x01\x00\x00\x00"), (42, b"\xfe\xff\xff\xff")],
)
def test_the_table_has_to_agree(offset: int, value: bytes, sound: tuple[Path, str]) -> None:
    path, name = sound
    _, _, table = place_of(path, name)
    changed(path, table + offset, value)
    refused(path)


@pytest.mark.parametrize("by", [-7, 100_000, 1 << 30])
def test_a_table_that_leads_out_of_the_file_is_refused(by: int, sound: tuple[Path, str]) -> None:
    """Its own place moved, which moves all that it leads to, also in front of the file."""
    path, _ = sound
    content = path.read_bytes()
    wide = content.rfind(b"PK\x06\x06")  # PyTorch tells it in 64 bits as well
    end, form = (wide + 48, "<Q") if wide >= 0 else (content.rindex(b"PK\x05\x06") + 16, "<I")
    (place,) = struct.unpack_from(form, content, end)
    changed(path, end, struct.pack(form, place + by))
    refused(path)


def test_two_entries_exchanged_in_the_table_are_refused(tmp_path: Path) -> None:
    """Of the same size: torch.load gives each the other's numbers, without a word."""
    path = tmp_path / "m.pt"
    torch.save(torch.nn.LSTM(4, 4).state_dict(), path)
    first, second = place_of(path, "m/data/0")[2], place_of(path, "m/data/1")[2]
    content = path.read_bytes()
    changed(path, first + 42, content[second + 42 : second + 46])
    changed(path, second + 42, content[first + 42 : first + 46])
    assert torch.load(path)["weight_ih_l0"].shape == (16, 4)
    assert "calls itself 'm/data/1'" in refused(path)


def with_entry(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """An archive of torch.save with another content of some entries, whose checksums are right."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, change(content) if entry.startswith(name) else content)
    return path


def swapped(content: bytes) -> bytes:
    return np.frombuffer(content, "<f4").astype(">f4").tobytes()


def test_numbers_of_the_other_byte_order_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    lstm, path = module(num_layers=1), tmp_path / "m.pt"
    torch.save(lstm.state_dict(), path)
    with_entry(with_entry(path, "m/data/", swapped), "m/byteorder", lambda _: b"big")
    lstm.load_state_dict(torch.load(path))
    agrees(lstm_ref.load(path), lstm)


def test_numbers_of_the_other_byte_order_in_an_export(tmp_path: Path) -> None:
    """torch.export.load does not look at what the archive says of them."""
    model, path = Model().eval(), tmp_path / "m.pt2"
    EXPORTS["exported"](model, path)
    with_entry(with_entry(path, "m/data/weights/weight_", swapped), "m/byteorder", lambda _: b"big")
    agrees(lstm_ref.load(path, "encoder.0"), model.encoder[0])


@pytest.mark.parametrize("suffix", ["m.pt", "m.pt2"])
@pytest.mark.parametrize("content", [b"", b"li", b"bag", b"big ", b"\xff" * 9])
def test_a_byte_order_that_is_none_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / suffix
    if suffix == "m.pt":
        torch.save(module(num_layers=1).state_dict(), path)
    else:
        EXPORTS["exported"](Model().eval(), path)
    with_entry(path, "m/byteorder", lambda _: content)
    if suffix == "m.pt":
        with pytest.raises((ValueError, UnicodeDecodeError)):
            torch.load(path)
    assert "byteorder" in refused(path)


@pytest.mark.parametrize("change", [lambda data: data[:8] + bytes(4) + data[8:], lambda data: data + b"\0"])
def test_a_storage_of_another_size_than_its_tensor_says_is_refused(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """The numbers behind what was put in lie elsewhere than they did."""
    path = tmp_path / "m.pt"
    torch.save(module(num_layers=1).state_dict(), path)
    with_entry(path, "m/data/0", change)
    with pytest.raises(RuntimeError, match="record size"):
        torch.load(path)
    assert "bytes, expected" in refused(path)


def test_files_that_were_saved_without_checksums_load(tmp_path: Path) -> None:
    lstm, path = module(num_layers=2), tmp_path / "m.pt"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(lstm.state_dict(), path)
    finally:
        torch.serialization.set_crc32_options(True)
    agrees(lstm_ref.load(path), lstm)


def test_an_encrypted_entry_is_refused(sound: tuple[Path, str]) -> None:
    path, name = sound
    _, _, table = place_of(path, name)
    flags = path.read_bytes()[table + 8]
    changed(path, table + 8, bytes([flags | 1]))
    with pytest.raises(UnsafeFileError, match="compressed or larger"):
        _ = [lstm_ref.load(path, info.name) for info in lstm_ref.inspect(path)]


def older(path: Path, program: Any, suffix: str, **changes: bytes) -> Path:
    """As torch.export.save of PyTorch 2.1 to 2.7 wrote it, with what its serializer gives; torch.export.load still reads it."""
    from torch._export.serde.serialize import serialize

    artifact = serialize(program)
    parts = {
        "state_dict": artifact.state_dict, "constants": artifact.constants, "example_inputs": artifact.example_inputs,
    } | changes  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", artifact.exported_program)
        for name, content in parts.items():
            archive.writestr(f"serialized_{name}.{suffix}", content)
        archive.writestr("version", "8.8")
    return path


@pytest.mark.parametrize("suffix", ["pt", "json"])
def test_exports_of_older_versions_are_read(suffix: str, tmp_path: Path) -> None:
    model = Model().eval()
    path = older(tmp_path / "m.pt2", torch.export.export(model, (torch.from_numpy(x()),)), suffix)
    assert sorted(info.name for info in lstm_ref.inspect(path)) == ["decoder", "encoder.0"]
    agrees(lstm_ref.load(path, "encoder.0"), model.encoder[0])
    np.testing.assert_array_equal(
        lstm_ref.load(path, "decoder").params.kernel.T, model.decoder.weight_ih.detach().numpy()
    )


@pytest.mark.parametrize("part", ["state_dict", "constants"])
@pytest.mark.parametrize("content", [b"PK\x03\x04", b"nothing", b"PK\x05\x06" + bytes(18)])
def test_exports_of_older_versions_that_are_damaged_are_refused(part: str, content: bytes, tmp_path: Path) -> None:
    program = torch.export.export(Model().eval(), (torch.from_numpy(x()),))
    with pytest.raises(CorruptFileError, match=r"m\.pt2"):
        lstm_ref.load(older(tmp_path / "m.pt2", program, "pt", **{part: content}))


def test_a_table_of_very_many_entries_is_read_once(tmp_path: Path) -> None:
    """A hundred thousand entries, and an LSTM of 400 parts to load: to read the table for each of them would take minutes."""
    buffer = io.BytesIO()
    lstm = torch.nn.LSTM(1, 1, num_layers=100)
    torch.save(lstm.state_dict(), buffer)
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
        for k in range(100_000):
            new.writestr(f"archive/more/{k}", b"")
    reading = measured(path)
    assert reading.told == ["read", "read"]
    assert reading.within_bounds, reading
