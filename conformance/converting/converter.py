"""A file's network into another file: checked by reading it back, and by the other framework, before it is there."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import lstm_ref
from conformance.converting.departures import OPTIONAL, UNSEEN, departures, without
from conformance.errors import ConversionError
from lstm_ref import Network
from lstm_ref.errors import AssumedWarning
from lstm_ref.params import FloatArray

TARGETS = {
    ".pt": "to_torch", ".pth": "to_torch", ".safetensors": "to_torch",
    ".keras": "to_keras", ".weights.h5": "to_keras", ".onnx": "to_onnx",
}  # fmt: skip
B, T = 3, 11
"""Sizes of the input that both are tried with."""
ALLOWED = {"float32": 1e-5, "float64": 1e-12}
"""By how much outputs may differ, of the largest or of 1."""


@dataclass
class Conversion:
    """What was done.

    Attributes
    ----------
    network : Network
        What is in the file.
    said : list of str
        What the user has to know.
    read_back : float
        The largest difference between the outputs and final states of the network and of what the file was read as.
    """

    network: Network
    said: list[str] = field(default_factory=list)
    read_back: float = 0.0


def convert(
    source: Path, target: Path, names: Sequence[str] = (), left_out: Collection[str] = (), replace: bool = False
) -> Conversion:
    """Write the network of one file to another.

    Parameters
    ----------
    source, target : Path
        The target's suffix says what it will be.
    names : sequence of str
        As `lstm_ref.load` takes them; of several, each LSTM takes the output of the one before.
    left_out : collection of str
        Of `conformance.converting.departures.OPTIONAL`, what the target may lack.
    replace : bool
        Whether a file at the target is replaced.

    Raises
    ------
    ConversionError, LSTMError
        If the target has no word for what the network has, or what was written does not compute what the network does. Then
        nothing is written.
    """
    suffix = next((s for s in sorted(TARGETS, key=len)[::-1] if target.name.endswith(s)), "")
    if not suffix:
        raise ConversionError(f"{target}: its suffix says no format; expected one of {', '.join(TARGETS)}.")
    if unknown := sorted({*left_out} - {*OPTIONAL}):
        raise ConversionError(
            f"{unknown[0]!r} is nothing that can be left out; expected some of {', '.join(OPTIONAL)}."
        )
    if target.is_dir() or not target.parent.is_dir():
        raise ConversionError(f"{target} is a directory, or there is no directory to write it to.")
    if os.path.lexists(target) and not replace:
        raise ConversionError(f"{target} exists. Give another name, or --force to replace it.")
    module = import_module(f"conformance.converting.{TARGETS[suffix]}")
    original = lstm_ref.load(source, None if not names else names[0] if len(names) == 1 else list(names))
    done = Conversion(*_expressible(original, module, suffix, left_out))
    done.said += _of_source(source, names)
    done.said += _written(done, original, module, target, replace)
    return done


def _expressible(network: Network, module: Any, suffix: str, left_out: Collection[str]) -> tuple[Network, list[str]]:
    """The network that the format can express, and what is said about it."""
    expresses = getattr(module, "EXPRESSES", None) or (
        module.OF_WEIGHTS if suffix == ".weights.h5" else module.OF_MODEL
    )
    there = departures(network)
    if idle := sorted({*left_out} - there.keys()):
        raise ConversionError(f"the network has no {idle[0]} to leave out.")
    lost = {name: there[name] for name in there if name not in {*expresses, *UNSEEN, *left_out}}
    if lost:
        ways = sorted(lost.keys() & {*OPTIONAL})
        way = f" --without {','.join(ways)} leaves out what can be, and other numbers come out." if ways else ""
        raise ConversionError(f"a {suffix} file cannot say what the network has: {'; '.join(lost.values())}.{way}")
    unseen = {name: there[name] for name in UNSEEN if name in there and name not in expresses}
    reduced = without(network, {*left_out, *unseen})
    if reason := module.refusal(reduced):
        raise ConversionError(f"{reason}.")
    said = [UNSEEN[name].format(description) for name, description in unseen.items()]
    return reduced, [f"Left out: {there[name]}." for name in left_out] + said


def _of_source(source: Path, names: Sequence[str]) -> list[str]:
    """What the source has that is not in the network: narrower numbers, and what a user has to know besides."""
    said = []
    every = lstm_ref.inspect(source)
    chosen = [
        i
        for i in every
        if len(every) == 1 or any(f".{i.name}".endswith(f".{name}") or i.path == name for name in names)
    ]
    for info in chosen:
        narrow = sorted({part.dtype for part in info.parts if "float16" in part.dtype})
        said += [f"Its {dtype} weights have become float32." for dtype in narrow]
        said += info.remarks
    return said


def _written(done: Conversion, original: Network, module: Any, target: Path, replace: bool) -> list[str]:
    """Write the file, compare what it gives, and then put it into its place."""
    network = done.network
    x = np.random.default_rng(0).normal(size=(B, T, network.layers[0].input_size)).astype(network.dtype)
    expected, _ = network(x)
    said = list(module.remarks(network))
    if (whole := original(x)[0]).shape == expected.shape and np.any(whole != expected):
        said.append(f"What was left out changes the outputs by up to {_difference(whole, expected):.2g}.")
    with tempfile.TemporaryDirectory(prefix=".lstm-conformance-", dir=target.parent) as folder:
        unfinished = Path(folder) / target.name
        module.write(network, unfinished)
        names = module.names(network)
        with warnings.catch_warnings():  # weights alone are what was asked for
            warnings.simplefilter("ignore", AssumedWarning)
            back = lstm_ref.load(unfinished, names if len(names) > 1 else None)
        done.read_back = max(_difference(*pair) for pair in zip(_results(back, x), _results(network, x), strict=True))
        if not _same_weights(back, network) or not done.read_back <= _allowed(network, expected):
            raise ConversionError(
                f"what was written is read as something else, by {done.read_back:.2g} in its results; it is not kept."
            )
        theirs = module.run(unfinished, network, x)
        if isinstance(theirs, str):
            said.append(f"Not tried in {module.RUNNER}: {theirs}.")
        else:
            difference = _difference(theirs, expected)
            if not difference <= _allowed(network, expected):
                raise ConversionError(
                    f"{module.RUNNER} computes something else with it, by {difference:.2g}; it is not kept."
                )
            said.append(f"{module.RUNNER}'s own outputs with it differ by at most {difference:.2g}.")
        _move(unfinished, target, replace)
    return said


def _allowed(network: Network, expected: FloatArray) -> float:
    return ALLOWED[network.dtype.name] * max(1.0, float(np.abs(expected).max(initial=0)))


def _same_weights(back: Network, network: Network) -> bool:
    """Whether both have the same numbers; a bias of zeros is none."""
    if len(back.layers) != len(network.layers):
        return False
    for theirs, ours in zip(back.layers, network.layers, strict=True):
        if theirs.directions.keys() != ours.directions.keys():
            return False
        for direction, params in ours.directions.items():
            read, zeros = theirs.directions[direction].arrays, np.zeros(4 * params.hidden_size, params.dtype)
            wanted = {"bias": zeros} | params.arrays
            if any(
                not np.array_equal(({"bias": zeros} | read).get(name, zeros), array) for name, array in wanted.items()
            ):
                return False
    return True


def _results(network: Network, x: FloatArray) -> list[FloatArray]:
    """The output and the final states, all of them."""
    output, (h, c) = network(x)
    return [output, *(each for state in (h, c) for each in (state if isinstance(state, list) else [state]))]


def _difference(actual: FloatArray, expected: FloatArray) -> float:
    if actual.shape != expected.shape:
        return float("inf")
    return float(np.abs(actual - expected).max(initial=0.0))


def _move(unfinished: Path, target: Path, replace: bool) -> None:
    """Put a file into its place at once; what has come there in the meantime stays unless it may be replaced."""
    if replace:
        os.replace(unfinished, target)
        return
    try:
        os.link(unfinished, target)
    except FileExistsError as error:
        raise ConversionError(
            f"{target} has come to exist meanwhile. Give another name, or --force to replace it."
        ) from error
    except OSError:  # a file system without links
        with target.open("xb") as stream:
            stream.write(unfinished.read_bytes())
