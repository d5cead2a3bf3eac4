"""npdl's layer: a kernel on x and one on h for each gate; its documentation says that it does not support training."""

import npdl
import numpy as np
from npdl.layers import LSTM

import conformance

LAYOUT = conformance.Layout(gates="gifo", split=True)


@conformance.candidate(without=("h",), features=("mask",))
def lstm(case):
    npdl.utils.random.set_dtype(case.dtype.name)
    layer = LSTM(n_out=case.params.hidden_size, n_in=case.params.input_size, return_sequence=True)
    layer.connect_to()
    for gate, u, w, b in zip("gifo", *LAYOUT.weights(case.params)):
        for name, array in (("U", u), ("W", w), ("b", b)):
            setattr(layer, f"{name}_{gate}", array)
    mask = np.ones(case.x.shape[:2]) if case.mask is None else case.mask.astype(case.dtype)
    y = layer.forward(case.x, mask, case.c0, case.h0)
    return {"output": y, "c": layer.last_cell[:, -1]}
