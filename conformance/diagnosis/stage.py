"""What a candidate gave in constructed cases, as parts that are right or wrong by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import FORWARD, Result
from conformance.diagnosis.evidence import Observation
from lstm_ref.params import GATES

Part = tuple[str, str, object]
"""A case's id, a quantity, and the place in it: a step, a gate, or nothing."""


class Stage:
    """What is looked at together.

    Parameters
    ----------
    seen : sequence of Observation
        Calls of the candidate, in their order.
    quantities : sequence of str
        What is looked at; nothing that was not given.

    Attributes
    ----------
    parts : frozenset
        Its parts.
    """

    def __init__(self, seen: Sequence[Observation], quantities: Sequence[str]) -> None:
        self.seen, self.quantities = tuple(seen), tuple(quantities)
        self.name = " ".join(o.case.id for o in seen)
        self.forward = all(name in FORWARD for name in quantities)
        self._arrays = [(n, name) for n, o in enumerate(seen) for name in quantities if name in o.given]
        found = [
            (seen[n].case.id, name, place)
            for n, name in self._arrays
            for place in places(name, seen[n].given[name].shape)
        ]
        self.parts = frozenset(found)
        self._order = list(found)
        self._numbers = self._flat([o.given for o in seen])
        lengths, scales = [], []
        for n, name in self._arrays:
            array = seen[n].given[name]
            count = len(places(name, array.shape))
            lengths += [array.size // count] * count
            scales.append(np.full(array.size, np.abs(array).max(initial=0.0, where=np.isfinite(array))))
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
        self._scale = np.concatenate(scales)
        self._odd = ~np.isfinite(self._numbers)

    def _flat(self, results: Sequence[Result]) -> Any:
        """The numbers of all parts, one part after the other; none of an array of another shape."""
        arrays = [(name, results[n][name], self.seen[n].given[name]) for n, name in self._arrays]
        return np.concatenate([in_order(name, a if a.shape == b.shape else b * np.nan) for name, a, b in arrays])

    def same(self, results: Sequence[Result], close: float) -> frozenset[Part]:
        """The parts that these results have as they were given."""
        numbers = self._flat(results)
        with np.errstate(invalid="ignore"):  # infinities are compared below
            same = np.abs(numbers - self._numbers) <= close * self._scale + 1e-30
        if self._odd.any():
            same |= self._odd & ((numbers == self._numbers) | (np.isnan(numbers) & np.isnan(self._numbers)))
        right = np.logical_and.reduceat(same, self._starts)
        return frozenset(part for part, is_right in zip(self._order, right.tolist(), strict=True) if is_right)

    def given(self, results: Sequence[Result]) -> Stage:
        """The same stage, of somebody who gives these results."""
        return Stage(
            [replace(o, given={n: result[n] for n in o.given}) for o, result in zip(self.seen, results, strict=True)],
            self.quantities,
        )


def places(name: str, shape: tuple[int, ...]) -> Sequence[object]:
    """The places of a quantity: gate blocks of the weights' gradients, steps of output and d_x."""
    if "kernel" in name or "bias" in name:
        return GATES
    return range(shape[1]) if name in ("output", "d_x") else (None,)


def in_order(name: str, array: Any) -> Any:
    """A quantity's numbers, one place after the other."""
    if "kernel" in name or "bias" in name:
        return array.reshape(-1, 4, array.shape[-1] // 4).swapaxes(0, 1).reshape(-1)
    return array.swapaxes(0, 1).reshape(-1) if name in ("output", "d_x") else array.reshape(-1)
