"""keras.layers.LSTM with dtype float64 on the torch backend computes masked sequences in float32.

keras 3.15.1, torch 2.13.0, Linux x86_64, Python 3.11.

What was run: a float64 layer on float64 input, without a mask and with one in which every step counts, which must not change
anything; both compared with the same equations in NumPy.

Expected: both agree with NumPy to about 1e-15. Actual: with the mask, the difference is about 1e-8.

Where: `keras.ops.matmul` of two float64 tensors gives float32 on this backend. Without a mask the layer is PyTorch's own; with
one it is computed step by step, with that product, and its result is cast back to float64. The type comes from
keras/src/backend/common/dtypes.py, where float64 becomes float32 in type promotion on all backends but TensorFlow; this may be
meant, but the layer takes dtype="float64" and gives float64 tensors without a word.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

B, T, D, H = 3, 6, 2, 4
rng = np.random.default_rng(0)
x = rng.normal(size=(B, T, D))
kernel, recurrent, bias = rng.normal(size=(D, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


h = c = np.zeros((B, H))
expected = []
for t in range(T):
    i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    expected.append(h)
expected = np.stack(expected, axis=1)

layer = keras.layers.LSTM(H, return_sequences=True, dtype="float64")
layer.build((B, T, D))
layer.set_weights([kernel, recurrent, bias])
a, b = torch.from_numpy(x[0]), torch.from_numpy(kernel)
product = keras.ops.matmul(a, b)
print(
    "keras.ops.matmul of",
    a.dtype,
    "and",
    b.dtype,
    "is",
    product.dtype,
    "and differs by",
    abs(product - a @ b).max().item(),
)
print("keras", keras.__version__, "on", keras.backend.backend(), torch.__version__)
for word, mask in (("no mask", None), ("a mask of True alone", torch.ones(B, T, dtype=torch.bool))):
    y = layer(torch.from_numpy(x), mask=mask)
    print(f"{word:<24}{y.dtype}  largest difference from NumPy: {abs(y.detach().numpy() - expected).max():.2g}")
