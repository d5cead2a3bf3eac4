"""What the backward pass of the plain cell needs of its forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_ref.params import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Tape:
    """What the backward pass needs of the forward pass.

    Attributes
    ----------
    x : array (T, B, D)
        Samples are rows: those of all steps are one matrix, and its transpose is a view.
    cells : array (T + 1, 5, H, B)
        Of each step o, i, f, −g and the c before it, as in `lstm_ref.cell.views`; of the last only c.
    tanh_c : array (T, H, B)
        tanh of the c after each step; of a masked one, of what it would have been.
    h : array (T + 1, H, B)
        Index 0 is the initial one.
    masked : array (T, B) of bool, or None
        True where a step does not count; None where all do.
    """

    x: FloatArray
    cells: FloatArray
    tanh_c: FloatArray
    h: FloatArray
    masked: npt.NDArray[np.bool_] | None

    @classmethod
    def empty(cls, T: int, B: int, D: int, H: int, dtype: np.dtype[Any], masks: bool) -> Tape:
        """Memory for `T` steps, uninitialised; `masks` tells whether for a mask, too."""
        x, cells, tanh_c, h = memory(dtype, (T, B, D), (T + 1, 5, H, B), (T, H, B), (T + 1, H, B))
        return cls(x, cells, tanh_c, h, np.empty((T, B), np.bool_) if masks else None)

    @property
    def c(self) -> FloatArray:
        """The cell states, array (T + 1, H, B); a view."""
        return self.cells[:, 4]

    def part(self, start: int, stop: int) -> Tape:
        """The tape of some steps; a view."""
        steps, states = slice(start, stop), slice(start, stop + 1)
        masked = None if self.masked is None else self.masked[steps]
        return Tape(self.x[steps], self.cells[states], self.tanh_c[steps], self.h[states], masked)

    def begin(self, h: FloatArray, c: FloatArray) -> None:
        """Set the initial state."""
        self.h[0], self.c[0] = h, c


def memory(dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> list[FloatArray]:
    """Arrays in one piece of memory, uninitialised.

    The C library (glibc, up to 32 MiB) keeps what it was given back as long as that is not much more than the
    largest piece it has seen; of many pieces it returns the pages, and the next call pays for every page anew.
    """
    ends = [0, *accumulate(map(prod, shapes))]
    whole = np.empty(ends[-1], dtype)
    return [whole[start:stop].reshape(shape) for (start, stop), shape in zip(pairwise(ends), shapes, strict=True)]
