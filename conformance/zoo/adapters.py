"""What it takes to put each of the zoo's LSTMs on trial."""

from __future__ import annotations

from typing import Any

import numpy as np

import conformance
from conformance.zoo import batch_first as mine
from conformance.zoo import column_vectors as course
from conformance.zoo import masked, time_major
from conformance.zoo.bidirectional import BiLSTM


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


# Stacked layers of both directions, as a class with PyTorch's weights.
@conformance.candidate(features=("stacked", "bidirectional"))
def bidirectional(case: Any) -> Any:
    layout = conformance.Layout(gates="ifgo", transposed=True)
    lstm = BiLSTM(layout.layers(case))
    h0, c0, dh, dc = (np.atleast_3d(a.T).T for a in (case.h0, case.c0, case.d_h, case.d_c))  # with an axis of layers
    y, h, c = lstm.forward(case.x, h0, c0)
    dx, dh0, dc0 = lstm.backward(case.d_output, dh, dc)
    states = {name: a.reshape(case.h0.shape) for name, a in {"h": h, "c": c, "d_h0": dh0, "d_c0": dc0}.items()}
    return {"output": y, "d_x": dx, **states, **layout.gradients_of_layers(case, lstm.grads)}


# A batch of padded sequences with a mask, which shows zeros where nothing was read, or the output before.
@conformance.candidate(features=("mask", "zero-output"))
def padded(case: Any) -> Any:
    layout, every = conformance.Layout(), np.ones(case.x.shape[:2], case.dtype)
    mask = every if case.mask is None else case.mask.astype(case.dtype)
    y, h, c, cache = masked.forward(case.x, mask, case.h0, case.c0, *layout.weights(case.params))
    shown = (mask if case.options.zero_output_for_mask else np.maximum.accumulate(mask, axis=1))[:, :, None]
    W, U, _ = layout.weights(case.params)
    dx, dh0, dc0, *dw = masked.backward(case.d_output * shown, case.d_h, case.d_c, case.x, W, U, cache)
    return layout.result(case, weights=dw, output=y * shown, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)
