"""The gradients of snn's LSTM weights are divided by the batch size twice: by the loss and by the layer.

snn-samsit 0.1.3, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: an LSTM layer of one unit with the package's own mean squared error, its gradients, and central differences of
that loss.

Expected: they agree. Actual: those of W, U and b are B times too small, where B is the batch size; that of the input agrees.

Where: snn/layers/rnn.py, LSTM.backward divides dW, dU and db by n (so do SimpleRNN, GRU and Dense), and the losses in
snn/losses/functions.py divide their gradients by n already. The factor is one that a learning rate can take up, if the batch
size stays.
"""

import numpy as np
from snn.layers.rnn import LSTM
from snn.losses.functions import MeanSquaredError

B, T, D, H = 4, 3, 3, 1
rng = np.random.default_rng(0)
np.random.seed(0)
x, target = rng.normal(size=(B, T, D)), rng.normal(size=(B, H))
layer, loss = LSTM(H), MeanSquaredError()
layer.build(x.shape)


def value():
    return loss.forward(layer.forward(x), target)


def difference(array, place, step=1e-6):
    kept = array[place]
    array[place] = kept + step
    above = value()
    array[place] = kept - step
    below = value()
    array[place] = kept
    return (above - below) / (2 * step)


dx = layer.backward(loss.backward(layer.forward(x), target))
print(f"{'gradient':<16}{'backward':>12}{'central difference':>20}{'ratio':>8}")
for name, array, gradient, place in (
    ("W[0, 2]", layer.W, layer.grads["W"], (0, 2)),
    ("U[0, 3]", layer.U, layer.grads["U"], (0, 3)),
    ("b[0, 1]", layer.b, layer.grads["b"], (0, 1)),
    ("x[1, 0, 2]", x, dx, (1, 0, 2)),
):
    expected = difference(array, place)
    print(f"{name:<16}{gradient[place]:>12.6f}{expected:>20.6f}{gradient[place] / expected:>8.3f}")
