"""keras.layers.LSTM on JAX computes float64 in part in float32, and gives the initial state where the first steps are masked.

keras 3.15.1, jax 0.10.2 with jax_enable_x64, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: a float64 layer beside the same equations in NumPy, some of Keras's operations on float64 arrays, and a layer whose
first two steps are masked in one row, from an initial state of 0.5.

Expected: agreement to about 1e-15; zeros as the outputs of the masked first steps, as on the TensorFlow backend. Actual: an error of
about 1e-8; the initial state.

Where: keras/src/backend/common/dtypes.py lets float64 become float32 in type promotion on all backends but TensorFlow, so that
keras.ops.tanh of float64 gives float32; this may be meant, but the layer takes dtype="float64" and gives float64 arrays without a
word. The masked outputs come from rnn() in keras/src/backend/jax/rnn.py.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import keras
import numpy as np

B, T, D, H = 2, 4, 3, 5
rng = np.random.default_rng(0)
x, kernel, recurrent, bias = (rng.normal(size=shape) for shape in ((B, T, D), (D, 4 * H), (H, 4 * H), (4 * H,)))
state = np.full((B, H), 0.5)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


h = c = state
expected = []
for t in range(T):
    i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    expected.append(h)

layer = keras.layers.LSTM(H, return_sequences=True, dtype="float64")
layer.build((B, T, D))
layer.set_weights([kernel, recurrent, bias])
given = [jnp.asarray(state), jnp.asarray(state)]
y = layer(jnp.asarray(x), initial_state=given)
print("keras", keras.__version__, "on", keras.backend.backend(), jax.__version__)
print(
    "float64 layer:",
    y.dtype,
    " largest difference from NumPy:",
    f"{abs(np.asarray(y) - np.stack(expected, axis=1)).max():.1e}",
)
for name in ("tanh", "sigmoid", "add", "matmul"):
    two = name in ("add", "matmul")
    result = getattr(keras.ops, name)(*[jnp.asarray(kernel @ kernel.T)] * (2 if two else 1))
    print(f"keras.ops.{name} of float64 is {result.dtype}")
mask = np.array([[False, False, True, True], [True] * 4])
masked = np.asarray(layer(jnp.asarray(x), initial_state=given, mask=jnp.asarray(mask)))
print("outputs of the two masked first steps, unit 0:", masked[0, :2, 0])
