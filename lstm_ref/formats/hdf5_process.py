"""Reads an HDF5 file in a process of its own; run as a script by `lstm_ref.formats.hdf5`.

The HDF5 C library can crash, loop or take all memory on a damaged or hostile file. Here that costs
one small process, whose memory is limited and whose time its parent limits.

    python hdf5_process.py FILE            list the file's datasets and the names of its groups; and all numbers, if they are few
    python hdf5_process.py FILE GROUP      the numbers of the datasets directly in a group

FILE may be "-" for standard input. Printed is one line of JSON, and then the datasets' bytes in the
line's order. Nothing of this package is imported.
"""

import io
import json
import os
import sys
from math import prod

MEMORY = 64 << 20  # bytes that reading may take, beside four times the file's own size
SECONDS = 5  # of computing, and one more for each 10 MB
LONGEST = 1000  # of a full name; Keras's are some words
DEEPEST = 64
FEW, SMALL = 100, 4 << 20  # so many tensors of so many bytes in all are given with the list: to ask again takes longer


class UnsafeError(Exception):
    """The file points elsewhere."""


def limit(size):
    """Let the process take so much more than it has, where it is told how much that is, which is on Linux; and so long.

    Returned is when it had better give up by itself, in seconds of computing.
    """
    seconds = int(SECONDS + size / 1e7 + sum(os.times()[:2]))
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        with open("/proc/self/statm") as file:
            data = int(file.read().split()[5]) * resource.getpagesize()
    except (ImportError, OSError):
        return seconds - 1
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = data + MEMORY + 4 * size
    if most != resource.RLIM_INFINITY:
        allowed = min(allowed, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    return seconds - 1


def visit(h5py, file, deadline):
    """Every group and dataset by its full name; what has two names, or is neither, is refused: Keras never writes it.

    By h5py's functions that are nearest to the HDF5 library, as its classes take three times as long.
    """
    seen = {h5py.h5o.get_info(file.id).addr}

    def inside(prefix, group):
        links = []
        group.links.iterate(lambda key, link: links.append((key, link.type, link.u)), info=True)
        for key, kind, address in links:
            name = prefix + key.decode("utf-8", "surrogateescape")
            if len(name) > LONGEST or name.count("/") > DEEPEST:
                raise UnsafeError(f"it has a name of {len(name)} characters, {name.count('/')} groups deep")
            if kind != h5py.h5l.TYPE_HARD:
                raise UnsafeError(f"{name!r} is a link to elsewhere, which Keras never writes")
            if address in seen:
                raise UnsafeError(
                    f"{name!r} is one of several names of the same thing (a hard link), which Keras never writes. "
                    "Save the model in Keras again"
                )
            seen.add(address)
            if len(seen) % 200 == 0 and sum(os.times()[:2]) > deadline:
                raise UnsafeError(
                    f"it has so many groups and tensors, more than {len(seen):,}, that to list them takes more computing than "
                    "reading a file of its size may. Save the part of the model that has the LSTM in a file of its own"
                )
            value = h5py.h5o.open(group, key)
            if isinstance(value, h5py.h5g.GroupID):
                yield name, value
                yield from inside(f"{name}/", value)
            elif isinstance(value, h5py.h5d.DatasetID) and value.shape is not None:
                yield name, value
            else:
                raise UnsafeError(f"{name!r} is neither a group nor numbers, which Keras never writes")

    yield "", file.id
    yield from inside("", file.id)


def listing(h5py, file, size, deadline):
    datasets, names, listed, claimed = {}, {}, {}, 0
    for name, value in visit(h5py, file, deadline):
        if isinstance(value, h5py.h5d.DatasetID):
            dtype = value.dtype
            datasets[name] = ["bfloat16" if is_bfloat16(dtype) else dtype.name, list(value.shape)]
            claimed += prod(value.shape) * dtype.itemsize
        elif h5py.h5a.get_num_attrs(value):
            told = h5py.AttributeManager(h5py.Group(value))
            if isinstance(user_name := told.get("name"), str):
                names[name] = user_name
            if "weight_names" in told:
                listed[name] = [w.decode(errors="replace") if isinstance(w, bytes) else w for w in told["weight_names"]]
    for name, weights in listed.items():  # a bias that is gone is not a layer without one
        for weight in weights:
            if f"{name}/{weight}" not in datasets:
                raise ValueError(f"its group {name[:80]!r} lists the weight {str(weight)[:80]!r} and does not hold it")
    described = file.attrs.get("model_config")
    described = described.decode() if isinstance(described, bytes) else described
    groups = groups_of(h5py, file)
    versions = [group.attrs.get("keras_version") for group in (file, *groups)]
    version = next((v.decode(errors="replace") if isinstance(v, bytes) else v for v in versions if v is not None), "")
    legacy = bool(listed) or any("layer_names" in group.attrs for group in (file, *groups))
    version = version if isinstance(version, str) else ""
    header = {"datasets": datasets, "layer_names": names, "config": described, "legacy": legacy, "version": version}
    given, chunks = all_numbers(h5py, file, datasets, size) if len(datasets) <= FEW and claimed <= SMALL else ({}, [])
    return {**header, "numbers": given}, chunks


def groups_of(h5py, file):
    return [value for value in file.values() if isinstance(value, h5py.Group)]


def is_bfloat16(dtype):
    """HDF5 has no bfloat16: Keras stores its two bytes as they are."""
    return dtype.kind == "V" and dtype.itemsize == 2


def numbers(h5py, file, group, size):
    arrays = {}
    for key, value in file[group].items():
        if not isinstance(value, h5py.Dataset) or not (value.dtype.kind in "fiub" or is_bfloat16(value.dtype)):
            continue
        if value.external or value.is_virtual:
            raise UnsafeError(f"the numbers of {group}/{key} lie in another file, which Keras never does")
        claimed = prod(value.shape) * value.dtype.itemsize
        held = min(value.id.get_storage_size(), size)
        if claimed > (
            MEMORY // 4 + 2 * size if value.compression else held
        ):  # it is held here twice, and by the parent
            raise ValueError(f"{group}/{key} claims {claimed} bytes and holds {held}")
        native = value[()].view("<u2") if is_bfloat16(value.dtype) else value[()].astype(value.dtype.newbyteorder("="))
        arrays[f"{group}/{key}"] = native
    header = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
    return {"datasets": header}, [array.tobytes() for array in arrays.values()]


def all_numbers(h5py, file, datasets, size):
    """Those of every group; none if something is wrong with some, which is told when those are asked for."""
    given, chunks = {}, []
    try:
        for group in dict.fromkeys(name.rpartition("/")[0] for name in datasets):
            header, more = numbers(h5py, file, group, size)
            given |= header["datasets"]
            chunks += more
    except Exception:
        return {}, []
    return given, chunks


def main(path, *group):
    content = sys.stdin.buffer.read() if path == "-" else None
    try:
        import h5py

        with io.BytesIO(content) if content is not None else open(path, "rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            deadline = limit(size)
            with h5py.File(stream, "r") as file:
                header, chunks = numbers(h5py, file, *group, size) if group else listing(h5py, file, size, deadline)
    except UnsafeError as error:
        header, chunks = {"unsafe": str(error)[:300]}, []
    except Exception as error:
        header, chunks = {"corrupt": f"{type(error).__name__}: {error}"[:300]}, []
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    sys.stdout.buffer.writelines(chunks)


if __name__ == "__main__":
    main(*sys.argv[1:])
