"""How many threads the libraries start that compute: what they read while they are imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""The environment variables of NumPy's BLAS libraries, PyTorch and TensorFlow."""


@contextmanager
def one_thread() -> Iterator[None]:
    """What is imported meanwhile for the first time, here or in processes that begin meanwhile, computes in one thread."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
