"""What a case says about each of its layers, in one form, and a result from what was computed for each layer.

Frameworks have layers, and states that belong to them; a case's names and shapes depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.case import STATES, Case, Result
from lstm_ref import Dropout, Layer
from lstm_ref.params import FloatArray


@dataclass(frozen=True, eq=False)
class Part:
    """A layer of a case and what belongs to it.

    Attributes
    ----------
    layer : Layer
    h0, d_h : array (directions, B, P)
    c0, d_c : array (directions, B, H)
        Here, P is H where there is no projection.
    dropout : mapping
        A direction's name to its factors; empty without dropout.
    """

    layer: Layer
    h0: FloatArray
    c0: FloatArray
    d_h: FloatArray
    d_c: FloatArray
    dropout: Mapping[str, Dropout]

    @property
    def between(self) -> FloatArray | None:
        """The factors (B, T, D) of the layer's input, if all directions have the same and they differ from step to step."""
        factors = [given.input for given in self.dropout.values()]
        first = factors[0] if factors else None
        return (
            first if first is not None and first.ndim == 3 and all(_same(first, other) for other in factors) else None
        )

    @property
    def only_between(self) -> bool:
        """Whether all dropout that there is, is on the input of the layer and the same for all directions."""
        recurrent = any(given.recurrent is not None for given in self.dropout.values())
        inputs = any(given.input is not None for given in self.dropout.values())
        return not recurrent and (not inputs or self.between is not None)


def _same(one: FloatArray, other: FloatArray | None) -> bool:
    return other is not None and np.array_equal(one, other)


def parts(case: Case) -> list[Part]:
    """The case's layers with what belongs to each."""
    states: list[tuple[FloatArray, ...]] = []
    first = 0
    for k, layer in enumerate(case.layers):
        rows = slice(first, first + len(layer.directions))
        first = rows.stop
        every = (case.h0, case.c0, case.d_h, case.d_c)
        if case.single:
            states.append(tuple(array[np.newaxis] for array in every))
        else:
            states.append(tuple(array[rows] if case.uniform else array[k] for array in every))
    dropout = case.dropout or ({},) * len(case.layers)
    return [
        Part(layer, h0, c0, d_h, d_c, given)
        for layer, (h0, c0, d_h, d_c), given in zip(case.layers, states, dropout, strict=True)
    ]


def joined(
    case: Case,
    named: Result,
    states: Sequence[Mapping[str, FloatArray]],
    weights: Sequence[Mapping[str, Mapping[str, FloatArray]]] = (),
) -> Result:
    """A result under the names that the case has for it.

    Parameters
    ----------
    case : Case
    named : mapping
        What belongs to no layer: ``output``, ``d_x``.
    states : sequence of mapping
        For each layer ``h`` and ``c``, and ``d_h0`` and ``d_c0`` if there are gradients, with a first axis of directions.
    weights : sequence of mapping
        For each layer, each direction's gradients by the name of the weight: ``weights[k]["forward"]["kernel"]``.
    """
    result = dict(named)
    for name in STATES:
        of_layers = [of[name] for of in states if name in of]
        if of_layers and case.single:
            result[name] = of_layers[0][0]
        elif of_layers and case.uniform:
            result[name] = np.concatenate(of_layers)
        else:
            result |= {f"layers.{k}.{name}": array for k, array in enumerate(of_layers)}
    for k, of_directions in enumerate(weights):
        for direction, arrays in of_directions.items():
            prefix = "" if case.single else f"layers.{k}.{direction}."
            result |= {f"{prefix}d_{name}": array for name, array in arrays.items()}
    return {name: result[name] for name in case.shapes if name in result}
