"""What a program and the suite say to each other: JSON, one message a line; ``protocol.schema.json`` is its schema.

The suite begins with the `HELLO`, which the program answers with a declaration. Then each request is one case, and each answer the
results of one case. The README of this folder explains it to whoever writes such a program.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.features import features
from conformance.cases.flat import ARRAYS, arrays_of, layers_of
from conformance.cases.matrix import DTYPES
from conformance.errors import CandidateError, LayoutError
from conformance.layouts.layout import SEQUENCES, STATES, Layout
from conformance.trial.declare import candidate, declared, declared_features

PROTOCOL, VERSION = "lstm-conformance", 1
HELLO = {"protocol": PROTOCOL, "version": VERSION}
KEYS = ("protocol", "version", "arrays", "dtypes", "without", "features", "layout", "batch")
"""What a declaration may have; the first three it has to have."""
ENCODINGS = ("base64", "numbers")
LAYOUT = {"gates": str, "joined": str, "transposed": bool, "split": bool, "biases": int, "axes": str}
"""What a layout may have: the parameters of `Layout`."""
PLAIN = Layout()
NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
"""How numbers are written that JSON does not have."""
SHOWN = 80
"""So much of a line that is no answer is shown."""
encoded = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode


class AnswerError(ValueError):
    """An answer that cannot be used; the text says what it does, behind the program's name."""


class StrayAnswerError(AnswerError):
    """A line that is no answer to what was asked: whoever wrote it and the suite do not understand each other any more."""


@dataclass(frozen=True)
class Declaration:
    """What a program declares when it begins.

    Attributes
    ----------
    numbers : bool
        Whether arrays are lists of numbers; otherwise they are bytes in base64.
    without, features : frozenset of str
        As `conformance.candidate` takes them; dtypes that it does not know are among the first.
    layout : Layout
    single : bool
        Whether it takes one sample at a time.
    """

    numbers: bool
    without: frozenset[str]
    features: frozenset[str]
    layout: Layout
    single: bool

    def refusal(self, case: Case) -> str:
        """Why a case is not for the program, though it may have been asked for: its layout does not say how; or empty."""
        beyond = features(case)
        if beyond & {"projection", "peephole"} and self.layout != PLAIN:
            return "its layout says nothing of projections and peepholes"
        if beyond and (self.single or self.layout.axes != PLAIN.axes):
            return f"{'a batch of 1' if self.single else f'axes {self.layout.axes}'} are for the plain LSTM alone"
        return ""


def declaration(line: bytes) -> Declaration:
    """What a program declares in its answer to the `HELLO`.

    Raises
    ------
    CandidateError
        If it is no such answer; the text goes behind the program's name.
    """
    try:
        told = message(line)
    except StrayAnswerError as error:
        raise CandidateError(f"{error}.") from None
    if told.get("protocol") != PROTOCOL or told.get("version") != VERSION:
        given = {name: told.get(name) for name in HELLO}
        raise CandidateError(f"answered the handshake with {encoded(given)}, expected {encoded(HELLO)} and more.")
    if unknown := [name for name in told if name not in KEYS]:
        raise CandidateError(f"declares {', '.join(unknown)}, which is nothing; there are {', '.join(KEYS)}.")
    if told.get("arrays") not in ENCODINGS:
        raise CandidateError(
            f'declares "arrays": {encoded(told.get("arrays"))}, expected one of {", ".join(ENCODINGS)}.'
        )
    if told.get("batch") not in (None, 1):
        raise CandidateError(
            f'declares "batch": {encoded(told["batch"])}, expected 1 for one sample at a time, or nothing.'
        )
    named = {name: told.get(name, []) for name in ("dtypes", "without", "features")}
    for name, value in named.items():
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise CandidateError(f'declares "{name}": {encoded(value)}, expected a list of names.')
    dtypes = named["dtypes"] or DTYPES
    if unknown := [name for name in dtypes if name not in DTYPES]:
        raise CandidateError(f'declares "dtypes": {encoded(dtypes)}, expected some of {", ".join(DTYPES)}.')
    lacks = [*named["without"], *(name for name in DTYPES if name not in dtypes)]

    def program() -> None: ...

    try:
        candidate(without=lacks, features=named["features"])(program)
    except CandidateError as error:
        raise CandidateError(f"declares what is nothing: {error}") from None
    found = Declaration(
        told["arrays"] == "numbers",
        declared(program),
        declared_features(program),
        _layout(told.get("layout", {})),
        told.get("batch") == 1,
    )
    return _consistent(found)


def _layout(told: Any) -> Layout:
    if not isinstance(told, dict) or not all(type(value) is LAYOUT.get(name) for name, value in told.items()):
        kinds = ", ".join(f"{name} ({kind.__name__})" for name, kind in LAYOUT.items())
        raise CandidateError(f'declares "layout": {encoded(told)}, expected an object with some of {kinds}.')
    try:
        return Layout(**told)
    except LayoutError as error:
        raise CandidateError(f"declares a layout that is none: {error}") from None


def _consistent(found: Declaration) -> Declaration:
    """The declaration, unless its features do not go with its layout or its batch."""
    if found.features & {"projection", "peephole"} and found.layout != PLAIN:
        raise CandidateError("declares projection or peephole and a layout: that says nothing of them; leave it out.")
    if found.features and (found.single or found.layout.axes != PLAIN.axes):
        raise CandidateError('declares features and "batch" or "axes": these are for the plain LSTM alone.')
    return found


def message(line: bytes) -> dict[str, Any]:
    """The object that a line holds.

    Raises
    ------
    StrayAnswerError
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise StrayAnswerError(
            f"wrote {shown(line)} on standard output, where only answers belong, one JSON object a line: write the rest to "
            "standard error"
        )
    return told


def shown(line: bytes) -> str:
    """The beginning of a line, as text."""
    text = line.decode(errors="replace")
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def request(case: Case, call: int, told: Declaration) -> bytes:
    """The line that asks for a case."""
    B, T, D, H = case.sizes
    return (
        encoded(
            {
                "call": call,
                "id": case.id,
                "dtype": case.dtype.name,
                "sizes": {"B": B, "T": T, "D": D, "H": H},
                "layers": layers_of(case),
                "arrays": {
                    name: _encoded(array, told.numbers) for name, array in _in_layout(case, told.layout).items()
                },
            }
        ).encode()
        + b"\n"
    )


def _in_layout(case: Case, layout: Layout) -> dict[str, Any]:
    """The arrays of a case by the names that a program knows them under, in its layout."""
    arrays = {}
    for name, array in arrays_of(case).items():
        if name in ARRAYS and layout.axes != PLAIN.axes:
            array = layout.sequence(array) if array.ndim == 3 else layout.state(array)
        if not name.startswith(("params.", "layers.")):
            arrays[name] = array
    for prefix, params in directions(case):
        for name, weights in zip(weight_names(layout), layout.weights(params), strict=True):
            arrays[prefix + name] = np.stack(weights) if layout.split else weights
        arrays |= {prefix + n: a for n, a in params.arrays.items() if n in ("projection", "peephole")}
    return arrays


def directions(case: Case) -> list[tuple[str, Any]]:
    """Before the names of weights of each layer and direction stands what, and their `LSTMParams`."""
    if case.single:
        return [("", case.params)]
    each = [(k, layer.directions) for k, layer in enumerate(case.layers)]
    return [(f"layers.{k}.{name}.", params) for k, found in each for name, params in found.items()]


def weight_names(layout: Layout) -> list[str]:
    """What the weights are called, in the order of `Layout.weights`."""
    matrices = ["weights"] if layout.joined else ["kernel", "recurrent_kernel"]
    return [*matrices, *["bias", "recurrent_bias"][: layout.biases]]


def _encoded(array: np.ndarray[Any, Any], numbers: bool) -> dict[str, Any]:
    data: Any = np.ascontiguousarray(array)
    if not numbers:
        data = base64.b64encode(data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()).decode()
    else:
        data = data.astype(np.uint8 if data.dtype == np.bool_ else np.float64).reshape(-1).tolist()
        if not np.isfinite(array).all():
            data = [value if math.isfinite(value) else _named(value) for value in data]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def _named(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def results(line: bytes, case: Case, call: int, told: Declaration) -> dict[str, Any]:
    """The arrays that an answer holds, by the names of quantities, in the suite's layout.

    Raises
    ------
    AnswerError
        If it says that there are none, or they cannot be read.
    StrayAnswerError
        If it is no answer to this request.
    """
    answer = message(line)
    if answer.get("call") != call:
        raise StrayAnswerError(
            f'answered with "call": {encoded(answer.get("call"))}, expected {call}, the call that was asked'
        )
    if answer.keys() == {"call", "error"}:
        raise AnswerError(f"answered with the error: {' '.join(str(answer['error']).split())[:300]}")
    if answer.keys() != {"call", "results"} or not isinstance(answer["results"], dict):
        raise AnswerError(f"answered with {', '.join(answer)}; expected call, and results or error")
    arrays = {
        name: _decoded(name, value, case.dtype, told.numbers)
        for name, value in answer["results"].items()
        if value is not None
    }
    return _out_of_layout(case, told.layout, arrays)


def _decoded(name: str, value: Any, dtype: np.dtype[Any], numbers: bool) -> np.ndarray[Any, Any]:
    keys = {"shape", "data"}
    if not isinstance(value, dict) or not keys <= value.keys() <= (keys if numbers else keys | {"dtype"}):
        given = ", ".join(value) if isinstance(value, dict) else encoded(value)[:SHOWN]
        raise AnswerError(
            f"gave {name} as {given}; expected an object of shape and data{'' if numbers else ', and dtype'}"
        )
    shape, data = value["shape"], value["data"]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise AnswerError(f"gave {name} the shape {encoded(shape)[:SHOWN]}, expected a list of sizes")
    array = _numbers(name, data, dtype) if numbers else _bytes(name, data, value.get("dtype", dtype.name))
    if array.size != math.prod(shape):
        raise AnswerError(f"gave {name} {array.size} numbers, expected {math.prod(shape)} for its shape {shape}")
    return array.reshape(shape)


def _numbers(name: str, data: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    flat = data if isinstance(data, list) else [data]
    kinds = set(map(type, flat))
    odd = sorted(kind.__name__ for kind in kinds - {int, float, str, type(None)})
    odd += sorted({value for value in flat if isinstance(value, str)} - NOT_FINITE) if str in kinds else []
    if odd or flat is not data:
        told = (
            f"gave {name} {', '.join(map(repr, odd))[:SHOWN]} for a number" if flat is data else f"gave {name} no list"
        )
        raise AnswerError(f"{told}, expected one flat list of numbers")
    with np.errstate(over="ignore"):
        try:
            return np.array(data, dtype)
        except OverflowError:  # an integer that no float holds
            raise AnswerError(f"gave {name} an integer that is beyond every float") from None


def _bytes(name: str, data: Any, dtype: Any) -> np.ndarray[Any, Any]:
    if dtype not in DTYPES:
        raise AnswerError(f"gave {name} the dtype {encoded(dtype)[:SHOWN]}, expected one of {', '.join(DTYPES)}")
    try:
        raw = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise AnswerError(f"gave {name} data that is no base64") from None
    size = np.dtype(dtype).itemsize
    if len(raw) % size:
        raise AnswerError(f"gave {name} {len(raw)} bytes, expected a multiple of {size}, as {dtype} has")
    return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype)


def _out_of_layout(case: Case, layout: Layout, arrays: dict[str, Any]) -> dict[str, Any]:
    """Results under the suite's names, out of a program's layout; what has no name stays as it is."""
    if layout == PLAIN:
        return arrays
    left = dict(arrays)
    found: dict[str, Any] = {}
    for prefix, params in directions(case):
        names = [f"{prefix}d_{name}" for name in weight_names(layout)]
        given = [left.pop(name) for name in names if name in left]
        if lacking := [name for name in names[: len(given)] if name not in arrays]:
            raise AnswerError(
                f"gave no {lacking[0]}, and a gradient that comes behind it in its layout: {', '.join(names)}"
            )
        for name, array, weights in zip(names, given, layout.weights(params), strict=False):
            if array.shape != np.shape(weights):
                expected = f"{np.shape(weights)}, as the weights have in its layout"
                raise AnswerError(f"gave {name} of shape {array.shape}, expected {expected}")
        found |= {prefix + name: array for name, array in layout.gradients_of(params, *given).items()}
    if layout.axes != PLAIN.axes:
        turned = {name: left.pop(name) for name in (*SEQUENCES, *STATES) if name in left}
        for name, array in turned.items():
            if array.ndim != len(case.shapes[name]):
                raise AnswerError(f"gave {name} of shape {array.shape}, expected {len(case.shapes[name])} axes")
        found |= layout.result(case, **turned)
    return found | left
