"""Refuses cases that would let a bug pass: the weakness of the LSTM vectors published elsewhere.

Constant weights hide exchanged gates and transposed matrices, zero states hide ignored ones, one
time step hides everything that is carried. A case may have such a weakness on purpose, and then it
carries the flag that says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.case import Case
from lstm_ref.params import FloatArray

EXCUSES: dict[str, tuple[str, ...]] = {
    "saturated": ("large-values",),
    "large": ("large-values",),
    "huge-x": ("large-values",),
    "overflowing-x": ("large-values",),
    "huge-c0": ("large-values",),
    "zeros": ("repeated-values", "zero-state"),
    "zero-weights": ("repeated-values",),
    "trained-like": ("repeated-values",),
    "nan-in-one-sample": ("not-finite",),
    "nan-in-h0": ("not-finite",),
    "infinite-c0": ("not-finite",),
    "empty-batch": ("empty-batch", "zero-state", "repeated-values"),
}
"""Flag to the weaknesses that it stands for; a flag that is not here stands for the weakness of its own name."""


def weaknesses(case: Case) -> Iterator[tuple[str, str]]:
    """(the weakness, what it is in words) for everything that would let some bug pass.

    Parameters
    ----------
    case : Case
    """
    B, T, D, H = case.sizes
    for name, size in zip("BTDH", case.sizes, strict=True):
        if size == 1:
            yield f"{name}=1", f"{name} is 1"
    if B == 0:
        yield "empty-batch", "B is 0"
    if T == 2:
        yield "T=2", "T is 2: what is carried over two steps is hidden"
    if T >= 100:
        yield "long", f"T is {T}"
    if len({B, T, D, H}) < 4:
        yield "equal-sizes", f"B, T, D, H = {B}, {T}, {D}, {H} are not all different"
    h0, c0, d_h, d_c = (_joined(value) for value in (case.h0, case.c0, case.d_h, case.d_c))
    if not h0.any() and not c0.any():
        yield "zero-state", "h0 and c0 are zero"
    elif np.array_equal(h0, c0, equal_nan=True):
        yield "zero-state", "h0 equals c0"
    yield from _of_weights(case)
    cotangents = [a.ravel() for a in (_last(case), d_h, d_c) if a.any()]
    single = np.count_nonzero(case.d_output) + np.count_nonzero(d_h) + np.count_nonzero(d_c) == 1
    if single and d_h.size > 1:
        yield "one-hot", "a single cotangent is not zero"
    elif not cotangents and not case.d_output.any() and B:
        yield "no-cotangent", "every cotangent is zero"
    if len(cotangents) > len({a.tobytes() for a in cotangents}):
        yield "no-cotangent", "two cotangents are equal"
    yield from _of_mask(case)


def _joined(states: FloatArray | tuple[FloatArray, ...]) -> FloatArray:
    """The numbers of one state, or of the states of layers of different widths."""
    return np.concatenate([a.ravel() for a in states]) if isinstance(states, tuple) else states


def _last(case: Case) -> FloatArray:
    """The cotangent of what was put out last."""
    axes = case.axes["output"]
    if "t" not in axes or not case.sizes[1]:
        return case.d_output
    return np.asarray(case.d_output.take(-1, axes.index("t")))


def _of_weights(case: Case) -> Iterator[tuple[str, str]]:
    """What is weak in the input, or in the weights of some layer and direction."""
    every = {
        (k, direction): params for k, layer in enumerate(case.layers) for direction, params in layer.directions.items()
    }
    arrays = {"x": case.x}
    for (k, direction), params in every.items():
        prefix = "" if case.single else f"layers.{k}.{direction}."
        arrays |= {prefix + name: array for name, array in params.arrays.items()}
        blocks = {name: np.split(getattr(params, name), 4, axis=1) for name in ("kernel", "recurrent_kernel")}
        for name, four in blocks.items():
            if any(np.array_equal(four[j], four[k]) for j in range(4) for k in range(j)):
                yield "repeated-values", f"two gates share one block of {prefix}{name}"
        square = params.hidden_size > 1 and params.projection is None
        if square and any(np.array_equal(block, block.T) for block in blocks["recurrent_kernel"]):
            yield "repeated-values", f"a block of {prefix}recurrent_kernel is symmetric"
    for name, array in arrays.items():
        if array.size > 4 and np.unique(array).size < min(array.size // 2, 64):
            yield "repeated-values", f"{name} repeats its values"
    kernels = [params.recurrent_kernel.tobytes() for params in every.values()]
    if len(set(kernels)) < len(kernels):
        yield "repeated-values", "two layers or directions share their weights"
    values = [*arrays.values(), _joined(case.h0), _joined(case.c0)]
    if not all(np.isfinite(a).all() for a in values):
        yield "not-finite", "a value is not finite"
    elif any(np.abs(a).max(initial=0.0) > 100 for a in values):
        yield "large-values", "a value is far beyond 100"


def _of_mask(case: Case) -> Iterator[tuple[str, str]]:
    """What lets an ignored mask, or ignored factors of dropout, pass."""
    if case.mask is not None:
        if case.mask.all():
            yield "idle-mask", "every step counts"
        if len(case.mask) > 1 and (case.mask == case.mask[:1]).all():
            yield "idle-mask", "all samples have the same mask"
        if not case.mask.any(axis=1).all():
            yield "empty-row", "a sample has no step that counts"
    for k, of_layer in enumerate(case.dropout):
        for direction, dropout in of_layer.items():
            for name in ("input", "recurrent"):
                factors = getattr(dropout, name)
                if factors is not None and np.unique(factors).size == 1:
                    yield "idle-dropout", f"the {name} factors of layer {k}, {direction}, are all the same"


def unexcused(case: Case, flags: frozenset[str]) -> list[str]:
    """The weaknesses that the flags do not excuse, in words; empty for a case fit to catch bugs."""
    excused = {weakness for flag in flags for weakness in EXCUSES.get(flag, (flag,))}
    return [what for weakness, what in weaknesses(case) if weakness not in excused]
