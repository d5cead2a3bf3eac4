"""Weights that frameworks exported: what LSTMs a file holds, and one of them as a network.

A file is recognised by its content, never by its suffix. No framework is imported, nothing in the
file is executed, and the file is only ever read.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lstm_ref.errors import (
    AssumedWarning,
    LSTMError,
    LSTMNameError,
    MissingFileError,
    NoLSTMError,
    UnknownFormatError,
    UnreadableFileError,
    UnsupportedError,
    UsageError,
)
from lstm_ref.formats import onnx_wire, shards, torch_export, torch_files
from lstm_ref.formats.archive import Archive
from lstm_ref.formats.found import Found, LSTMInfo, PartInfo, find_lstms, stacked
from lstm_ref.layer import Layer
from lstm_ref.options import Options

if TYPE_CHECKING:
    from lstm_ref.formats.stored import Contents
    from lstm_ref.network import Network

__all__ = ["LSTMInfo", "PartInfo", "inspect", "load"]

SUPPORTED = "PyTorch .pt/.pth and .pt2, .safetensors, Keras .keras, .weights.h5 and legacy .h5, and .onnx"
LEGACY_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
WRAPPERS = re.compile(r"(?:(?<=\.)|^)(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What PyTorch's wrappers put into the names of what they wrap; a name may be given without."""
HDF5 = b"\x89HDF\r\n\x1a\n"


def inspect(path: str | os.PathLike[str]) -> list[LSTMInfo]:
    """The LSTMs that a file of weights holds, whether or not they can be loaded.

    Parameters
    ----------
    path : str or path
        A file of any supported format: PyTorch's .pt/.pth in both its forms, .safetensors, .keras,
        .weights.h5, Keras's legacy .h5/.hdf5, or .onnx.

    Returns
    -------
    list of LSTMInfo
        In the file's order; empty if it holds none.

    Raises
    ------
    LSTMError
        One of `lstm_ref.errors`, with the reason, if the file cannot be read.
    """
    return [found.info for found in _find(Path(path))]


def load(
    path: str | os.PathLike[str],
    name: str | Sequence[str] | None = None,
    *,
    options: Options | None = None,
    merge: str | None = "concat",
) -> Network:
    """The network whose weights a file holds.

    Parameters
    ----------
    path : str or path
        As for `inspect`.
    name : str or sequence of str, optional
        Which LSTM, if the file holds several: its name or its part's name as `inspect` lists them, or
        the last words of one, such as "decoder.lstm" for "model_state.decoder.lstm". A part is one layer
        in one direction, and becomes a network that runs forward in time. Several names of LSTMs, of which each takes
        the output of the one before, become one network of all their layers.
    options : Options, optional
        For Keras's files that do not tell it: how the LSTM computes, such as ``Options(activation="relu", go_backwards=True)``.
        When it is not given, the defaults of the Keras that wrote it are taken for a file of weights alone, with an
        `lstm_ref.errors.AssumedWarning`; a file whose configuration leaves the LSTM out is refused.
    merge : str or None
        Beside `options`: how its two directions become one; see `lstm_ref.Layer`.

    Returns
    -------
    Network
        All layers and directions of the LSTM, with the options that the file says it has. float16 and bfloat16 weights
        become float32.

    Raises
    ------
    LSTMError
        One of `lstm_ref.errors`, with the reason. Nothing that belongs to the LSTM is left out: what cannot be read or
        computed is an error.
    """
    from lstm_ref.network import Network

    path = Path(path)
    found = _find(path)
    if not found:
        raise NoLSTMError(f"{path} holds no LSTM that is stored as PyTorch, Keras or ONNX store one.")
    if name is None and len(found) > 1:
        listing = _listed([lstm.info.name for lstm in found])
        raise LSTMNameError(f"{path} holds {len(found)} LSTMs: {listing}. Say which one with name=.")
    if name is None or isinstance(name, str):
        lstm, part = (found[0], None) if name is None else _pick(path, found, name)
        if part is None:
            _check(path, lstm.info)
            _known(path, [lstm], options)
            return Network(lstm.layers(options, merge))
        _known(path, [lstm], options)
        if part.unsupported:
            raise UnsupportedError(f"{path}: {part.name!r} cannot be loaded: {part.unsupported}.")
        return Network(Layer(lstm.part(part.name), options=replace(options or part.options, go_backwards=False)))
    if options is not None:
        raise UsageError("options can be given for one LSTM alone; load each, and make one Network of their layers.")
    return Network(_several(path, found, name))


def _known(path: Path, chosen: list[Found], options: Options | None) -> None:
    """Say what is taken for granted; refuse options that the file itself tells, and an LSTM that its configuration leaves out."""
    assumed = [lstm.info.name for lstm in chosen if lstm.info.assumed]
    undescribed = [lstm.info.name for lstm in chosen if lstm.info.undescribed]
    if options is not None and not assumed and not undescribed:
        raise UsageError(f"{path} tells itself how its LSTM computes: options are for files that do not.")
    if options is None and undescribed:
        raise UnsupportedError(
            f"{path} has a configuration, and it does not describe {_listed(undescribed)}, as inside of a model or a layer of "
            "one's own class, which alone knows how it computes. Give options=lstm_ref.Options(...) to say what it is, with "
            "nothing in it for today's defaults, tanh and sigmoid; or save the layer by itself, in a keras.Sequential."
        )
    if options is None and assumed:
        parts = [part for lstm in chosen if lstm.info.assumed for part in lstm.info.parts]
        gates = " or ".join(dict.fromkeys(part.options.recurrent_activation for part in parts))
        warnings.warn(
            f"{path} holds the weights of {_listed(assumed)} alone, and does not tell how it computes: the defaults of the "
            f"Keras that wrote it are taken (tanh, {gates}, forward in time, all outputs, directions concatenated). Give "
            "options=lstm_ref.Options(...) to say what it is, with nothing in it for today's defaults, tanh and sigmoid.",
            AssumedWarning,
            stacklevel=3,
        )


def _check(path: Path, info: LSTMInfo) -> None:
    if info.unsupported:
        able = [part.name for part in info.parts if not part.unsupported]
        parts = f" It has the parts {_listed(able)}." if able and len(info.parts) > 1 else ""
        raise UnsupportedError(f"{path}: {info.name!r} cannot be loaded: {info.unsupported}.{parts}")


def _several(path: Path, found: list[Found], names: Sequence[str]) -> list[Layer]:
    """The layers of the LSTMs called `names`, each of which takes the output of the one before."""
    chosen = []
    for name in names:
        lstm, part = _pick(path, found, name)
        if part is not None:
            raise LSTMNameError(f"{path}: {name!r} is a part; of several names, each has to be a whole LSTM's.")
        _check(path, lstm.info)
        chosen.append(lstm)
    _known(path, chosen, None)
    if not chosen:
        raise LSTMNameError(f"{path}: no name is given, expected those of one LSTM or of several.")
    layers, problem = stacked(chosen)
    if problem:
        raise LSTMNameError(f"{path}: {_listed([*names])} are not one network: {problem}.")
    return layers


def _listed(names: Sequence[str], most: int = 20) -> str:
    """Names for a message, the first of them if there are many."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more (lstm_ref.inspect lists them)"


def _pick(path: Path, found: list[Found], name: str) -> tuple[Found, PartInfo | None]:
    """The LSTM that `name` means, and the part if it means one."""
    choices: list[tuple[set[str], Found, PartInfo | None]] = []
    for lstm in found:
        choices.append(({lstm.info.name, lstm.info.path} if lstm.info.path else {lstm.info.name}, lstm, None))
        choices.extend(({part.name}, lstm, part) for part in lstm.info.parts)
    wanted = _unwrapped(name)
    tries: list[Callable[[str], bool]] = [
        lambda known: known == name,
        lambda known: known.endswith((f".{name}", f"/{name}")),
        lambda known: f".{_unwrapped(known)}".endswith(f".{wanted}"),
    ]
    for fits in tries:
        fitting = [choice for choice in choices if any(fits(known) for known in choice[0])]
        if len(fitting) == 1:
            return fitting[0][1:]
        if fitting:
            break
    reason = "fits none" if not fitting else f"fits {len(fitting)}"
    parts = _listed([part.name for lstm in found for part in lstm.info.parts])
    listing = _listed([lstm.info.name for lstm in found])
    raise LSTMNameError(f"{path}: the name {name!r} {reason} of its LSTMs {listing} and their parts {parts}.")


def _unwrapped(name: str) -> str:
    return WRAPPERS.sub("", f"{name}.").removesuffix(".")


def _find(path: Path) -> list[Found]:
    return find_lstms(contents(path))


def contents(path: Path) -> Contents:
    """Every named tensor of a file, whether or not it belongs to an LSTM.

    Raises
    ------
    LSTMError
        As `inspect`.
    """
    if "\0" in str(path):
        raise MissingFileError(f"there is no file {str(path)!r}: a null character cannot be in a name.")
    try:
        return _read_whole(path)
    except LSTMError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {path}.") from error
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _read_whole(path: Path) -> Contents:
    """The named tensors of a file, and of all others if it is a part of a checkpoint or its index."""
    if path.is_file():
        index = path if shards.is_index(path) else shards.index_of(path)
        if index is not None:
            return shards.read(index, _read)
    return _read(path)


def _read(path: Path) -> Contents:
    """One file's named tensors, by the reader that its first bytes call for."""
    if path.is_dir():
        hint = (
            " It looks like a SavedModel: load it in Keras and save it as .keras."
            if (path / "saved_model.pb").exists()
            else ""
        )
        raise UnknownFormatError(f"{path} is a directory, expected a file: {SUPPORTED}.{hint}")
    if path.exists() and not path.is_file():  # a pipe, a device: reading it may never end
        raise UnreadableFileError(f"{path} is no regular file. Copy what it gives into a file first.")
    with path.open("rb") as stream:
        head = stream.read(512)
        size = path.stat().st_size
        if not size:
            raise UnknownFormatError(f"{path} is empty, expected one of {SUPPORTED}.")
        if head.startswith(b"PK\x03\x04"):
            return _read_zip(path)
        if head[:1] == b"\x80" and LEGACY_TORCH in head[:30]:
            stream.seek(0)
            return torch_files.read_legacy(path, stream)
        if head.startswith(HDF5):
            from lstm_ref.formats import hdf5

            return hdf5.read(path)
    if int.from_bytes(head[:8], "little") <= size and head[8:9] == b"{":
        from lstm_ref.formats import safetensors_file

        return safetensors_file.read(path)
    if head[0] in onnx_wire.FIRST_BYTES:
        data = path.read_bytes()
        if onnx_wire.is_model(data):
            from lstm_ref.formats import onnx_file

            return onnx_file.read(path, data)
    raise UnknownFormatError(f"{path} {_guess(head)}, expected one of {SUPPORTED}.")


def _read_zip(path: Path) -> Contents:
    archive = Archive(path)
    names = archive.entries
    if "model.weights.h5" in names:
        from lstm_ref.formats import hdf5

        return hdf5.read_archive(archive)
    roots = torch_files.roots(archive)
    if len(roots) == 1:
        return torch_files.read_zip(archive, roots[0])
    exported = [
        name.removesuffix("/" + torch_export.CONFIGS[0])
        for name in names
        if name.endswith("/" + torch_export.CONFIGS[0])
    ]
    if len(exported) == 1:
        return torch_export.read(archive, exported[0])
    if any(name in names for name in torch_export.OLDER):
        return torch_export.read_older(archive)
    if all(name.endswith(".npy") for name in names):
        kind = "a NumPy .npz; pass its arrays to lstm_ref.LSTMParams or lstm_ref.from_torch"
    else:
        kind = "a zip archive of some other kind"
    raise UnknownFormatError(f"{path} is {kind}. Expected one of {SUPPORTED}.")


def _guess(head: bytes) -> str:
    if head[4:8] == b"TFL3":
        return "is a TensorFlow Lite model, whose layers are no longer there; save the Keras model as .keras"
    if head.startswith(b"\x80") or head[257:262] == b"ustar":
        return "is a Python pickle or an archive that torch.save of version 0.1.10 or later did not write"
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b":"):
        return "begins like an ONNX model, and is damaged or incomplete"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "is text"
    return f"begins with the bytes {head[:8].hex(' ')}, which belong to no format known here"
