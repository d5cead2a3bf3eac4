"""float16 and bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lstm_ref import Dropout, Network
from lstm_ref.tests.drawn import Drawn, cotangents, flat, same


def narrow(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="NumPy has no bfloat16 of its own")
    return np.dtype(name)


def rounded(value: Any, dtype: npt.DTypeLike) -> Any:
    """What is given to a network, in another dtype."""
    if isinstance(value, dict):
        return {name: rounded(each, dtype) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each, dtype) for each in value]
    if isinstance(value, Dropout):
        return Dropout(rounded(value.input, dtype), rounded(value.recurrent, dtype))
    return value if value is None or value.dtype == bool else value.astype(dtype)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("drawn", [Drawn(), Drawn((4, 3), "both", projection=3, mask="right", dropout="shared")])
def test_narrow_numbers_are_computed_in_float32_and_rounded_once(drawn: Drawn, name: str) -> None:
    dtype = narrow(name)
    network = Network([layer.astype(dtype) for layer in drawn.network().layers])
    wide = Network([layer.astype("float32") for layer in network.layers])
    given = rounded(drawn.given(drawn.network()), dtype)
    run, wider = network.forward(**given), wide.forward(**rounded(given, "float32"))
    d = rounded(cotangents(run), dtype)
    actual = flat([run.output, run.h, run.c, network.backward(run, *d)])
    expected = flat([wider.output, wider.h, wider.c, wide.backward(wider, *rounded(d, "float32"))])
    assert {a.dtype for a in actual.values()} == {dtype}
    same(actual, {name: a.astype(dtype) for name, a in expected.items()})
    output, (h, c) = network(**given)
    same([output, h, c], [run.output, run.h, run.c])
