"""One array, or four, as four gate blocks (n, H), up to their order: the ways of stacking, and the Python for each.

A block acts from the right, as in ``x @ block``; n is D for a kernel, H for a recurrent kernel, D + H for both in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_ref.params import FloatArray

Arrays = Mapping[str, np.ndarray[Any, Any]]

PLAIN = "side by side"
INTERLEAVED = "interleaved"
CROSSWISE = "crosswise"
CUDNN = "cuDNN"
STACKED = ("axis 0", "axis 1", "axis 2")
SPLIT = "one array each"

WORDS = {
    PLAIN: ("four blocks side by side, acting from the right", "four blocks one above the other, acting from the left"),
    INTERLEAVED: (
        "the four gates of each unit side by side, acting from the right",
        "the four gates of each unit one above the other, acting from the left",
    ),
    CROSSWISE: (
        "four blocks one above the other, each acting from the right",
        "four blocks side by side, each acting from the left",
    ),
    CUDNN: ("cuDNN's memory, as Keras 2's CuDNNLSTM keeps it",) * 2,
    **{
        name: (
            f"a gate for each index of {name}, acting from the right",
            f"a gate for each index of {name}, acting from the left",
        )
        for name in STACKED
    },
    SPLIT: ("a matrix for each gate, acting from the right", "a matrix for each gate, acting from the left"),
}
"""What each stacking is called, by whether the blocks act from the right or from the left."""


@dataclass(frozen=True)
class Form:
    """How arrays hold four blocks (n, H).

    Attributes
    ----------
    stacking : str
        A key of `WORDS`.
    left : bool
        Whether the blocks act from the left, and so have to be transposed.
    leading : bool
        Whether there is an axis of length 1 in front, as in ONNX.
    n, H : int
    """

    stacking: str
    left: bool
    leading: bool
    n: int
    H: int

    @property
    def rank(self) -> int:
        """How far from usual: of two forms that mean the same numbers, the lower is named."""
        return (PLAIN, SPLIT, *STACKED, CROSSWISE, INTERLEAVED, CUDNN).index(self.stacking)

    @property
    def words(self) -> str:
        """For people."""
        return WORDS[self.stacking][self.left] + (", behind a first axis of length 1" if self.leading else "")

    def blocks(self, arrays: Sequence[np.ndarray[Any, Any]]) -> FloatArray:
        """The blocks, (4, n, H)."""
        n, H = self.n, self.H
        given = [np.asarray(a[0] if self.leading else a) for a in arrays]
        if self.stacking == SPLIT:
            return np.stack([a.T if self.left else a for a in given])
        array = given[0]
        if self.stacking in STACKED:
            moved = np.moveaxis(array, STACKED.index(self.stacking), 0)
            return moved.swapaxes(1, 2) if self.left else moved
        array = array.T if self.left else array
        if self.stacking == PLAIN:
            return array.reshape(n, 4, H).swapaxes(0, 1)
        if self.stacking == INTERLEAVED:
            return np.moveaxis(array.reshape(n, H, 4), 2, 0)
        if self.stacking == CROSSWISE:
            return array.reshape(4, n, H)
        return np.stack([block.reshape(H, n).T for block in np.split(array, 4, axis=1)])

    def code(self, names: Sequence[str]) -> str:
        """Python for the blocks side by side, (n, 4H), out of a mapping ``arrays``."""
        n, H = self.n, self.H
        index = "[0]" if self.leading else ""
        turn = ".T" if self.left else ""
        if self.stacking == SPLIT:
            listed = ", ".join(repr(name) for name in names)
            return f"np.concatenate([arrays[name]{index}{turn} for name in ({listed})], axis=1)"
        array = f"arrays[{names[0]!r}]{index}"
        if self.stacking in STACKED:
            axis = STACKED.index(self.stacking)
            moved = f"np.moveaxis({array}, {axis}, 0)" if axis else array
            return f"np.concatenate([block{turn} for block in {moved}], axis=1)"
        array += turn
        if self.stacking == PLAIN:
            return array
        if self.stacking == INTERLEAVED:
            return f"{array}.reshape({n}, {H}, 4).swapaxes(1, 2).reshape({n}, {4 * H})"
        if self.stacking == CROSSWISE:
            return f"np.concatenate(np.split({array}, 4), axis=1)"
        return f"np.concatenate([block.reshape({H}, {n}).T for block in np.split({array}, 4, axis=1)], axis=1)"


def stacked_forms(shape: tuple[int, ...], n: int, H: int) -> Iterator[Form]:
    """How one array of this shape can hold four blocks (n, H)."""
    for leading, inner in _with_and_without_leading(shape):
        if len(inner) == 2:
            for left in (False, True):
                if (inner[::-1] if left else inner) == (n, 4 * H):
                    yield Form(PLAIN, left, leading, n, H)
                    if H > 1:
                        yield Form(INTERLEAVED, left, leading, n, H)
                    if not left and n != H and n > 1 and H > 1:  # of square blocks it is crosswise
                        yield Form(CUDNN, left, leading, n, H)
                if (inner[::-1] if left else inner) == (4 * n, H) and n * H > 1:
                    yield Form(CROSSWISE, left, leading, n, H)
        elif len(inner) == 3:
            for axis, length in enumerate(inner):
                if length == 4:
                    rest = inner[:axis] + inner[axis + 1 :]
                    for left in (False, True):
                        if (rest[::-1] if left else rest) == (n, H):
                            yield Form(STACKED[axis], left, leading, n, H)


def split_forms(shape: tuple[int, ...], n: int, H: int) -> Iterator[Form]:
    """How four arrays of this shape can be a block (n, H) each."""
    for leading, inner in _with_and_without_leading(shape):
        if len(inner) == 2:
            for left in (False, True):
                if (inner[::-1] if left else inner) == (n, H):
                    yield Form(SPLIT, left, leading, n, H)


def _with_and_without_leading(shape: tuple[int, ...]) -> Iterator[tuple[bool, tuple[int, ...]]]:
    yield False, shape
    if len(shape) > 2 and shape[0] == 1:
        yield True, shape[1:]
