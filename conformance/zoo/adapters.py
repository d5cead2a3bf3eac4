"""What it takes to put each of the zoo's LSTMs on trial."""

from __future__ import annotations

from typing import Any

import conformance
from conformance.zoo import batch_first as mine
from conformance.zoo import column_vectors as course
from conformance.zoo import time_major


# A batch-first function with PyTorch's stacked weights.
def batch_first(case: Any) -> Any:
    layout = conformance.Layout(gates="ifgo", transposed=True)
    w_ih, w_hh, b = layout.weights(case.params)
    y, h, c, cache = mine.lstm_forward(case.x, case.h0, case.c0, w_ih, w_hh, b)
    dx, dh0, dc0, *dw = mine.lstm_backward(case.d_output, case.d_h, case.d_c, case.x, w_ih, w_hh, cache)
    return layout.result(case, weights=dw, output=y, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)


# A column-vector cell with one matrix on [h, x] per gate.
def column_vectors(case: Any) -> Any:
    layout = conformance.Layout(gates="fico", joined="hx", transposed=True, split=True, axes="tfb")
    W, b = layout.weights(case.params)
    ys, h, c, steps = course.forward(*layout.inputs(case), W, [v[:, None] for v in b])
    dxs, dh0, dc0, *dw = course.backward(*layout.cotangents(case), W, steps)
    return layout.result(case, weights=dw, output=ys, h=h, c=c, d_x=dxs, d_h0=dh0, d_c0=dc0)


# A time-major class with forward and backward methods, which takes no states.
@conformance.candidate(without=("h0", "c0", "d_h", "d_c", "h", "c"))
def time_major_class(case: Any) -> Any:
    layout = conformance.Layout(gates="ifog", axes="tbf")
    lstm = time_major.LSTM(*layout.weights(case.params))
    y = lstm.forward(layout.sequence(case.x))
    dx = lstm.backward(layout.sequence(case.d_output))
    return layout.result(case, weights=(lstm.dWx, lstm.dWh, lstm.db), output=y, d_x=dx)
