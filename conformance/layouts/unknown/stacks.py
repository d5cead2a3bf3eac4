"""Four gate blocks out of the arrays at hand: every role that shapes allow, with the Python that makes it.

Names of arrays are carried along to be reported. They decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, prod

import numpy as np
import numpy.typing as npt

from conformance.layouts.unknown.recording import without_ones
from lstm_ref.params import FloatArray

RIGHT, LEFT = "acting from the right", "acting from the left"
CUDNN = "n gh cuDNN"
FORMS = {
    "n gh": f"four blocks side by side, {RIGHT}",
    "gh n": f"four blocks one above the other, {LEFT}",
    "n h": f"a matrix for each gate, {RIGHT}",
    "h n": f"a matrix for each gate, {LEFT}",
    "g n h": f"a gate for each index of axis 0, {RIGHT}",
    "g h n": f"a gate for each index of axis 0, {LEFT}",
    "n g h": f"a gate for each index of axis 1, {RIGHT}",
    "h g n": f"a gate for each index of axis 1, {LEFT}",
    "n h g": f"a gate for each index of axis 2, {RIGHT}",
    "h n g": f"a gate for each index of axis 2, {LEFT}",
    "gn h": f"four blocks one above the other, each {RIGHT}",
    "h gn": f"four blocks side by side, each {LEFT}",
    "n hg": f"the four gates of each unit side by side, {RIGHT}",
    "hg n": f"the four gates of each unit one above the other, {LEFT}",
    CUDNN: "cuDNN's memory, as Keras 2's CuDNNLSTM keeps it",
}
"""How an array can hold blocks that act as ``x @ block``, the usual ones first.

A word stands for each axis, with its letters in the order of memory: g the gates, n the rows of a block (D for a
kernel, H for a recurrent kernel, D + H for both in one), h its units. Without g, it is one of four arrays.
"""

BIASES = ("sum", "halves", "one", "none", "double")
"""What becomes of arrays that may be biases: two are added, or an array's two halves; one, none; one counts twice."""

MOST_FOURS = 6000
"""Of more arrays of one shape than give so many fours, no list is made."""


class TooManyError(Exception):
    """Looking at all layouts would take too long."""


@dataclass(frozen=True, eq=False)
class Traced:
    """Numbers out of a mapping ``arrays``, and how they come out of it.

    Attributes
    ----------
    values : array
        float64.
    code, words : str
        For Python and for people.
    names : tuple of str
        The arrays in use.
    """

    values: FloatArray
    code: str
    words: str
    names: tuple[str, ...]

    def call(self, method: str, *arguments: int) -> Traced:
        """What a method of the array gives."""
        text = f".{method}({', '.join(map(str, arguments))})".replace(".transpose()", ".T")
        return replace(self, values=getattr(self.values, method)(*arguments), code=self.code + text)

    def ravel(self) -> Traced:
        """The same along one axis."""
        return self if self.values.ndim == 1 else self.call("ravel")

    def rows(self, start: int | None, stop: int | None) -> Traced:
        """Some of the rows."""
        text = f"[{start or ''}:{stop or ''}]"
        return replace(self, values=self.values[start:stop], code=self.code + text)

    def __add__(self, other: Traced) -> Traced:
        values, names = self.values + other.values, self.names + other.names
        return Traced(values, f"{self.code} + {other.code}", f"{self.words} plus {other.words}", names)

    def twice(self) -> Traced:
        """The same counted twice."""
        return replace(self, values=2 * self.values, code=f"2 * {self.code}", words=f"twice {self.words}")


Arrays = Mapping[str, Traced]


def traced(arrays: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
    """Every array as it is."""
    return {n: Traced(np.asarray(a, np.float64), f"arrays[{n!r}]", repr(n), (n,)) for n, a in arrays.items()}


@dataclass(frozen=True, eq=False)
class Stack:
    """Four gate blocks, up to their order.

    Attributes
    ----------
    form : str
        Of a matrix a key of `FORMS`, of a bias one of `BIASES`.
    parts : tuple of Traced
        All blocks side by side, (n, 4H) or of a bias (4H,); or one for each gate.
    words : str
        For people, without the names of one array for each gate.
    by_unit : bool
        Of a bias, whether the four gates of each unit stand side by side.
    """

    form: str
    parts: tuple[Traced, ...]
    words: str
    by_unit: bool = False

    @property
    def split(self) -> bool:
        """Whether there is an array, or more of them, for each gate."""
        return len(self.parts) == 4

    @property
    def left(self) -> bool:
        """Whether blocks of a matrix act from the left, and so have been transposed."""
        return self.form.index("h") < self.form.index("n")

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in use."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def rank(self) -> int:
        """How far from usual: of two that mean the same numbers, the lower is named."""
        return BIASES.index(self.form) if self.form in BIASES else list(FORMS).index(self.form) // 2

    @property
    def values(self) -> FloatArray:
        """(4, n, H), or (4, H) of a bias."""
        blocks = [part.values for part in self.parts] if self.split else np.split(self.parts[0].values, 4, axis=-1)
        return np.stack(blocks)

    def rows(self, start: int | None, stop: int | None) -> Stack:
        """Some rows of every block."""
        return replace(self, parts=tuple(part.rows(start, stop) for part in self.parts))


@dataclass(frozen=True, eq=False)
class Matrices:
    """Kernel and recurrent kernel, up to the gates' order.

    Attributes
    ----------
    kernel, recurrent : Stack
    joined : str
        "xh" or "hx" if both are rows of the same arrays, else empty.
    """

    kernel: Stack
    recurrent: Stack
    joined: str = ""

    @property
    def both(self) -> dict[str, Stack]:
        """What is kept apart, by what it is called."""
        apart = {"kernel": self.kernel, "recurrent kernel": self.recurrent}
        return {"both kernels": self.kernel} if self.joined else apart

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in use."""
        return tuple(name for stack in self.both.values() for name in stack.names)

    @property
    def independent(self) -> bool:
        """Whether the recurrent blocks are arrays of their own, whose order has to be found too."""
        return self.kernel.split and not self.joined

    @property
    def rank(self) -> int:
        """How far from usual."""
        stacks = self.both.values()
        return sum(stack.rank for stack in stacks) + (len({stack.left for stack in stacks}) > 1)


def matrices(arrays: Arrays, D: int, H: int, split: bool) -> Iterator[Matrices]:
    """Every pair of kernel and recurrent kernel, and every joined matrix, that the shapes allow.

    Parameters
    ----------
    arrays : mapping
    D, H : int
    split : bool
        Those with a matrix for each gate, or those without.
    """
    for stack in _stacks(arrays, D + H, H, split):
        if stack.form not in (CUDNN, "gn h", "h gn"):
            yield Matrices(stack.rows(None, D), stack.rows(D, None), "xh")
            yield Matrices(stack.rows(H, None), stack.rows(None, H), "hx")
    recurrents = list(_stacks(arrays, H, H, split))
    for kernel in _stacks(arrays, D, H, split):
        for recurrent in recurrents:
            if _go_together(kernel, recurrent):
                yield Matrices(kernel, recurrent)


def _go_together(kernel: Stack, recurrent: Stack) -> bool:
    if set(kernel.names) & set(recurrent.names):
        return False
    if kernel.form == CUDNN:
        return recurrent.form == "h gn"
    return ("hg" in kernel.form) == ("hg" in recurrent.form)


def _stacks(arrays: Arrays, n: int, H: int, split: bool) -> Iterator[Stack]:
    """Every four blocks (n, H) in one array, or in one each."""
    found: dict[tuple[str, str], list[Traced]] = {}
    for array in arrays.values():
        inner = {"": array}
        if array.values.ndim > 2 and len(array.values) == 1:  # as in ONNX
            inner[", behind a first axis of length 1"] = array.call("squeeze", 0)
        for leading, each in inner.items():
            for form, part in _in_forms(each, n, H).items():
                if split != ("g" in form):
                    found.setdefault((form, leading), []).append(part)
    for (form, leading), parts in found.items():
        for chosen in _fours(parts) if split else combinations(parts, 1):
            named = "" if split else f"{chosen[0].words}, "
            yield Stack(form, chosen, named + FORMS[form] + leading)


def _fours(parts: list[Traced]) -> Iterable[tuple[Traced, ...]]:
    if comb(len(parts), 4) > MOST_FOURS:
        raise TooManyError
    return combinations(parts, 4)


def _in_forms(array: Traced, n: int, H: int) -> dict[str, Traced]:
    """The blocks side by side, (n, 4H), or the one block, (n, H), in every form that the shape allows."""
    length = {"g": 4, "n": n, "h": H}
    found: dict[str, Traced] = {}
    seen = set()
    for form in FORMS:
        axes = form.removesuffix(" cuDNN").split()
        in_memory = "".join(letter for letter in "".join(axes) if length[letter] > 1)
        if form == CUDNN:  # of square blocks it is "h gn"
            in_memory = "hgn" if n == H else in_memory if 1 in (n, H) else form
        if array.values.shape == tuple(prod(length[letter] for letter in axis) for axis in axes):
            if in_memory not in seen:
                found[form] = _side_by_side(array, form, length)
            seen.add(in_memory)
    return found


def _side_by_side(array: Traced, form: str, length: Mapping[str, int]) -> Traced:
    n, H = length["n"], length["h"]
    if form in ("n gh", "n h"):
        return array
    if form in ("gh n", "h n"):
        return array.call("transpose")
    order = form.replace(" ", "")
    if form == CUDNN:
        array, order = array.call("reshape", n, 4, H).call("transpose", 1, 0, 2), "ghn"
    array = array.call("reshape", *(length[letter] for letter in order))
    return array.call("transpose", *(order.index(letter) for letter in "ngh")).call("reshape", n, 4 * H)


def biases(arrays: Arrays, H: int, kernel: Stack) -> list[Stack]:
    """Every bias that the arrays can make; none at all is the first.

    Parameters
    ----------
    arrays : mapping
        Those that no matrix uses.
    H : int
    kernel : Stack
        The bias may be in one array for each gate, or have the gates of each unit side by side, as this one is.
    """
    found = [Stack("none", (Traced(np.zeros(4 * H), "None", "none", ()),), "none")]
    for by_unit in (False, True) if H > 1 else (False,):
        like_kernel = by_unit == ("hg" in kernel.form) or len(kernel.form.split()) == 3
        vectors = list(_vectors(arrays, H, by_unit, like_kernel))
        whole = [vector for form, vector in vectors if form == "one"]
        vectors += [("sum", one + other) for one, other in combinations(whole, 2)]
        vectors += [("double", vector.twice()) for vector in whole]
        said = ", the four gates of each unit side by side" if by_unit else ""
        found += [Stack(form, (part,), part.words + said, by_unit) for form, part in vectors]
    if kernel.split:
        single = [a.ravel() for a in arrays.values() if without_ones(a.values.shape) == without_ones((H,))]
        found += [Stack("one", four, "") for four in _fours(single)]
        if len(single) == 8:
            found += [Stack("sum", pairs, "") for pairs in _paired(single)]
        found += [Stack("double", four, "") for four in _fours([vector.twice() for vector in single])]
    return found


def _vectors(arrays: Arrays, H: int, by_unit: bool, like_kernel: bool) -> Iterator[tuple[str, Traced]]:
    """Arrays of 4H numbers, and the sums of the halves of those of 8H; axes of 4 and H fit whatever the kernel is."""
    for array in arrays.values():
        shape = without_ones(array.values.shape)
        form, vector = "one", array
        if like_kernel and shape in ((8 * H,), (2, 4 * H), (2, 4, H)):
            words = f"the first half of {array.words} plus the second half of {array.words}"
            form, vector = "halves", replace(array.call("reshape", 2, 4 * H).call("sum", 0), words=words)
        elif shape != without_ones((H, 4) if by_unit else (4, H)) and not (like_kernel and shape == (4 * H,)):
            continue
        yield form, (vector.call("reshape", H, 4).call("transpose") if by_unit else vector).ravel()


def _paired(vectors: Sequence[Traced]) -> Iterator[tuple[Traced, ...]]:
    """Every way of adding them two by two."""
    if not vectors:
        yield ()
    for n in range(1, len(vectors)):
        for others in _paired([*vectors[1:n], *vectors[n + 1 :]]):
            yield (vectors[0] + vectors[n], *others)
