"""The biases that the arrays beside the matrices can make: none, one, two summed, one doubled, halves, one per gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from conformance.layouts.unknown.forms import Arrays
from lstm_ref.params import FloatArray

MANY = 12
"""More arrays than these, all fit to be one gate's bias, are not tried."""


class TooManyError(Exception):
    """Looking at all layouts would take too long."""


@dataclass(frozen=True)
class Part:
    """4H numbers of one array: the whole of it, or a half.

    Attributes
    ----------
    name : str
    half : int or None
        0 or 1 of an array of 8H.
    interleaved : bool
        Whether the four gates of each unit stand together.
    """

    name: str
    half: int | None
    interleaved: bool

    @property
    def words(self) -> str:
        """For people."""
        half = "" if self.half is None else f"the {('first', 'second')[self.half]} half of "
        return f"{half}{self.name!r}"

    def blocks(self, arrays: Arrays, H: int) -> FloatArray:
        """(4, H), float64."""
        vector = np.asarray(arrays[self.name], np.float64).ravel()
        if self.half is not None:
            vector = vector[4 * H * self.half :][: 4 * H]
        return vector.reshape(H, 4).T if self.interleaved else vector.reshape(4, H)

    def code(self, arrays: Arrays, H: int) -> str:
        """Python for the vector, its blocks side by side."""
        text = f"arrays[{self.name!r}]" + (".ravel()" if arrays[self.name].ndim != 1 else "")
        if self.half is not None:
            text += f"[{4 * H}:]" if self.half else f"[:{4 * H}]"
        return text + (f".reshape({H}, 4).T.ravel()" if self.interleaved else "")


@dataclass(frozen=True)
class Convention:
    """What becomes of stacked biases.

    Attributes
    ----------
    kind : str
        "none", "one", "double" or "sum".
    parts : tuple of Part
    """

    kind: str
    parts: tuple[Part, ...] = ()

    def blocks(self, arrays: Arrays, H: int) -> FloatArray:
        """(4, H), float64."""
        total = np.zeros((4, H))
        for part in self.parts:
            total = total + part.blocks(arrays, H)
        return 2 * total if self.kind == "double" else total


@dataclass(frozen=True)
class GateBias:
    """One gate's bias in arrays of its own: one array, or two to be summed.

    Attributes
    ----------
    names : tuple of str
    double : bool
    """

    names: tuple[str, ...]
    double: bool = False

    def values(self, arrays: Arrays) -> FloatArray:
        """(H,), float64."""
        total: FloatArray = np.sum([np.asarray(arrays[name], np.float64).ravel() for name in self.names], axis=0)
        return 2 * total if self.double else total

    def code(self, arrays: Arrays) -> str:
        """Python for the vector."""
        terms = [f"arrays[{name!r}]" + (".ravel()" if arrays[name].ndim != 1 else "") for name in self.names]
        return f"2 * {terms[0]}" if self.double else " + ".join(terms)


@dataclass(frozen=True, eq=False)
class Biases:
    """Every bias to be tried.

    Attributes
    ----------
    table : array (N, H)
        Every vector that some gate can have: four for each convention, then one for each `GateBias`.
    conventions : tuple of Convention
        Of stacked biases; none at all is the first.
    gates : tuple of GateBias
    rows : array (M, 4) of int
        The table's rows for the gates i, f, c, o, for every way of dealing out `gates`.
    """

    table: FloatArray
    conventions: tuple[Convention, ...]
    gates: tuple[GateBias, ...]
    rows: npt.NDArray[np.intp]


def biases(arrays: Arrays, H: int, interleaved: tuple[bool, ...], split: bool) -> Biases:
    """Every bias that the arrays can make.

    Parameters
    ----------
    arrays : mapping
        Those that no matrix uses.
    H : int
    interleaved : tuple of bool
        Whether vectors can be interleaved, not interleaved, or both.
    split : bool
        Whether the matrices are one for each gate, so that the biases may be too.
    """
    conventions = tuple(_conventions(arrays, H, interleaved))
    gates, dealt = _per_gate([n for n, array in arrays.items() if split and _is_vector(array.shape, H)])
    table = [convention.blocks(arrays, H) for convention in conventions]
    table += [gate.values(arrays)[None] for gate in gates]
    first = 4 * len(conventions)
    rows = np.array(dealt, dtype=np.intp).reshape(-1, 4) + first
    return Biases(np.concatenate(table), conventions, tuple(gates), rows)


def _is_vector(shape: tuple[int, ...], length: int) -> bool:
    """Whether it is a vector, a column, or a row behind any number of axes of 1."""
    return int(np.prod(shape)) == length and sum(n != 1 for n in shape) <= 1 and len(shape) > 0


def _conventions(arrays: Arrays, H: int, interleaved: tuple[bool, ...]) -> Iterator[Convention]:
    yield Convention("none")
    whole: list[Part] = []
    for name, array in arrays.items():
        inner = array.shape[1:] if array.ndim > 1 and array.shape[0] == 1 else array.shape
        orders: set[bool] = set()
        if _is_vector(array.shape, 4 * H):
            orders |= set(interleaved)
        if inner == (4, H):
            orders.add(False)
        if inner == (H, 4):
            orders.add(True)
        for order in sorted(orders if H > 1 else {False} & orders):
            whole.append(Part(name, None, order))
        if _is_vector(array.shape, 8 * H) or inner in ((2, 4 * H), (2, 4, H)):
            for order in interleaved:
                halves = (Part(name, 0, order), Part(name, 1, order))
                yield Convention("sum", halves)
                yield from (Convention("one", (half,)) for half in halves)
    yield from (Convention("one", (part,)) for part in whole)
    for one, other in combinations(whole, 2):
        if one.name != other.name and one.interleaved == other.interleaved:
            yield Convention("sum", (one, other))
    yield from (Convention("double", (part,)) for part in whole)


def _per_gate(names: list[str]) -> tuple[list[GateBias], list[tuple[int, ...]]]:
    if len(names) < 4:
        return [], []
    if len(names) > MANY:
        raise TooManyError
    gates = [GateBias((name,)) for name in names]
    dealt: list[tuple[int, ...]] = list(permutations(range(len(names)), 4))
    if len(names) == 8:
        pairs = list(combinations(range(8), 2))
        gates += [GateBias((names[one], names[other])) for one, other in pairs]
        number = {pair: 8 + index for index, pair in enumerate(pairs)}
        for a, b, c, d, e, f, g, h in permutations(range(8)):
            if a < b and c < d and e < f and g < h:
                dealt.append((number[a, b], number[c, d], number[e, f], number[g, h]))
    first = len(gates)
    gates += [GateBias((name,), double=True) for name in names]
    dealt += [tuple(first + index for index in four) for four in permutations(range(len(names)), 4)]
    return gates, dealt
