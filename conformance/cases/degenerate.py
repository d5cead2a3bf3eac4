"""Refuses cases that would let a bug pass: the weakness of the LSTM vectors published elsewhere.

Constant weights hide exchanged gates and transposed matrices, zero states hide ignored ones, one
time step hides everything that is carried. A case may have such a weakness on purpose, and then it
carries the flag that says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.case import Case

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
    if not case.h0.any() and not case.c0.any():
        yield "zero-state", "h0 and c0 are zero"
    elif np.array_equal(case.h0, case.c0, equal_nan=True):
        yield "zero-state", "h0 equals c0"

    params = case.params
    arrays = {"x": case.x, "kernel": params.kernel, "recurrent_kernel": params.recurrent_kernel}
    if params.bias is not None:
        arrays["bias"] = params.bias
    for name, array in arrays.items():
        if array.size > 4 and np.unique(array).size < min(array.size // 2, 64):
            yield "repeated-values", f"{name} repeats its values"
    for name in ("kernel", "recurrent_kernel"):
        blocks = np.split(arrays[name], 4, axis=1)
        if any(np.array_equal(blocks[j], blocks[k]) for j in range(4) for k in range(j)):
            yield "repeated-values", f"two gates share one block of {name}"
    if H > 1 and any(np.array_equal(block, block.T) for block in np.split(params.recurrent_kernel, 4, axis=1)):
        yield "repeated-values", "a block of recurrent_kernel is symmetric"
    cotangents = [a for a in (case.d_output[:, -1:], case.d_h[:, None], case.d_c[:, None]) if a.any()]
    single = np.count_nonzero(case.d_output) + np.count_nonzero(case.d_h) + np.count_nonzero(case.d_c) == 1
    if single and case.d_h.size > 1:
        yield "one-hot", "a single cotangent is not zero"
    elif not cotangents and not case.d_output.any() and B:
        yield "no-cotangent", "every cotangent is zero"
    if len(cotangents) > len({a.tobytes() for a in cotangents}):
        yield "no-cotangent", "two cotangents are equal"
    values = [*arrays.values(), case.h0, case.c0]
    if not all(np.isfinite(a).all() for a in values):
        yield "not-finite", "a value is not finite"
    elif any(np.abs(a).max(initial=0.0) > 100 for a in values):
        yield "large-values", "a value is far beyond 100"


def unexcused(case: Case, flags: frozenset[str]) -> list[str]:
    """The weaknesses that the flags do not excuse, in words; empty for a case fit to catch bugs."""
    excused = {weakness for flag in flags for weakness in EXCUSES.get(flag, (flag,))}
    return [what for weakness, what in weaknesses(case) if weakness not in excused]
