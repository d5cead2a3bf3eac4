"""A recorded run, and the ways of reading its axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.errors import LayoutError
from lstm_ref.params import FloatArray

INPUTS = ("x", "h0", "c0")
RESULTS = ("output", "h", "c")
AXES = {1: ("f",), 2: ("tf", "bf", "ft", "fb"), 3: ("btf", "tbf", "tfb", "fbt", "ftb", "bft")}
"""The orders in which the axes of x can stand: b (batch), t (time) and f (features); the usual ones first."""

STEPS = 1000
"""So many steps are enough to tell layouts apart, where the output of every step is known."""
SAMPLES = 8

TOLERANCES = {"float64": 1e-9, "float32": 2e-5, "float16": 1e-2, "bfloat16": 4e-2}
"""The allowed error as a share of the largest recorded number, by the precision of the results.

Layouts that are not the right one err by a tenth or so. In float32 PyTorch, Keras and lstm_ref differ by
up to 1e-5 over hundreds of steps.
"""


@dataclass(frozen=True, eq=False)
class Reading:
    """A recorded run, its axes read in one way.

    Attributes
    ----------
    axes : str
        Of x, as it was given.
    x : array (B, T, D), float64
    h0, c0 : array (B, H), float64
    known : dict
        "output" as (B, T, H), or (B, H) if it is the last step's; "h" and "c" as (B, H); float64.
    """

    axes: str
    x: FloatArray
    h0: FloatArray
    c0: FloatArray
    known: dict[str, FloatArray]

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(B, T, D, H)."""
        B, T, D = self.x.shape
        return B, T, D, int(self.h0.shape[1])

    @property
    def from_zero(self) -> bool:
        """Whether the run starts from a state of zeros."""
        return not (self.h0.any() or self.c0.any())

    @property
    def steps(self) -> FloatArray | None:
        """The output after every step, (B, T, H), if that is known."""
        for name in ("output", "h"):
            array = self.known.get(name)
            if array is not None and (array.ndim == 3 or self.x.shape[1] == 1):
                return array.reshape(len(array), self.x.shape[1], -1)
        return None

    def scale(self, name: str) -> float:
        """The largest magnitude among the known numbers of one kind; 1 if they are all zero."""
        return float(np.abs(self.known[name]).max()) or 1.0

    @property
    def work(self) -> int:
        """Multiplications of one run."""
        B, T, D, H = self.sizes
        return B * T * (D + H) * 4 * H

    def first(self, samples: int, steps: int) -> Reading:
        """The first samples and, where every step's output is known, the first steps."""
        rows = slice(0, samples)
        x, known = self.x[rows], {name: array[rows] for name, array in self.known.items()}
        if x.shape[1] > steps and self.steps is not None:
            x, known = x[:, :steps], {"output": self.steps[rows, :steps]}
        return replace(self, x=x, h0=self.h0[rows], c0=self.c0[rows], known=known)

    def short(self, work: float) -> Reading:
        """As much of it as takes so many multiplications, and as is enough to decide."""
        one = self.first(1, STEPS)
        share = work / one.work
        return self.first(int(np.clip(share, 1, SAMPLES)), int(np.clip(share * one.sizes[1], 1, STEPS)))

    def backwards(self, output_too: bool) -> Reading:
        """The same run with time the other way round: that of x, and if so asked that of the output."""
        known = {n: array[:, ::-1] if output_too and array.ndim == 3 else array for n, array in self.known.items()}
        return replace(self, x=self.x[:, ::-1], known=known)

    def starting_from_zero(self) -> Reading:
        """The same run without its initial state."""
        return replace(self, h0=np.zeros_like(self.h0), c0=np.zeros_like(self.c0))

    def same(self, other: Reading) -> bool:
        """Whether all numbers are the same, though axes of length 1 may be others."""
        one, two = ([run.h0, run.c0, *run.known.values()] for run in (self, other))
        pairs = zip(one, two, strict=True)
        return np.array_equal(self.x, other.x) and all(np.array_equal(a.ravel(), b.ravel()) for a, b in pairs)


def readings(arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[Reading]:
    """Every way in which the axes of a recorded run fit together.

    Parameters
    ----------
    arrays : mapping
        x, and some of output, h, c, h0, c0. Axes of length 1 may be there or not.

    Raises
    ------
    LayoutError
        If there is none, or a name is missing.
    """
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if "x" not in arrays:
        raise LayoutError("the known run has no x. Give the input as x, and what came out as output, h or c.")
    if not any(name in arrays for name in RESULTS):
        raise LayoutError("the known run has neither output nor h nor c. Give at least one that belongs to x.")
    for name, array in arrays.items():
        if not array.size:
            raise LayoutError(f"{name} has shape {array.shape} and holds no number.")
        if not np.isfinite(array).all():
            raise LayoutError(f"{name} holds NaN or infinity. Give a run whose numbers are all finite.")
    x = arrays["x"]
    if x.ndim not in AXES:
        raise LayoutError(f"x has shape {x.shape}, expected (B, T, D), (T, B, D) or, of one sequence, (T, D).")
    found: list[Reading] = []
    for axes in AXES[x.ndim]:
        for every_step in (True, False):  # an output can be the last step's alone
            reading = _read(axes, arrays, every_step)
            if reading is not None and not any(reading.same(other) for other in found):
                found.append(reading)
    if not found:
        raise LayoutError(
            f"the known run does not fit together: {shapes}. Expected x (B, T, D), output (B, T, H), or both "
            "time-major; h, c, h0, c0 (B, H); one H for all. Of two directions or several layers, give one."
        )
    return found


def _read(axes: str, arrays: Mapping[str, np.ndarray[Any, Any]], every_step: bool) -> Reading | None:
    """The run with the axes of x, and of the output if it is that of every step, in this order; None if it has none."""
    order = "".join(axis for axis in "bt" if axis not in axes) + axes
    x = arrays["x"].reshape((1,) * (3 - len(axes)) + arrays["x"].shape).transpose([order.index(axis) for axis in "btf"])
    known: dict[str, FloatArray] = {}
    for name, array in arrays.items():
        if name != "x":
            placed = _place(array, order if name == "output" and every_step else order.replace("t", ""), x.shape)
            if placed is None:
                return None
            known[name] = placed
    units = {array.shape[-1] for array in known.values()}
    if len(units) > 1:
        return None
    zeros = np.zeros((len(x), units.pop()))
    h0, c0 = (known.pop(name, zeros) for name in ("h0", "c0"))
    return Reading(axes, x.astype(np.float64), h0, c0, known)


def _place(array: np.ndarray[Any, Any], order: str, sizes: tuple[int, ...]) -> FloatArray | None:
    """An array whose axes are in this order as (b, t, f) or (b, f); None if its shape is another."""
    length = dict(zip("bt", sizes, strict=False))
    length["f"] = array.size // math.prod(length[axis] for axis in order if axis != "f")
    expected = [length[axis] for axis in order]
    if array.size != math.prod(expected) or without_ones(array.shape) != without_ones(expected):
        return None
    return array.astype(np.float64).reshape(expected).transpose([order.index(axis) for axis in "btf" if axis in order])


def without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without its axes of length 1."""
    return tuple(n for n in shape if n != 1)
