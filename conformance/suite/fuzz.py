"""Damages files that the frameworks wrote, and reads them: ``python -m conformance.suite.fuzz --files N [--seed S]``.

A file of every format is taken, changed in some places, with the structure that its format has around the bytes, and given to
`lstm_ref.inspect` and `lstm_ref.load`. Printed is how often each thing came of it. Wrong is: another exception than an
`LSTMError`; more memory or computing than files may take (`measuring` states how much); other numbers
than ``torch.load(weights_only=True)`` or safetensors reads in the same file. Files that went wrong are kept.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import lstm_ref
from conformance.suite.measuring import most_memory, most_seconds
from lstm_ref.errors import LSTMError

Random: TypeAlias = np.random.Generator

FILES = {"zip.pt": 30, "legacy.pth": 18, "scripted.pt": 8, "model.safetensors": 18, "exported.pt2": 8, "model.onnx": 16}
"""File to how many of a hundred it is the origin of."""
OWN = ("zip.pt", "legacy.pth", "model.safetensors")
"""Those that are read by their own library as well."""
SLOW_FILES = {"model.keras": 40, "model.weights.h5": 30, "legacy.h5": 30}
"""The same of those that a process is begun for."""


def bytes_changed(content: bytes, random: Random) -> bytes:
    """The content with some bytes flipped, overwritten, taken out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(1 + int(random.integers(4))):
        if not data:
            break
        at, length = int(random.integers(len(data))), 1 + int(random.integers(16))
        what = int(random.integers(6))
        if what == 0:
            data[at] ^= 1 << int(random.integers(8))
        elif what == 1:
            data[at : at + length] = random.bytes(length)
        elif what == 2:
            del data[at : at + length]
        elif what == 3:
            data[at:at] = data[at : at + length]
        elif what == 4:
            data[at : at + 4] = int(random.choice([0, 1, 255, 65535, 1 << 31, (1 << 32) - 1])).to_bytes(4, "little")
        elif random.integers(8) == 0:
            del data[at:]
    return bytes(data)


def text_changed(content: bytes, random: Random) -> bytes:
    """JSON with a number, a name or a whole value changed; still JSON."""
    value = json.loads(content)
    places = list(_places(value))
    for _ in range(1 + int(random.integers(3))):
        holder, key = places[int(random.integers(len(places)))]
        odd = [0, -1, 1 << 70, 0.5, "", "x" * 1000, None, [], {}, True, "../x", [holder[key]], "\u001b[31m\ud800"]
        if isinstance(holder, dict) and random.integers(4) == 0:
            holder[str(random.choice(["a", "a.b", "weight_ih_l0", "/", "weight_hh_l9999"]))] = holder.pop(key, None)
            places = list(_places(value)) or places
        else:
            holder[key] = odd[int(random.integers(len(odd)))]
            places = list(_places(value)) or places
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def zip_changed(content: bytes, random: Random) -> bytes:
    """An archive in which an entry's content is changed, or its name, or it is missing or there twice; its sums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    inner = [k for k, (name, _) in enumerate(entries) if name.endswith((".pkl", ".json", "byteorder"))] or [0]
    at = int(random.choice(inner)) if random.integers(4) else int(random.integers(len(entries)))
    name, old = entries[at]
    what = int(random.integers(10))
    if what == 0:
        del entries[at]
    elif what == 1:
        entries.append(entries[at])
    elif what == 2:
        entries[at] = (bytes_changed(name.encode(), random).decode("latin1"), old)
    elif name.endswith(".json"):
        entries[at] = (name, text_changed(old, random))
    else:
        entries[at] = (name, bytes_changed(old, random))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name.replace("\0", "?") or "?"), data)
    return packed.getvalue()


def safetensors_changed(content: bytes, random: Random) -> bytes:
    """A file whose header is changed and fits its length again."""
    length = int.from_bytes(content[:8], "little")
    header = text_changed(content[8 : 8 + length], random)
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def changed(name: str, content: bytes, random: Random) -> bytes:
    """Another file of one that is sound."""
    if random.integers(3) == 0:
        return bytes_changed(content, random)
    if content.startswith(b"PK"):
        return zip_changed(content, random)
    if name.endswith(".safetensors"):
        return safetensors_changed(content, random)
    return bytes_changed(content, random)


def corpus(folder: Path) -> None:
    """Put the files that are changed into a folder, written by the frameworks."""
    import torch

    from conformance.suite.exports import exported

    for name in ("zip.pt", "legacy.pth", "model.safetensors", *SLOW_FILES):
        (folder / name).write_bytes(exported(name)[0].read_bytes())
    torch.manual_seed(0)
    model, x = torch.nn.Sequential(torch.nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True)), torch.zeros(2, 5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model).save(folder / "scripted.pt")  # type: ignore[no-untyped-call]
        torch.export.save(torch.export.export(model, (x,)), folder / "exported.pt2")
        torch.onnx.export(model, (x,), folder / "model.onnx", dynamo=False)


def others(name: str, path: Path) -> dict[str, Any] | None:
    """What the format's own library reads: name to array; None if it refuses the file."""
    try:
        if name.startswith(OWN[:2]):
            import torch

            found = torch.load(path, weights_only=True)
            return {key: value.detach().numpy() for key, value in found.items() if isinstance(value, torch.Tensor)}
        from safetensors.numpy import load_file

        return dict(load_file(path))
    except BaseException:  # noqa: BLE001 - whatever it makes of a broken file
        return None


def peak(reset: bool = False) -> int:
    """The most memory that the process had, in bytes, since it was last asked to begin anew."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def outcome(name: str, path: Path) -> tuple[str, str]:
    """What came of reading a file, and what is wrong with that; empty if nothing is."""
    size, before = path.stat().st_size, peak(reset=True)
    spent = time.process_time() + sum(os.times()[2:4])
    networks = {}
    try:
        infos = lstm_ref.inspect(path)
        for info in infos:
            if not info.unsupported:
                networks[info.name] = lstm_ref.load(path, info.name)
        result = "read" if networks else "nothing to load" if not infos else "refused by inspect"
    except LSTMError as error:
        result = type(error).__name__
        if len(str(error)) > 3000:
            return result, f"a message of {len(str(error))} characters"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return type(error).__name__, f"{type(error).__name__}: {str(error)[:200]}"
    spent = time.process_time() + sum(os.times()[2:4]) - spent
    if (taken := (peak() - before) / 2**20) > most_memory(size):
        return result, f"{taken:.0f} MiB of memory for {size:,} bytes"
    if spent > 2 * most_seconds(size):
        return result, f"{spent:.1f} s of computing for {size:,} bytes"
    if networks and name in OWN:
        if (known := others(name, path)) is None:
            return "read, and refused by its own library", ""
        for prefix, network in networks.items():
            for k, layer in enumerate(network.layers):
                for role, array in (("weight_ih", layer.params.kernel), ("weight_hh", layer.params.recurrent_kernel)):
                    key = f"{prefix}{'.' if prefix else ''}{role}_l{k}"
                    if key in known and not np.array_equal(
                        np.asarray(known[key], array.dtype).T, array, equal_nan=True
                    ):
                        return result, f"{key} is not what the format's own library reads"
        result = "read, as its own library reads it"
    return result, ""


def some(folder: Path, kept: Path, seed: int, files: dict[str, int], numbers: range) -> tuple[Counter[str], list[str]]:
    """What came of some files, and which went wrong."""
    names, weights = [*files], np.array([*files.values()]) / sum(files.values())
    found: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in numbers:
            random = np.random.default_rng([seed, number])
            name = str(random.choice(names, p=weights))
            path = Path(temporary) / name
            path.write_bytes(changed(name, (folder / name).read_bytes(), random))
            result, problem = outcome(name, path)
            found[result] += 1
            if problem:
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{seed}-{number}-{name}").write_bytes(path.read_bytes())
                wrong.append(f"{seed}-{number}-{name}: {problem}")
    return found, wrong


def main(make: Callable[[Path], None] = corpus) -> int:
    """Read damaged files, print what came of them, and say by the exit status whether anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m conformance.suite.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="that no process is begun for (default: 10,000)")
    parser.add_argument("--slow-files", type=int, default=200, help="of HDF5 and Keras (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzzed"), help="where files that went wrong go (default: fuzzed)"
    )
    options = parser.parse_args()
    found: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor() as pool:
        folder = Path(temporary)
        make(folder)
        for files, count in ((FILES, options.files), (SLOW_FILES, options.slow_files)):
            step = 500 if files is FILES else 10
            chunks = [range(first, min(first + step, count)) for first in range(0, count, step)]
            for counted, odd in pool.map(partial(some, folder, options.keep, options.seed, files), chunks):
                found += counted
                wrong += odd
                for line in odd:
                    print(line, flush=True)
    for result, count in found.most_common():
        print(f"{count:9,}  {result}")
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(f"{sum(found.values()):9,}  files, {len(wrong)} went wrong; the largest process had {child} MiB")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
