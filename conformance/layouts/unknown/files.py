"""Named arrays out of files: NumPy's .npz, and everything that lstm_ref reads; and found weights into one."""

from __future__ import annotations

import lzma
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import numpy as np

from conformance.errors import LayoutError
from conformance.layouts.unknown.recording import RESULTS
from conformance.report.files import require_writable, write_bytes
from lstm_ref import LSTMParams
from lstm_ref.errors import UnknownFormatError
from lstm_ref.formats import contents
from lstm_ref.formats.stored import as_weights

LARGEST = 1 << 31
"""More bytes than these are not taken out of a compressed file."""

DAMAGE = (
    ValueError, OSError, EOFError, KeyError, RuntimeError, SyntaxError, MemoryError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip
"""What a damaged or hostile archive can raise in zipfile and NumPy."""


def read_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Every array of a file by its name.

    Parameters
    ----------
    path : str or path
        A NumPy .npz, or anything that `lstm_ref.load` reads: .safetensors, PyTorch's .pt, Keras's .keras and .h5.
        It is recognised by its content; nothing in it is executed.

    Returns
    -------
    dict of str to array
        bfloat16 becomes float32; what is no number is left out.

    Raises
    ------
    LayoutError, LSTMError
        If the file cannot be read.
    """
    path = Path(path)
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(8)
        if head.startswith(b"\x93NUMPY"):
            raise LayoutError(f"{path} is a single array. Put all of them into one file with np.savez.")
        if head.startswith(b"PK") and _is_npz(path):
            return _read_npz(path)
    try:
        tensors = contents(path).tensors
    except UnknownFormatError as error:
        raise LayoutError(f"{str(error).rstrip('.')}, or NumPy's .npz.") from error
    found = {}
    for name, tensor in tensors.items():
        if tensor.dtype == "bfloat16":
            found[name] = as_weights(tensor)
        elif tensor.dtype[:3] in ("flo", "int", "uin", "boo") and "float8" not in tensor.dtype:
            found[name] = tensor.read()
    return found


def _is_npz(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return False  # if it should be one, contents() says what is wrong with it
    return bool(names) and all(name.endswith(".npy") for name in names)


def _read_npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise LayoutError(f"{path} would take more than {LARGEST >> 30} GiB of memory. Keep one layer's arrays.")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            try:
                with archive.open(entry) as stream:
                    found[name] = _read_npy(stream, entry.file_size)
            except DAMAGE as error:
                raise LayoutError(f"{path}: its array {name!r} cannot be read: {error}.") from error
    return {name: array for name, array in found.items() if array.dtype.kind in "fiub"}


def _read_npy(stream: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """An array of .npy format; one that claims to be larger than its `size` in bytes is refused."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"it is of .npy version {version[0]}.{version[1]}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which would have to be unpickled; save plain arrays")
    content = stream.read(size)
    if len(content) != dtype.itemsize * int(np.prod(shape, dtype=object)):
        raise ValueError("its content does not have the length that its shape calls for")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")


def expression(path: Path) -> str:
    """Python that reads a file's arrays."""
    return f"np.load({str(path)!r})" if _is_npz(path) else f"conformance.read_arrays({str(path)!r})"


def known_and_weights(
    file: Path, known: Path | None, names: dict[str, str | None], patterns: Iterable[str]
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
    """The known run and the weights.

    Parameters
    ----------
    file : Path
    known : Path or None
        The file of the known run, if it is another one.
    names : dict
        x, output and so on to the array's name in the file; None where that is the same, if it is there at all.
    patterns : iterable of str
        Weights are arrays whose names fit one of these; all others, if there are none.

    Raises
    ------
    LayoutError, LSTMError
    """
    arrays = read_arrays(file)
    of_run = arrays if known is None else read_arrays(known)
    where, listed = known or file, _listed(of_run)
    for role, name in names.items():
        if name is not None and name not in of_run:
            raise LayoutError(f"{where} has no array {name!r} to take as {role}; it has {listed}.")
    run = {role: of_run[name or role] for role, name in names.items() if (name or role) in of_run}
    if "x" not in run:
        raise LayoutError(f"{where} has no array x, the known input; if it is one of {listed}, say which with --x.")
    if not any(role in run for role in RESULTS):
        raise LayoutError(
            f"{where} has none of output, h and c, the known results; if one is among {listed}, "
            "say which with --output, --h or --c."
        )
    weights = arrays
    if known is None:
        taken = {name or role for role, name in names.items()}
        weights = {name: array for name, array in arrays.items() if name not in taken}
    wanted = tuple(patterns)
    for pattern in wanted:
        if not any(_fits(name, pattern) for name in weights):
            raise LayoutError(f"no weights have a name like {pattern!r}; there are {_listed(weights)}.")
    if wanted:
        weights = {n: a for n, a in weights.items() if any(_fits(n, pattern) for pattern in wanted)}
    if not weights:
        raise LayoutError(f"{file} holds no weights beside the known run.")
    return run, weights


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _listed(arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    return ", ".join(list(arrays)[:20]) + (" and so on" if len(arrays) > 20 else "") or "nothing"


def require_new(path: Path) -> None:
    """Raise if weights could not be saved there, or would replace something.

    Raises
    ------
    LayoutError, ReportError
    """
    if path.exists():
        raise LayoutError(f"{path} exists already and is not overwritten. Give another name.")
    require_writable(path)


def save(path: Path, params: LSTMParams) -> None:
    """Write kernel, recurrent_kernel and bias to a new safetensors file, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    require_new(path)
    named = {"kernel": params.kernel, "recurrent_kernel": params.recurrent_kernel, "bias": params.bias}
    arrays = {name: np.ascontiguousarray(array) for name, array in named.items() if array is not None}
    write_bytes(path, to_bytes(arrays, {"gates": "i, f, c, o"}))
