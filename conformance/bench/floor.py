"""The floor: the matrix products that an LSTM cannot do without, and nothing else.

Forward, the input's product for all steps at once and the recurrent one for each step; backward, one for each
step, and three for all steps at once. Samples are columns, which at the larger sizes is faster than samples as rows;
every operand lies in memory already as its product takes it, and every result goes into memory that is there already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from conformance.bench.grid import Sizes
from conformance.case import Case
from conformance.implementations.prepared import Prepared
from lstm_ref.errors import UnsupportedError
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
    h = np.ascontiguousarray(case.d_output.transpose(1, 2, 0))  # any numbers of that shape
    z, recurrent = np.empty((4 * H, T * B), dtype), np.empty((4 * H, B), dtype)
    transposed = recurrent_kernel.T if B == 1 else np.ascontiguousarray(recurrent_kernel.T)
    found = [Product(kernel.T, x.T, z), *(Product(transposed, h[t], recurrent) for t in range(T))]
    if not backward:
        return found
    np.dot(kernel.T, x.T, out=z)
    d_z, d_h = np.ascontiguousarray(z.reshape(4 * H, T, B).swapaxes(0, 1)), np.empty((H, B), dtype)
    found += [Product(recurrent_kernel, d_z[t], d_h) for t in reversed(range(T))]
    return [
        *found,
        Product(kernel, z, np.empty((D, T * B), dtype)),
        Product(x.T, z.T, np.empty((D, 4 * H), dtype)),
        Product(np.ascontiguousarray(h.swapaxes(0, 1)).reshape(H, T * B), z.T, np.empty((H, 4 * H), dtype)),
    ]


def prepared(case: Case, backward: bool) -> Prepared:
    """The products, ready to be done; they are no LSTM, so there is no result.

    Raises
    ------
    UnsupportedError
        For more than one layer in one direction.
    """
    if not case.single:
        raise UnsupportedError("the bare products are those of one layer in one direction.")
    wanted = products(case, backward)

    def step() -> None:
        for left, right, out in wanted:
            left.dot(right, out=out)

    return Prepared(step, lambda _: {})
