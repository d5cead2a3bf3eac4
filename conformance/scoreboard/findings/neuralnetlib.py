"""neuralnetlib's LSTM adds 1e-7 to the slopes of its activations, and cuts its sigmoid to [0.0001, 0.9999].

neuralnetlib 5.0.0, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: the layer with `clip_value=inf` on random inputs, central differences of its own forward pass, and one gate that is
nearly shut.

Expected: gradients that agree to about 1e-9; 1 / (1 + exp(12)) = 6.14e-06 for a gate at -12. Actual: the gradients are off by
about 1e-7 of their size; the gate is 0.0001 and has a slope there, though it is constant.

Where: neuralnetlib/layers.py, LSTMCell: EPSILON = 1e-7 in every `1 - f_t + self.EPSILON` of `backward`, which nothing divides by,
and EPSILON_SIGMOID = 1e-4 in `sigmoid`. Both may be meant for stability; neither is in the documentation of the layer.
"""

import numpy as np
from neuralnetlib.layers import LSTM

B, T, D, H = 3, 4, 3, 4
rng = np.random.default_rng(0)
x, cotangent = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
layer = LSTM(H, return_sequences=True, random_state=0, clip_value=np.inf)
layer.forward_pass(x)
cell = layer.cell


def loss():
    return np.sum(layer.forward_pass(x) * cotangent)


def difference(array, place, step=1e-5):
    kept, losses = array[place], []
    for times in (1, -1, 2, -2):  # of the fourth order
        array[place] = kept + times * step
        losses.append(loss())
    array[place] = kept
    return (8 * (losses[0] - losses[1]) - (losses[2] - losses[3])) / (12 * step)


loss()
dx = layer.backward_pass(cotangent)
gradients = {"Wf": cell.dWf.copy(), "Uc": cell.dUc.copy(), "bo": cell.dbo.copy(), "x": dx}
print(f"{'gradient':<12}{'backward':>20}{'central difference':>20}{'relative':>12}")
for name, place in (("Wf", (0, 1)), ("Uc", (2, 3)), ("bo", (0, 0)), ("x", (1, 2, 0)), ("x", (0, 0, 1))):
    expected = difference(x if name == "x" else getattr(cell, name), place)
    actual = gradients[name][place]
    print(f"{name} {place!s:<10}{actual:>19.12f}{expected:>20.12f}{abs(actual / expected - 1):>12.1e}")

print("\na gate at -12: ", cell.sigmoid(np.array(-12.0)), " expected", 1 / (1 + np.exp(12.0)))
cell.bi[:] = -30.0
loss()
layer.backward_pass(cotangent)
print(
    "with the input gate at about -30: d loss / d bi[0] =",
    cell.dbi[0, 0],
    " central difference",
    difference(cell.bi, (0, 0)),
)
