"""mlx.core.exp of float64 numbers on the CPU, and with it mlx.core.sigmoid, has the digits of float32.

mlx 0.32.4, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: the functions of an LSTM on float64 numbers on the CPU device, beside NumPy.

Expected: agreement to about 1e-16. Actual: those that are made with an exponential agree to about 1e-8 alone, in float64 arrays;
mlx.nn.LSTM has this error in all its float64 results. In float32 nothing is wrong.

Where: exp of the CPU backend, as tanh and products of matrices are right.
"""

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
x = np.linspace(-5, 5, 101)
given = mx.array(x, dtype=mx.float64)
a, b = np.random.default_rng(0).normal(size=(2, 20, 20))
product = mx.array(a, dtype=mx.float64) @ mx.array(b, dtype=mx.float64)
for name, actual, expected in (
    ("exp", mx.exp(given), np.exp(x)),
    ("sigmoid", mx.sigmoid(given), 1 / (1 + np.exp(-x))),
    ("tanh", mx.tanh(given), np.tanh(x)),
    ("1 / (1 + exp(-x))", 1 / (1 + mx.exp(-given)), 1 / (1 + np.exp(-x))),
    ("matmul", product, a @ b),
):
    error = np.max(abs(np.array(actual) - expected) / abs(expected).max())
    print(f"{name:<20}{actual.dtype}   largest error, of the largest number: {error:.1e}")
