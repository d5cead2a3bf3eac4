"""Weights by names such as Wf and bo, a letter and a gate, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def named(letters: Iterable[str], gates: str, weights: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Weights by names such as Wf, biases as columns."""
    pairs = zip(letters, weights, strict=True)
    return {letter + g: a.reshape(len(a), -1) for letter, of in pairs for g, a in zip(gates, of, strict=True)}


def listed(arrays: Mapping[str, Any], letters: Iterable[str], gates: str) -> list[list[Any]]:
    """Arrays with names such as Wf as `Layout` takes them."""
    return [[arrays[letter + gate] for gate in gates] for letter in letters]
