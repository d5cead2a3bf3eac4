"""npdl's BatchLSTM: one matrix on [1, x, h], gates i, f, o, g."""

import npdl
import numpy as np
from npdl.layers import BatchLSTM

import conformance

LAYOUT = conformance.Layout(gates="ifog")


def lstm(case):
    npdl.utils.random.set_dtype(case.dtype.name)
    D, H = case.params.input_size, case.params.hidden_size
    layer = BatchLSTM(n_out=H, n_in=D, return_sequence=True)
    layer.connect_to()
    w, u, b = LAYOUT.weights(case.params)
    layer.AllW = np.concatenate([b[None], w, u])
    y = layer.forward(case.x, case.c0, case.h0)
    dx = layer.backward(case.d_output, case.d_c, case.d_h)
    weights = layer.d_AllW[1 : D + 1], layer.d_AllW[D + 1 :], layer.d_AllW[0]
    states = {"h": y[:, -1], "c": layer.C[-1], "d_h0": layer.d_h0, "d_c0": layer.d_c0}
    return LAYOUT.result(case, weights=weights, output=y, d_x=dx, **states)
