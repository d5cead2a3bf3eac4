"""Random numbers that are the same on every machine and in every version of NumPy.

NumPy promises that its bit generators never change; of its distributions it promises nothing. So
numbers are made here from the raw bits of PCG64.
"""

from __future__ import annotations

import hashlib

import numpy as np

from lstm_ref.params import FloatArray


class Draw:
    """A stream of random arrays, fixed by a name.

    Parameters
    ----------
    name : str
        Any text; equal names give equal streams.
    """

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
        self._bits = np.random.PCG64(seed)

    def integers(self, high: int, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Integers from 0 to `high` - 1; `high` is far below 2**53."""
        return np.asarray(self._unit(*shape) * high, dtype=np.int64)

    def uniform(self, bound: float, *shape: int) -> FloatArray:
        """float64 numbers between -`bound` and `bound`, with all 53 bits in use."""
        return (2.0 * self._unit(*shape) - 1.0) * bound

    def normal(self, deviation: float, *shape: int) -> FloatArray:
        """float64 numbers of a normal distribution around 0; their last bits are those of the machine's log and cos.

        Source: G. E. P. Box and M. E. Muller, A note on the generation of random normal deviates, 1958.
        """
        radius = np.sqrt(-2.0 * np.log1p(-self._unit(*shape)))
        numbers: FloatArray = deviation * radius * np.cos(2.0 * np.pi * self._unit(*shape))
        return numbers

    def _unit(self, *shape: int) -> FloatArray:
        raw = self._bits.random_raw(int(np.prod(shape, dtype=np.int64)))
        return (np.asarray(raw, dtype=np.uint64) >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53
