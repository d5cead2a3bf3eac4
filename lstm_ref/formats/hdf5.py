"""Keras's files: .keras archives, .weights.h5, and the .h5 files of Keras 1 and 2.

Sources: keras/src/saving/saving_lib.py and keras/src/legacy/saving/legacy_h5_format.py.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lstm_ref.errors import CorruptFileError, MissingPackageError, UnsafeFileError
from lstm_ref.formats import hdf5_process
from lstm_ref.formats.archive import Archive
from lstm_ref.formats.stored import Contents, StoredTensor, cut, parse_json

SECONDS = 60
"""How long the child may take by the clock, plus one second for every 10 MB; it limits its own computing much sooner."""


def read_archive(archive: Archive) -> Contents:
    """Tensors of a .keras archive, with the model's configuration."""
    path = archive.path
    archive.check("Keras")
    config = archive.read("config.json")
    metadata = archive.read("metadata.json") if "metadata.json" in archive.entries else b"{}"
    weights = archive.read("model.weights.h5")
    contents = _contents(path, weights)
    version = parse_json(path, "metadata.json", metadata).get("keras_version")
    return replace(
        contents,
        format="Keras archive (.keras)",
        config=parse_json(path, "config.json", config),
        version=version if isinstance(version, str) else "",
    )


def read(path: Path) -> Contents:
    """Tensors of an HDF5 file that Keras wrote."""
    return _contents(path, None)


def _contents(path: Path, content: bytes | None) -> Contents:
    """What the HDF5 file at `path` holds, or the one in `content` if that is given."""
    listed, data = _ask(path, content)
    few = _arrays(listed["numbers"], data)
    config = {} if listed["config"] is None else parse_json(path, "model_config", listed["config"])

    @lru_cache(maxsize=1)  # the tensors of one layer are neighbours: one process reads them all
    def group_of(group: str) -> dict[str, np.ndarray[Any, Any]]:
        header, data = _ask(path, content, group)
        return _arrays(header["datasets"], data)

    def reader(name: str) -> Callable[[], np.ndarray[Any, Any]]:
        return lambda: few[name] if name in few else group_of(name.rpartition("/")[0])[name]

    tensors = {
        name: StoredTensor(dtype, tuple(shape), reader(name)) for name, (dtype, shape) in listed["datasets"].items()
    }
    if not listed["legacy"] and any("vars" in name.split("/") for name in tensors):
        return Contents(path, "Keras weights (.weights.h5)", "keras-paths", tensors, listed["layer_names"], config)
    return Contents(path, "Keras legacy HDF5", "keras-names", tensors, {}, config, listed["version"])


def _arrays(listed: dict[str, Any], data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The numbers in `data`, by the names, types and shapes that are listed for them."""
    arrays, position = {}, 0
    for name, (dtype, shape) in listed.items():
        arrays[name] = np.frombuffer(data, dtype, prod(shape), position).reshape(shape)
        position += arrays[name].nbytes
    return arrays


def _ask(path: Path, content: bytes | None, *group: str) -> tuple[dict[str, Any], bytes]:
    """What `hdf5_process` answers: the line of JSON and the bytes after it."""
    if importlib.util.find_spec("h5py") is None:
        raise MissingPackageError(f"{path} holds HDF5; reading it needs h5py: pip install 'lstm-conformance[h5]'")
    file = "-" if content is not None else str(path.resolve())
    size = len(content) if content is not None else path.stat().st_size
    try:
        process = subprocess.run(
            [sys.executable, "-P", hdf5_process.__file__, file, *group],
            input=content if content is not None else b"",
            capture_output=True,
            timeout=SECONDS + size / 1e7,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise CorruptFileError(f"{path}: the HDF5 library was still reading it after {error.timeout:.0f} s.") from error
    if process.returncode == -getattr(signal, "SIGXCPU", 0):
        raise CorruptFileError(
            f"{path}: the HDF5 library took more than {5 + size / 1e7:.0f} s of computing to read it."
        )
    line, _, data = process.stdout.partition(b"\n")
    if process.returncode or not line:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise CorruptFileError(
            f"{path}: the HDF5 library crashed on it (status {process.returncode}{': ' + cut(lines[-1], 300) if lines else ''}). "
            "The copy is damaged."
        )
    header: dict[str, Any] = parse_json(path, "list of HDF5 contents", line)
    if "unsafe" in header:
        raise UnsafeFileError(f"{path}: {cut(header['unsafe'], 300)}.")
    if "corrupt" in header:
        raise CorruptFileError(f"{path}: its HDF5 part is damaged: {cut(header['corrupt'], 300)}.")
    return header, data
