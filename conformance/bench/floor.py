"""The floor: the matrix products that an LSTM cannot do without, and nothing else.

Forward, the input's product for all steps at once and the recurrent one for each step; backward, one for each
step, and three for all steps at once. Every operand lies in memory as it does in an LSTM that works time-major,
with the weights as they are given, and every result goes into memory that is there already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from conformance.bench.grid import Sizes
from conformance.case import Case
from conformance.implementations.prepared import Prepared
from lstm_ref.params import FloatArray


class Product(NamedTuple):
    """One matrix product."""

    left: FloatArray
    right: FloatArray
    out: FloatArray


def flops(sizes: Sizes, backward: bool) -> int:
    """Multiplications and additions of the products: 8 B T H (D + H) forward, three times as many with backward."""
    B, T, D, H = sizes
    return 8 * B * T * H * (D + H) * (3 if backward else 1)


def products(case: Case, backward: bool) -> list[Product]:
    """The products in the order in which an LSTM needs them."""
    (B, T, D, H), dtype = case.sizes, case.dtype
    kernel, recurrent_kernel = case.params.kernel, case.params.recurrent_kernel
    x = np.ascontiguousarray(case.x.swapaxes(0, 1)).reshape(T * B, D)
    h = np.ascontiguousarray(case.d_output.swapaxes(0, 1))  # any numbers of that shape
    z, recurrent = np.empty((T * B, 4 * H), dtype), np.empty((B, 4 * H), dtype)
    found = [Product(x, kernel, z), *(Product(h[t], recurrent_kernel, recurrent) for t in range(T))]
    if not backward:
        return found
    np.matmul(x, kernel, out=z)
    d_z = z.reshape(T, B, 4 * H).copy()
    rows, d_h = d_z.reshape(T * B, 4 * H), np.empty((B, H), dtype)
    found += [Product(d_z[t], recurrent_kernel.T, d_h) for t in reversed(range(T))]
    return [
        *found,
        Product(rows, kernel.T, np.empty((T * B, D), dtype)),
        Product(x.T, rows, np.empty((D, 4 * H), dtype)),
        Product(h.reshape(T * B, H).T, rows, np.empty((H, 4 * H), dtype)),
    ]


def prepared(case: Case, backward: bool) -> Prepared:
    """The products, ready to be done; they are no LSTM, so there is no result."""
    wanted = products(case, backward)

    def step() -> None:
        for left, right, out in wanted:
            np.matmul(left, right, out=out)

    return Prepared(step, lambda _: {})
