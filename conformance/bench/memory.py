"""lstm_ref's peak memory: NumPy tells tracemalloc of every array."""

from __future__ import annotations

import gc
import tracemalloc

from conformance.bench.grid import Sizes
from conformance.bench.record import Memory
from conformance.cases.matrix import Spec
from conformance.implementations import reference


def peak(sizes: Sizes, dtype: str, backward: bool) -> Memory:
    """The most memory that a call holds at once, beyond its weights, its inputs and the cotangents.

    Parameters
    ----------
    sizes : (B, T, D, H)
    dtype : str
    backward : bool
        Training, or else inference.
    """
    ready = reference.prepared(Spec(*sizes, dtype).build(), backward)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        ready.step()
        return Memory(sizes, dtype, backward, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
