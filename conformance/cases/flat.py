"""A case as named arrays and a description of its layers, for the wire, for files and for copies, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.case import Case
from lstm_ref import Dropout, Layer, LSTMParams, Options

ARRAYS = ("x", "h0", "c0", "d_output", "d_h", "d_c")
"""What every case has, besides weights."""
PLAIN_LAYERS: Sequence[Mapping[str, Any]] = ({"directions": ["forward"]},)
"""The description of the layers of a plain case."""


def arrays_of(case: Case) -> dict[str, Any]:
    """Every array of a case, by the name that a candidate knows it under.

    These are x, h0, c0, d_output, d_h, d_c, and mask where there is one. Weights are ``params.kernel`` and so on; with
    several layers or directions ``layers.0.forward.kernel``. Where widths differ, states are ``h0.0``, ``h0.1``. Factors of
    dropout are ``dropout.0.forward.input``.
    """
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        value: Any = getattr(case, name)
        arrays |= {f"{name}.{k}": a for k, a in enumerate(value)} if isinstance(value, tuple) else {name: value}
    if case.mask is not None:
        arrays["mask"] = case.mask
    for prefix, params in _weights(case):
        arrays |= {f"{prefix}.{name}": array for name, array in params.arrays.items()}
    for k, of_layer in enumerate(case.dropout):
        for direction, dropout in of_layer.items():
            given = {"input": dropout.input, "recurrent": dropout.recurrent}
            arrays |= {f"dropout.{k}.{direction}.{name}": a for name, a in given.items() if a is not None}
    return arrays


def _weights(case: Case) -> list[tuple[str, LSTMParams]]:
    if case.single:
        return [("params", case.params)]
    each = [(k, layer.directions) for k, layer in enumerate(case.layers)]
    return [(f"layers.{k}.{name}", params) for k, directions in each for name, params in directions.items()]


def layers_of(case: Case) -> list[dict[str, Any]]:
    """Of each layer its directions, and what departs from the plain LSTM: how they are merged, and options.

    What it gives can be written as JSON.
    """
    described = []
    for layer in case.layers:
        told: dict[str, Any] = {"directions": [*layer.directions]}
        if layer.merge != "concat":
            told["merge"] = layer.merge
        if layer.options.departures:
            told["options"] = layer.options.departures
        described.append(told)
    return described


def of_arrays(
    a: Mapping[str, Any], id: str, dtype: str | np.dtype[Any], layers: Sequence[Mapping[str, Any]] = PLAIN_LAYERS
) -> Case:
    """The case whose arrays and layers these are.

    Parameters
    ----------
    a : mapping of str to array
        As `arrays_of` gives them.
    id, dtype : str
    layers : sequence of mappings
        As `layers_of` gives them.
    """
    single = len(layers) == 1 and len(layers[0]["directions"]) == 1
    made = []
    for k, told in enumerate(layers):
        weights = {
            direction: LSTMParams(**_under("params." if single else f"layers.{k}.{direction}.", a))
            for direction in told["directions"]
        }
        options = Options(**told.get("options", {}))
        made.append(Layer(weights.get("forward"), weights.get("reverse"), told.get("merge", "concat"), options))
    states: dict[str, Any] = {
        name: a[name] if name in a else tuple(a[f"{name}.{k}"] for k in range(len(layers))) for name in ARRAYS
    }
    return Case(
        id,
        np.dtype(dtype),
        params=made[0].params,
        mask=a.get("mask"),
        options=made[0].options if single else Options(),
        layers=tuple(made),
        dropout=_dropout(a, layers),
        **states,
    )


def _under(prefix: str, a: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in a.items() if name.startswith(prefix)}


def _dropout(a: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Dropout], ...]:
    if not any(name.startswith("dropout.") for name in a):
        return ()
    return tuple(
        {direction: Dropout(**_under(f"dropout.{k}.{direction}.", a)) for direction in told["directions"]}
        for k, told in enumerate(layers)
    )
