"""Zip archives as PyTorch and Keras write them: entries that are not compressed, each checked against what the archive says of it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from lstm_ref.errors import CorruptFileError, UnreadableFileError, UnsafeFileError
from lstm_ref.formats.stored import cut

LOCAL = struct.Struct("<4s5H3I2H")
"""An entry's own header: mark, version, flags, method, time, date, checksum, sizes packed and unpacked, lengths of name and extra."""
ENCRYPTED, DESCRIBED_BEHIND, UTF8 = 0x1, 0x8, 0x800
ELSEWHERE = 0xFFFFFFFF
"""What stands in a header for a size that is told in 64 bits."""


class Archive:
    """A zip archive, whose table is read once.

    Parameters
    ----------
    path : Path
        The file, for errors too.
    content : bytes, optional
        The archive, if it is a part of the file at `path`.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path, self.content = path, content
        self.size = path.stat().st_size if content is None else len(content)
        try:
            with self._open() as stream, zipfile.ZipFile(stream) as archive:
                listed = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise CorruptFileError(
                f"{path} begins like a zip archive, and is none: {cut(str(error), 200)}. The copy is incomplete."
            ) from error
        self.entries = {entry.filename: entry for entry in listed}
        self.doubled = len(self.entries) < len(listed)
        self.unchecked = not any(entry.CRC for entry in listed)
        """Whether there are no checksums: torch.serialization.set_crc32_options(False) leaves them out."""

    def _open(self) -> IO[bytes]:
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def check(self, writer: str, names: Iterable[str] | None = None) -> None:
        """Refuse an archive that `writer` did not write as it stands; of `names` alone it is asked whether they are compressed.

        Raises
        ------
        UnsafeFileError
            If two entries have the same name, or one is compressed, encrypted or larger than the archive.
        """
        if self.doubled:
            raise UnsafeFileError(
                f"{self.path}: this archive has two entries of one name, which {writer} never writes."
            )
        for name in self.entries if names is None else names:
            entry = self.entries[name]
            plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & ENCRYPTED
            if not plain or entry.file_size > self.size:
                raise UnsafeFileError(
                    f"{self.path}: entry {cut(name)!r} is compressed or larger than the file, which {writer} never "
                    f"writes. Re-save it with {writer}."
                )

    def read(self, name: str) -> bytes:
        """What an entry holds.

        Raises
        ------
        CorruptFileError
            If there is none of that name, or if what lies there is another one, of another size, or damaged.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise CorruptFileError(f"{self.path}: it has no entry {cut(name)}; the copy is incomplete.")
        if not 0 <= entry.header_offset <= self.size or entry.file_size > self.size:
            raise CorruptFileError(
                f"{self.path}: entry {cut(name)} is damaged: it would lie outside of the file. The copy is incomplete."
            )
        try:
            with self._open() as stream:
                stream.seek(entry.header_offset)
                header = stream.read(LOCAL.size)
                problem, skipped = _header(header, entry)
                own_name = stream.read(skipped[0])
                stream.seek(skipped[1], io.SEEK_CUR)
                data = b"" if problem else stream.read(entry.file_size)
        except OSError as error:
            raise UnreadableFileError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        shown = own_name.decode("utf-8" if entry.flag_bits & UTF8 else "cp437", "replace")
        if not problem and shown != entry.orig_filename:
            problem = f"the archive's table leads to an entry that calls itself {cut(shown)!r}"
        if not problem and len(data) < entry.file_size:
            problem = f"it ends after {len(data):,} of {entry.file_size:,} bytes"
        if not problem and zlib.crc32(data) != entry.CRC and not self.unchecked:
            problem = "its bytes do not have the checksum (CRC-32) that they were saved with"
        if problem:
            raise CorruptFileError(
                f"{self.path}: entry {cut(name)} is damaged: {problem}. Copy or download the file again, or save it again."
            )
        return data


def _header(header: bytes, entry: zipfile.ZipInfo) -> tuple[str, tuple[int, int]]:
    """What of an entry's own header is not as the archive's table says; and the lengths of what follows it."""
    if len(header) < LOCAL.size or header[:4] != b"PK\x03\x04":
        return "there is no entry at its place", (0, 0)
    _, _, flags, method, _, _, checksum, packed, size, name, extra = LOCAL.unpack(header)
    told = {
        "checksum": (checksum, entry.CRC),
        "size": (size, entry.file_size),
        "packed size": (packed, entry.file_size),
    }
    for what, (here, there) in told.items():
        unsaid = (0, ELSEWHERE) if flags & DESCRIBED_BEHIND else (ELSEWHERE,) if what != "checksum" else ()
        if here != there and here not in unsaid:
            return f"its own header says {what} {here:,}, the archive's table says {there:,}", (name, extra)
    if method != entry.compress_type or flags & ENCRYPTED or entry.compress_size != entry.file_size:
        return "its own header and the archive's table differ in how it is stored", (name, extra)
    return "", (name, extra)
