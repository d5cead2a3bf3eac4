"""Constructed cases, each of which hides some part of an LSTM and shows another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.declare import reduced
from conformance.draw import Draw
from lstm_ref import LSTMParams


def drawn(dtype: str, B: int, T: int, D: int, H: int, without: frozenset[str] = frozenset()) -> Case:
    """A case of these sizes with everything random, less what a candidate cannot take."""
    draw = Draw(f"probe-{B}-{T}-{D}-{H}")
    arrays: dict[str, Any] = {
        "x": draw.uniform(1.0, B, T, D), "h0": draw.uniform(1.0, B, H), "c0": draw.uniform(1.0, B, H),
        "d_output": draw.uniform(1.0, B, T, H), "d_h": draw.uniform(1.0, B, H), "d_c": draw.uniform(1.0, B, H),
    }  # fmt: skip
    shapes = {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,)}
    weights = {name: draw.uniform(1.0, *shape).astype(dtype) for name, shape in shapes.items()}
    cast = {name: array.astype(dtype) for name, array in arrays.items()}
    return reduced(Case(f"probe-{dtype}", np.dtype(dtype), params=LSTMParams(**weights), **cast), without)


def without_layout(dtype: str, without: frozenset[str]) -> Case:
    """A case in which no layout of the weights can be wrong: one unit, one feature, all weights equal, no bias."""
    case = drawn(dtype, 2, 3, 1, 1, without)
    weight = np.full((1, 4), 0.75, dtype)
    bias = None if case.params.bias is None else np.zeros(4, dtype)
    return replace(case, params=LSTMParams(weight, weight.copy(), bias))
