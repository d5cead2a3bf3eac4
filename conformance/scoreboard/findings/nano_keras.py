"""nano_keras' LSTM takes the candidate of the step before, and its gradients are not those of its forward pass.

nano-keras 1.2.1, NumPy 1.26.4, Linux x86_64, Python 3.11.

What was run: the layer on one random sequence, the usual equations in NumPy with the same weights, and central differences of
the layer's own forward pass.

Expected: c_t = f_t * c_(t-1) + i_t * c'_t, and gradients that agree with the differences. Actual: the layer gives
c_t = f_t * c_(t-1) + i_t * c'_(t-1), so that the first output is always zero; the gradients do not agree, and with fewer than
four units `backpropagate` raises IndexError.

Where: nano_keras/layers/LSTM.py. `__call__` reads candidate_cell_state[..., time_stamp - 1] where it has stored this step's at
time_stamp. `backpropagate` carries nothing from a step to the one before, begins its sums with `np.ndarray(shape)`, which is not
zero, and takes `gate_gradient[i]`, one number, for the biases.
"""

import numpy as np
from nano_keras.layers import LSTM

T, D, H = 4, 3, 5
rng = np.random.default_rng(0)
x, cotangent = rng.normal(size=(T, D)), rng.normal(size=(T, H))


class Before:
    def output_shape(self, layers, index):
        return T, D


class Kept:
    """An optimizer that keeps the gradients and changes nothing."""

    def __init__(self):
        self.weights, self.biases = [], []

    def apply_gradients(self, d_weights, d_biases, weights, biases, update_biases=True):
        self.weights.append(np.array(d_weights))
        self.biases.append(np.array(d_biases))
        return weights, biases


def made(units):
    layer = LSTM(units)
    layer.generate_weights([Before(), layer], 1, np.float64, np.float64)
    layer.set_batch_size(1, [Before(), layer], 1)
    return layer


layer = made(H)
W, U, b = rng.normal(size=(4, D, H)), rng.normal(size=(4, H, H)), rng.normal(size=(4, H))
layer.input_weights, layer.recurrent_weights, layer.biases = W, U, b


def forward():
    layer.current_batch = 0
    return np.array(layer(x, is_training=True))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def equations(candidate_of_step_before):
    h = c = before = np.zeros(H)
    every = []
    for t in range(T):
        f, i, g, o = (x[t] @ W[k] + U[k] @ h + b[k] for k in range(4))
        now = np.tanh(g)
        c = sigmoid(f) * c + sigmoid(i) * (before if candidate_of_step_before else now)
        h, before = sigmoid(o) * np.tanh(c), now
        every.append(h)
    return np.array(every)


y = forward()
print("the layer's first output:      ", y[0])
print("the usual equations' first:    ", equations(False)[0])
print("largest difference from the usual equations:                ", abs(y - equations(False)).max())
print("largest difference if the candidate is that of the step before:", abs(y - equations(True)).max())

kept = Kept()
dx = layer.backpropagate(cotangent, [kept])
step = 1e-6
print(f"\n{'gradient':<12}{'backpropagate':>16}{'central difference':>20}")
for name, array, gradient, place in (
    ("x[0, 0]", x, dx, (0, 0)),
    ("x[2, 1]", x, dx, (2, 1)),
    ("W[0, 1, 2]", W, kept.weights[0], (0, 1, 2)),
):
    value = array[place]
    array[place] = value + step
    above = np.sum(forward() * cotangent)
    array[place] = value - step
    below = np.sum(forward() * cotangent)
    array[place] = value
    print(f"{name:<12}{gradient[place]:>16.6f}{(above - below) / (2 * step):>20.6f}")

small = made(2)
small(x, is_training=True)
try:
    small.backpropagate(cotangent[:, :2], [Kept()])
except IndexError as error:
    print("\nwith two units, backpropagate raises IndexError:", error)
