"""The gate orders, biases and forget biases that can go with one choice of matrices, as arrays of indices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.layouts.unknown.biases import Biases
from conformance.layouts.unknown.roles import Matrices

Indices = npt.NDArray[np.intp]

ORDERS: Indices = np.array(list(permutations(range(4))), dtype=np.intp)
"""For the gates i, f, c, o: which block is whose."""


@dataclass(frozen=True, eq=False)
class Options:
    """One row for each layout.

    Attributes
    ----------
    kernel, recurrent, bias : array (N, 4) of int
        For the gates i, f, c, o: the block, the block, and the row in `Biases.table`.
    forget : array (N,) of int
        1 if 1 is added to the forget gate's bias, else 0.
    """

    kernel: Indices
    recurrent: Indices
    bias: Indices
    forget: Indices

    def __len__(self) -> int:
        return len(self.kernel)

    def __getitem__(self, rows: Any) -> Options:
        return Options(self.kernel[rows], self.recurrent[rows], self.bias[rows], self.forget[rows])

    def with_the_rest(self, independent: bool) -> Options:
        """Each of them with every recurrent order, if these are independent, and with and without a forget bias."""
        orders = len(ORDERS) if independent else 1
        rows = np.repeat(np.arange(len(self)), orders * 2)
        recurrent = np.tile(np.repeat(ORDERS, 2, axis=0), (len(self), 1)) if independent else self.recurrent[rows]
        forget = np.tile(np.array([0, 1], np.intp), len(self) * orders)
        return Options(self.kernel[rows], recurrent, self.bias[rows], forget)


def kernels_with_biases(matrices: Matrices, biases: Biases) -> Options:
    """Every order of the kernel's blocks with every bias; the recurrent order is the kernel's, and nothing is added."""
    stacked = 4 * np.arange(len(biases.conventions), dtype=np.intp)
    pairs = []
    if matrices.kernel.split:
        own = (ORDERS[None] + stacked[1:, None, None]).reshape(-1, 4)
        pairs += [_product(ORDERS, ORDERS[:1]), _product(ORDERS, own)]  # no bias has no order
    else:
        pairs += [(ORDERS, ORDERS + first) for first in stacked]
    pairs.append(_product(ORDERS, biases.rows))
    kernel, bias = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    return Options(kernel, kernel, bias, np.zeros(len(kernel), np.intp))


def join(options: list[Options]) -> Options:
    """All of them one after another."""
    names = ("kernel", "recurrent", "bias", "forget")
    return Options(*(np.concatenate([getattr(each, name) for each in options]) for name in names))


def _product(one: Indices, other: Indices) -> tuple[Indices, Indices]:
    return np.repeat(one, len(other), axis=0), np.tile(other, (len(one), 1))
