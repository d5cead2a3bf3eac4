"""Which arrays are the kernel, the recurrent kernel and the biases: every assignment that the shapes allow.

Names of arrays are carried along to be reported. They decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice

import numpy as np

from conformance.layouts.unknown.forms import (
    CROSSWISE,
    CUDNN,
    INTERLEAVED,
    STACKED,
    Arrays,
    Form,
    split_forms,
    stacked_forms,
)
from lstm_ref.params import FloatArray

MOST_FOURS = 6000
"""Of more arrays than give so many fours, no list is made: there are too many to try."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Four gate blocks, up to their order, in one array or in four.

    Attributes
    ----------
    names : tuple of str
        One name, or four.
    form : Form
    arrays : mapping
    """

    names: tuple[str, ...]
    form: Form
    arrays: Arrays

    @cached_property
    def values(self) -> FloatArray:
        """(4, n, H), float64."""
        blocks = self.form.blocks([self.arrays[name] for name in self.names])
        return np.ascontiguousarray(blocks, dtype=np.float64)

    @property
    def split(self) -> bool:
        """Whether there is an array for each gate."""
        return len(self.names) == 4


@dataclass(frozen=True, eq=False)
class Matrices:
    """Kernel and recurrent kernel, up to the gates' order.

    Attributes
    ----------
    kernel : Blocks
        Of both together if they are joined.
    recurrent : Blocks or None
        None if they are joined.
    joined : str
        "", "xh" or "hx".
    D, H : int
    """

    kernel: Blocks
    recurrent: Blocks | None
    joined: str
    D: int
    H: int

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in use."""
        return self.kernel.names + (self.recurrent.names if self.recurrent else ())

    @property
    def independent(self) -> bool:
        """Whether the recurrent blocks are arrays of their own, whose order has to be found too."""
        return self.recurrent is not None and self.kernel.split

    @property
    def interleaved(self) -> tuple[bool, ...]:
        """Whether a bias vector that goes with the kernel is interleaved; both if it can be either."""
        if self.kernel.form.stacking == INTERLEAVED:
            return (True,)
        return (False, True) if self.kernel.form.stacking in STACKED else (False,)

    @property
    def rank(self) -> int:
        """How far from usual."""
        forms = [blocks.form for blocks in (self.kernel, self.recurrent) if blocks]
        return sum(form.rank for form in forms) + (len({form.left for form in forms}) > 1)

    @cached_property
    def values(self) -> tuple[FloatArray, FloatArray]:
        """Kernel blocks (4, D, H) and recurrent blocks (4, H, H), float64."""
        if self.recurrent is not None:
            return self.kernel.values, self.recurrent.values
        first = self.D if self.joined == "xh" else self.H
        one, other = self.kernel.values[:, :first], self.kernel.values[:, first:]
        return (one, other) if self.joined == "xh" else (other, one)


def matrices(arrays: Arrays, D: int, H: int, split: bool) -> Iterator[Matrices]:
    """Every pair of kernel and recurrent kernel, and every joined matrix, that the shapes allow.

    Parameters
    ----------
    arrays : mapping
    D, H : int
    split : bool
        Those with a matrix for each gate, or those without.
    """
    candidates = _split_candidates if split else _stacked_candidates
    for joined in candidates(arrays, D + H, H):
        if joined.form.stacking not in (CUDNN, CROSSWISE):
            for order in ("xh", "hx"):
                yield Matrices(joined, None, order, D, H)
    recurrents = list(candidates(arrays, H, H))
    for kernel in candidates(arrays, D, H):
        for recurrent in recurrents:
            if _go_together(kernel, recurrent):
                yield Matrices(kernel, recurrent, "", D, H)


def _go_together(kernel: Blocks, recurrent: Blocks) -> bool:
    one, other = kernel.form, recurrent.form
    if set(kernel.names) & set(recurrent.names):
        return False
    if one.stacking == CUDNN:
        return other.stacking == CROSSWISE and other.left
    return (one.stacking == INTERLEAVED) == (other.stacking == INTERLEAVED)


def _stacked_candidates(arrays: Arrays, n: int, H: int) -> Iterator[Blocks]:
    for name, array in arrays.items():
        for form in stacked_forms(array.shape, n, H):
            yield Blocks((name,), form, arrays)


def _split_candidates(arrays: Arrays, n: int, H: int) -> Iterator[Blocks]:
    shapes: dict[tuple[int, ...], list[str]] = {}
    for name, array in arrays.items():
        shapes.setdefault(array.shape, []).append(name)
    for shape, names in shapes.items():
        for form in split_forms(shape, n, H):
            for four in islice(combinations(names, 4), MOST_FOURS):
                yield Blocks(four, form, arrays)


def expected_shapes(D: int, H: int) -> str:
    """The shapes that would do, for people."""
    return (
        f"With D={D} and H={H} that is a kernel {(D, 4 * H)} or {(4 * H, D)} and a recurrent kernel {(H, 4 * H)} or "
        f"{(4 * H, H)}, or both in one, {(D + H, 4 * H)} or {(4 * H, D + H)}, or four of {(D, H)} or {(H, D)} and "
        f"four of {(H, H)}, or four of {(D + H, H)} or {(H, D + H)}"
    )


def looks_like(arrays: Arrays, D: int, H: int) -> str:
    """What else than an LSTM of H units arrays may be, for people; empty if nothing comes to mind."""
    shapes = {tuple(sorted(array.shape)) for array in arrays.values()}
    if {tuple(sorted((3 * H, n))) for n in (D, H)} <= shapes:
        return "three blocks of H, which a GRU has"
    rows = {max(shape) for shape in shapes if len(shape) == 2 and max(shape) % 4 == 0}
    for four in sorted(rows):
        if four > 4 * H and {tuple(sorted((four, n))) for n in (D, H)} <= shapes:
            return f"an LSTM of {four // 4} units with a projection to {H}"
    if H % 2 == 0 and any(next(matrices(arrays, D, H // 2, split), None) for split in (False, True)):
        return f"an LSTM of {H // 2} units; of an output of two directions side by side, give one half"
    return ""
