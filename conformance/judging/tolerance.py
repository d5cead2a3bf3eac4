"""The allowed error, and why it is what it is.

    allowed = margin * measured * roundoff * scale

`measured` comes from a table that `conformance.judging.measure` writes: the worst difference that independent
correct engines (PyTorch, Keras, lstm_ref) showed between each other over thousands of random cases,
per quantity, dtype and length class, in units of roundoff times scale. `roundoff` is the dtype's unit roundoff,
2**-53 or 2**-24. The allowed error is the same for each element and does not depend on how many
there are.

`scale` is the largest magnitude among the expected numbers of the quantity and of its relatives,
which are sums of the same terms. A quantity by itself would not do: where a small one, such as the
four numbers of a d_bias with H=1, happens to cancel, its last digits are noise in every engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from lstm_ref.params import FloatArray

TABLE = "tolerance.json"

SHORT = 32
"""Up to so many steps a sequence is short; errors grow along a long one, so that it has rows of its own."""


RELATIVES = {
    "output": ("output", "h"),
    "h": ("output", "h"),
    "c": ("c", "output"),
    "d_x": ("d_x", "d_h0"),
    "d_h0": ("d_h0", "d_c0"),
    "d_c0": ("d_h0", "d_c0"),
    "d_kernel": ("d_kernel", "d_recurrent_kernel", "d_bias"),
    "d_recurrent_kernel": ("d_kernel", "d_recurrent_kernel", "d_bias"),
    "d_bias": ("d_kernel", "d_recurrent_kernel", "d_bias"),
}
"""The quantities whose largest magnitude is a quantity's scale."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    quantity, dtype : str
    length : str
        "short" or "long".
    measured : float
        The worst difference, in units of roundoff times scale.
    between : str
        The two engines that showed it.
    where : str
        The id of the case in which they did.
    """

    quantity: str
    dtype: str
    length: str
    measured: float
    between: str
    where: str


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resources.files("conformance.judging").joinpath(TABLE).read_text())
    return table


def margin() -> float:
    """How many times the worst measured difference is allowed."""
    return float(_table()["margin"])


@cache
def rows() -> dict[tuple[str, str, str], Row]:
    """(quantity, dtype name, length class) to the table's row."""
    return {(row["quantity"], row["dtype"], row["length"]): Row(**row) for row in _table()["rows"]}


def length_class(T: int) -> str:
    """Whether a sequence of `T` steps is "short" or "long"."""
    return "short" if T <= SHORT else "long"


def roundoff(dtype: np.dtype[Any]) -> float:
    """The unit roundoff: 2**-53 for float64, 2**-24 for float32."""
    return float(np.finfo(dtype).eps) / 2


def smallest(dtype: np.dtype[Any]) -> float:
    """What counts as zero: 1000 times the smallest normal number.

    Below, numbers lose their last digits, and TensorFlow takes them for 0.
    """
    return 1000.0 * float(np.finfo(dtype).tiny)


def scale_of(quantity: str, expected: Mapping[str, FloatArray]) -> float:
    """The largest finite magnitude in the expected quantity and its relatives; 0 if there is none."""
    scale = 0.0
    for relative in RELATIVES[quantity]:
        if relative in expected:
            magnitudes = np.abs(expected[relative])
            scale = max(scale, float(magnitudes.max(initial=0.0, where=np.isfinite(magnitudes))))
    return scale


def allowed_error(quantity: str, dtype: np.dtype[Any], T: int, scale: float) -> float:
    """The largest error that an element of a quantity may have.

    Parameters
    ----------
    quantity : str
    dtype : numpy.dtype
        float64 or float32.
    T : int
        The number of time steps.
    scale : float
        What `scale_of` gives.
    """
    measured = rows()[quantity, dtype.name, length_class(T)].measured
    return max(margin() * measured * roundoff(dtype) * scale, smallest(dtype))
