"""numpy-ml's cell, called step by step: a matrix on [h, x] for each gate, no states.

Its layer LSTM cannot be made: `LayerBase.__init__` sets `gradients`, which is a property there. The package takes names from
`collections` that are gone since Python 3.10; they are given back to it.
"""

import collections
import collections.abc

import numpy as np

import conformance

collections.Hashable = collections.abc.Hashable
collections.Iterable = collections.abc.Iterable

from numpy_ml.neural_nets.layers import LSTMCell  # noqa: E402 - it needs them

LAYOUT = conformance.Layout(gates="fico", joined="hx", split=True)


@conformance.candidate(without=("h0", "c0", "d_h", "d_c"))
def lstm(case):
    cell = LSTMCell(case.params.hidden_size)
    cell.n_in = case.params.input_size
    cell._init_params()
    for gate, w, b in zip("fuco", *LAYOUT.weights(case.params)):
        cell.parameters[f"W{gate}"], cell.parameters[f"b{gate}"] = w, b[None]
    steps = range(case.x.shape[1])
    states = [cell.forward(case.x[:, t]) for t in steps]
    dx = [cell.backward(case.d_output[:, t]) for t in reversed(steps)][::-1]
    weights = [[cell.gradients[kind + gate] for gate in "fuco"] for kind in "Wb"]
    y = np.stack([h for h, _ in states], axis=1)
    h, c = states[-1]
    return LAYOUT.result(case, weights=weights, output=y, h=h, c=c, d_x=np.stack(dx, axis=1))
