"""Constructed cases, each of which hides some part of an LSTM and shows the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.draw import Draw
from conformance.trial.declare import reduced
from lstm_ref import LSTMParams
from lstm_ref.params import GATES, FloatArray

SHUT = -60.0
"""A logit at which a gate is as good as 0: its sigmoid is below every roundoff."""

BOUNDS = ((1.0, 1.0, 1.0), (1.0, 16.0, 1.0), (2.0, 1.0, 64.0))
"""How large random weights are, the inputs and states, and the cotangents: what is clipped shows in large ones."""


def drawn(
    dtype: str, B: int = 2, T: int = 1, D: int = 3, H: int = 4, without: frozenset[str] = frozenset(), number: int = 0
) -> Case:
    """A case of these sizes with everything random, less what a candidate cannot take; of many, some have larger numbers."""
    draw = Draw(f"probe-{B}-{T}-{D}-{H}" + f"-{number}" * bool(number))
    shapes = {
        "x": (B, T, D), "h0": (B, H), "c0": (B, H), "d_output": (B, T, H), "d_h": (B, H), "d_c": (B, H),
        "kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,),
    }  # fmt: skip
    bounds = [BOUNDS[number % len(BOUNDS)][0 if name in _WEIGHTS else 1 + name.startswith("d_")] for name in shapes]
    a: dict[str, Any] = {
        name: draw.uniform(bound, *shape).astype(dtype)
        for bound, (name, shape) in zip(bounds, shapes.items(), strict=True)
    }
    params = LSTMParams(*(a.pop(name) for name in ("kernel", "recurrent_kernel", "bias")))
    return reduced(Case(f"probe-b{B}-t{T}-d{D}-h{H}-{dtype}", np.dtype(dtype), params=params, **a), without)


def with_weights(case: Case, **weights: FloatArray) -> Case:
    """The case with other weights; a bias that the candidate cannot take stays away."""
    if case.params.bias is None:
        weights.pop("bias", None)
    return replace(case, params=replace(case.params, **weights))


def zeroed(case: Case, *names: str) -> Case:
    """The case with some of its arrays zero."""
    p = case.params
    weights = {
        name: np.zeros_like(getattr(p, name))
        for name in ("kernel", "recurrent_kernel", "bias")
        if name in names and getattr(p, name) is not None
    }
    return with_weights(
        replace(case, **{n: np.zeros_like(getattr(case, n)) for n in names if n not in _WEIGHTS}), **weights
    )


_WEIGHTS = ("kernel", "recurrent_kernel", "bias")


def without_layout(dtype: str, without: frozenset[str]) -> Case:
    """A case in which no layout of the weights can be wrong: one unit, one feature, all weights equal, no bias."""
    weight = np.full((1, 4), 0.75, dtype)
    case = drawn(dtype, 2, 3, 1, 1, without)
    return with_weights(case, kernel=weight, recurrent_kernel=weight.copy(), bias=np.zeros(4, dtype))


def same_blocks(case: Case) -> Case:
    """The case with the input gate's weights for every gate: in which order blocks are read does not show."""
    p = case.params
    every = {
        name: np.concatenate([_block(getattr(p, name), 0)] * 4, axis=-1)
        for name in _WEIGHTS
        if getattr(p, name) is not None
    }
    return with_weights(case, **every)


def one_block(case: Case, gate: str) -> Case:
    """The case with the same weights for every gate but one, which has its own."""
    own, same = case.params, same_blocks(case).params
    place = GATES.index(gate)
    mixed = {}
    for name in _WEIGHTS:
        if getattr(own, name) is not None:
            blocks = np.split(getattr(same, name), 4, axis=-1)
            blocks[place] = -_block(getattr(own, name), place)
            mixed[name] = np.concatenate(blocks, axis=-1)
    return with_weights(case, **mixed)


def forget_shut(case: Case) -> Case:
    """The case with the forget gate shut, so that c is carried nowhere; needs a bias."""
    p = case.params
    if p.bias is None:
        raise ValueError("a gate is shut by its bias")
    blocks = np.split(p.bias, 4)
    blocks[1] = np.full_like(blocks[1], SHUT)
    matrices = {name: _emptied(getattr(p, name)) for name in ("kernel", "recurrent_kernel")}
    return with_weights(case, bias=np.concatenate(blocks), **matrices)


def symmetric(case: Case) -> Case:
    """The case with a recurrent kernel whose blocks are symmetric: transposing them does not show."""
    blocks = [block + block.T for block in np.split(case.params.recurrent_kernel, 4, axis=-1)]
    return with_weights(case, recurrent_kernel=np.concatenate(blocks, axis=-1) / 2)


def samples(case: Case, first: int, last: int) -> Case:
    """Some of the case's samples."""
    rows = {name: getattr(case, name)[first:last].copy() for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    return replace(case, **rows)


def _block(array: FloatArray, place: int) -> FloatArray:
    return np.split(array, 4, axis=-1)[place]


def _emptied(matrix: FloatArray) -> FloatArray:
    blocks = np.split(matrix, 4, axis=-1)
    blocks[1] = np.zeros_like(blocks[1])
    return np.concatenate(blocks, axis=-1)


def forward_cases(dtype: str, without: frozenset[str]) -> list[Case]:
    """Cases that show the forward pass bit by bit: first the cell, in which no layout shows; then the layout; then time."""

    def one_unit(name: str, B: int, T: int, scale: float = 1.0) -> Case:
        weight = np.full((1, 4), 0.75, dtype)
        case = drawn(dtype, B, T, 1, 1, without)
        case = with_weights(case, kernel=weight, recurrent_kernel=weight.copy(), bias=np.zeros(4, dtype))
        return replace(case, id=f"{name}-{dtype}", x=case.x * case.dtype.type(scale))

    one = drawn(dtype, 1, 1, 2, 3, without)
    small = one_unit("one-unit", 1, 1)
    cases = {
        "one-unit-states-zero": zeroed(small, "h0", "c0"), "one-unit-c0-zero": zeroed(small, "c0"),
        "one-unit": small, "one-unit-four-steps": one_unit("", 1, 4),
        "one-unit-large": one_unit("", 1, 1, 12.0),
        "kernel-alone": zeroed(one, "h0", "bias"), "recurrent-kernel-alone": zeroed(one, "x", "bias"),
        "bias-alone": zeroed(one, "x", "h0"), "one-step": one, "three-steps": drawn(dtype, 1, 3, 2, 3, without),
        "three-samples": drawn(dtype, 3, 1, 2, 3, without), "everything": drawn(dtype, 3, 4, 2, 3, without),
    }  # fmt: skip
    return [replace(case, id=f"read-{name}-{dtype}") for name, case in cases.items()]


def backward_cases(dtype: str, without: frozenset[str]) -> list[Case]:
    """Cases that show the backward pass bit by bit: one step and one cotangent; all of them; carries; sums; sizes."""
    one, three = drawn(dtype, 1, 1, 2, 3, without), drawn(dtype, 1, 3, 2, 3, without)
    large = drawn(dtype, 1, 2, 2, 3, without)
    large = replace(large, **{n: getattr(large, n) * large.dtype.type(64) for n in ("d_output", "d_h", "d_c")})
    cases = {
        "one-step-d_c-alone": zeroed(one, "d_output", "d_h"), "one-step-d_h-alone": zeroed(one, "d_output", "d_c"),
        "one-step-d_output-alone": zeroed(one, "d_h", "d_c"), "one-step-backward": one,
        "three-steps-d_c-alone": zeroed(three, "d_output", "d_h"), "three-steps-backward": three,
        "three-samples-backward": drawn(dtype, 3, 1, 2, 3, without),
        "everything-backward": drawn(dtype, 3, 4, 2, 3, without), "twelve-steps-backward": drawn(dtype, 1, 12, 2, 3, without),
        "large-cotangents": large,
    }  # fmt: skip
    return [replace(case, id=f"read-{name}-{dtype}") for name, case in cases.items()]
