"""nano-keras's layer: gates f, i, g, o, one sample at a time in its cell, no states.

Its gradients it hands to the optimizer: here one that keeps them.
"""

import numpy as np
from nano_keras.layers import LSTM

import conformance

LAYOUT = conformance.Layout(gates="figo", split=True)


class Kept:
    def __init__(self):
        self.weights, self.biases = [], []

    def apply_gradients(self, d_weights, d_biases, weights, biases, update_biases=True):
        self.weights.append(d_weights)
        self.biases.append(d_biases)
        return weights, biases


class Before:
    def __init__(self, shape):
        self.shape = shape

    def output_shape(self, layers, index):
        return self.shape


@conformance.one_sample_at_a_time
@conformance.candidate(without=("h0", "c0", "d_h", "d_c", "h", "c"))
def lstm(case):
    layer = LSTM(case.params.hidden_size)
    before = [Before(case.x.shape[1:]), layer]
    layer.generate_weights(before, 1, np.float64, np.float64)
    layer.set_batch_size(1, before, 1)
    kernels, recurrent, biases = LAYOUT.weights(case.params)
    layer.input_weights, layer.biases = np.array(kernels), np.array(biases)
    layer.recurrent_weights = np.array([u.T for u in recurrent])  # it multiplies from the left
    y = layer(case.x[0], is_training=True)
    kept = Kept()
    dx = layer.backpropagate(case.d_output[0], [kept])
    weights = list(kept.weights[0]), [u.T for u in kept.weights[1]], list(kept.biases[0])
    return LAYOUT.result(case, weights=weights, output=y[None], d_x=dx[None])
