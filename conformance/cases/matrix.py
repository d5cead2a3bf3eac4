"""The case matrix: which sizes, dtypes and options the live comparison runs over.

Sizes come from a covering array: every pair of size classes occurs together, so that a bug that
needs, say, B = 1 with H = 64, or T = 500 with D = 257, meets one. All other choices are multiplied
out. A case is described by a small `Spec` and built when it is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from conformance.case import Case
from conformance.cases.draw import Draw
from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray

SIZES: dict[str, tuple[int, ...]] = {
    "B": (1, 2, 3, 8, 33),
    "T": (1, 2, 7, 32, 100, 500),
    "D": (1, 2, 7, 32, 65, 257),
    "H": (1, 3, 8, 31, 64, 257),
}
MOST_WORK = 1.5e8
"""Multiplications that one forward pass may take: the largest sizes meet in pairs, not all at once."""

DTYPES = ("float64", "float32")
COTANGENTS = ("output", "h", "c", "all")


@dataclass(frozen=True)
class Spec:
    """What a case is to be, before its arrays exist.

    Attributes
    ----------
    B, T, D, H : int
    dtype : str
        "float64" or "float32".
    cotangents : str
        Which are non-zero: "output", "h", "c" or "all".
    bias : bool
    state : bool
        Whether the initial state is random rather than zero.
    flags : frozenset of str
        Why the case may be degenerate; see `conformance.cases.degenerate`.
    edge : str
        The edge case that it is; empty for the matrix.
    stream : str
        Any text that tells cases of equal sizes and options apart.
    """

    B: int
    T: int
    D: int
    H: int
    dtype: str = "float64"
    cotangents: str = "all"
    bias: bool = True
    state: bool = True
    flags: frozenset[str] = frozenset()
    edge: str = ""
    stream: str = ""

    @property
    def id(self) -> str:
        """Such as ``float64-B3-T7-D65-H8-all-bias-state``."""
        parts = [self.dtype, f"B{self.B}", f"T{self.T}", f"D{self.D}", f"H{self.H}", self.cotangents]
        parts += ["bias" if self.bias else "nobias", "state" if self.state else "nostate"]
        return "-".join([part for part in (self.edge, self.stream) if part] + parts)

    def build(self) -> Case:
        """The case's arrays, drawn from a stream that the sizes and options name.

        Weights are scaled so that every gate is used over its whole range and nothing grows with
        T; the four blocks have different spreads, so that no two can be exchanged unseen. The longer
        the sequence, the further open the forget gate and shut the input gate: gradients reach the
        first step, and the cell state stays where tanh is not flat.
        """
        B, T, D, H = self.B, self.T, self.D, self.H
        draw = Draw(replace(self, dtype="float64", flags=frozenset()).id)  # both dtypes from one stream
        spread = np.repeat([1.0, 0.75, 1.25, 0.9], H)
        memory = 0.5 * math.log(T)
        shift = np.repeat([0.125 - memory, 0.5 + memory, -0.25, -0.125], H)
        kernel = draw.uniform((5.0 / D) ** 0.5, D, 4 * H) * spread
        recurrent_kernel = draw.uniform((3.0 / H) ** 0.5, H, 4 * H) * spread[::-1]
        bias = draw.uniform(0.5, 4 * H) + shift
        arrays = {
            "x": draw.uniform(1.0, B, T, D),
            "h0": draw.uniform(0.9, B, H) * self.state,
            "c0": draw.uniform(1.5, B, H) * self.state,
            "d_output": draw.uniform(1.0, B, T, H) * (self.cotangents in ("output", "all")),
            "d_h": draw.uniform(1.0, B, H) * (self.cotangents in ("h", "all")),
            "d_c": draw.uniform(1.0, B, H) * (self.cotangents in ("c", "all")),
            "kernel": kernel,
            "recurrent_kernel": recurrent_kernel,
            "bias": bias,
        }
        if self.edge:
            arrays = EDGES[self.edge](arrays)
        return _case(self, arrays)


def _case(spec: Spec, arrays: dict[str, FloatArray]) -> Case:
    dtype = np.dtype(spec.dtype)
    with np.errstate(under="ignore", over="ignore"):
        a = {name: array.astype(dtype) for name, array in arrays.items()}
    params = LSTMParams(a["kernel"], a["recurrent_kernel"], a["bias"] if spec.bias else None)
    return _assemble(spec.id, params, a)


def _assemble(id: str, params: LSTMParams, a: dict[str, FloatArray]) -> Case:
    return Case(id, params.dtype, a["x"], a["h0"], a["c0"], params, d_output=a["d_output"], d_h=a["d_h"], d_c=a["d_c"])


def case_of_params(id: str, params: LSTMParams, B: int, T: int) -> Case:
    """A case with given weights; everything else is random, and fixed by `id`."""
    draw, (D, H) = Draw(id), (params.input_size, params.hidden_size)
    shapes = {"x": (B, T, D), "h0": (B, H), "c0": (B, H), "d_output": (B, T, H), "d_h": (B, H), "d_c": (B, H)}
    arrays = {name: draw.uniform(0.9, *shape).astype(params.dtype) for name, shape in shapes.items()}
    return _assemble(id, params, arrays)


def flags_of_sizes(B: int, T: int, D: int, H: int, state: bool = True) -> frozenset[str]:
    """The flags that the sizes themselves call for."""
    flags = {f"{name}=1" for name, size in zip("BTDH", (B, T, D, H), strict=True) if size == 1}
    if T == 2:
        flags.add("T=2")
    if T >= 100:
        flags.add("long")
    if len({B, T, D, H}) < 4:
        flags.add("equal-sizes")
    if not state:
        flags.add("zero-state")
    return frozenset(flags)


@cache
def sizes() -> tuple[tuple[int, int, int, int], ...]:
    """(B, T, D, H) such that every pair of two of `SIZES`' classes occurs, the cheap ones first."""
    from covertable import make  # here, because a check against fixtures does not need it

    def affordable(row: dict[str, int]) -> bool:
        return row["B"] * row["T"] * 4 * row["H"] * (row["D"] + row["H"]) <= MOST_WORK

    constraint = {"operator": "fn", "requires": list(SIZES), "evaluate": affordable}
    rows = [(row["B"], row["T"], row["D"], row["H"]) for row in make(SIZES, strength=2, constraints=[constraint])]
    return tuple(sorted(rows, key=lambda row: row[0] * row[1] * row[3] * (row[2] + row[3])))


def matrix() -> Iterator[Spec]:
    """Every case of the matrix: sizes x cotangents x bias x state x dtype."""
    for B, T, D, H in sizes():
        for cotangents, bias, state, dtype in product(COTANGENTS, (True, False), (True, False), DTYPES):
            yield Spec(B, T, D, H, dtype, cotangents, bias, state, flags_of_sizes(B, T, D, H, state))


def _saturated(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Half of each gate's units far in saturation, on both sides; the others as they are."""
    H = a["h0"].shape[1]
    push = np.zeros(4 * H)
    push[0::4], push[1::4] = 60.0, -60.0
    return a | {"bias": a["bias"] + push}


def _scaled(name: str, factor: float) -> Callable[[dict[str, FloatArray]], dict[str, FloatArray]]:
    return lambda a: a | {name: a[name] * factor}


def _tiny(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return a | {name: a[name] * 1e-12 for name in ("x", "h0", "c0", "bias")}


def _zeros(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return a | {name: np.zeros_like(a[name]) for name in ("x", "h0", "c0", "bias")}


def _zero_weights(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return a | {name: np.zeros_like(a[name]) for name in ("kernel", "recurrent_kernel", "bias")}


def _at(name: str, index: tuple[int, ...], value: float) -> Callable[[dict[str, FloatArray]], dict[str, FloatArray]]:
    def change(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
        changed = a[name].copy()
        changed[index] = value
        return a | {name: changed}

    return change


def _unchanged(a: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return a


EDGES: dict[str, Callable[[dict[str, FloatArray]], dict[str, FloatArray]]] = {
    "saturated": _saturated,
    "huge-x": _scaled("x", 1e6),
    "overflowing-x": _scaled("x", 1e30),
    "huge-c0": _scaled("c0", 1e6),
    "tiny": _tiny,
    "zeros": _zeros,
    "zero-weights": _zero_weights,
    "nan-in-one-sample": _at("x", (1, 2, 0), np.nan),
    "nan-in-h0": _at("h0", (1, 1), np.nan),
    "infinite-c0": _at("c0", (1, 1), np.inf),
    "empty-batch": _unchanged,
}
"""Edge case to what it does to random arrays."""


def edges() -> Iterator[Spec]:
    """The edge cases, in both dtypes; those of sizes 1 are in the matrix as well."""
    for edge, dtype in product(EDGES, DTYPES):
        B = 0 if edge == "empty-batch" else 4
        flags = {edge} | ({"zero-state"} if edge == "zeros" else set())
        yield Spec(B, 6, 3, 5, dtype, edge=edge, flags=frozenset(flags))
    for small, dtype in product(((1, 6, 3, 5), (4, 1, 3, 5), (4, 6, 1, 5), (4, 6, 3, 1), (1, 1, 1, 1)), DTYPES):
        yield Spec(*small, dtype=dtype, flags=flags_of_sizes(*small))
