"""The gradients of shinnosuke's LSTM have their gate blocks in another order than its weights.

shinnosuke 0.6.3, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: LSTMCell's forward and backward pass on random inputs, and central differences of its own forward pass.

Expected: they agree. Actual: with one step, what stands at the place of gate f is the gradient of o, at u that of c, and so on
backwards, and the gradient of the input is wrong. With more steps all are wrong, as the error is carried on.

Where: shinnosuke/layers/Recurrent.py, LSTMCell. The weights are joined as f, u, c, o, and `dgrad` in `_backward` as
(do, dc_tilde_before_act, du, df): it should be (df, du, dc_tilde_before_act, do).
"""

import numpy as np
from shinnosuke.layers.Recurrent import LSTM

B, D, H = 2, 3, 2
rng = np.random.default_rng(0)
np.random.seed(0)
layer = LSTM(H, return_sequences=True)
W, b = layer.cell._initial_params(D, H)
W.output_tensor, b.output_tensor = rng.normal(size=(H + D, 4 * H)), rng.normal(size=(1, 4 * H))
W.grads, b.grads = np.zeros((H + D, 4 * H)), np.zeros((1, 4 * H))


def loss():
    return np.sum(layer.cell._forward(x, [W, b], True, False) * cotangent)


def difference(array, place, step=1e-6):
    kept = array[place]
    array[place] = kept + step
    above = loss()
    array[place] = kept - step
    below = loss()
    array[place] = kept
    return (above - below) / (2 * step)


for T in (1, 4):
    x, cotangent = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
    W.grads[:], b.grads[:] = 0, 0
    loss()
    dx = layer.cell._backward(cotangent, [W, b], True)
    print(f"T = {T}\n{'gradient':<24}{'backward':>12}{'central difference':>20}")
    for k, gate in enumerate("fuco"):
        print(
            f"{f'b, gate {gate}, unit 0':<24}{b.grads[0, k * H]:>12.6f}{difference(b.output_tensor, (0, k * H)):>20.6f}"
        )
    for place in ((0, 0, 0), (1, T - 1, 2)):
        print(f"{f'x {place}':<24}{dx[place]:>12.6f}{difference(x, place):>20.6f}")
