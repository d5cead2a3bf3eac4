"""What it takes to put the five LSTMs on trial that README.md shows side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

import conformance
from conformance.zoo import cached_cell as cached
from conformance.zoo import column_cell as column
from conformance.zoo import feature_major as functions
from conformance.zoo import linked_nodes as linked
from conformance.zoo import sequence_layer as layers
from conformance.zoo import training
from conformance.zoo.naming import listed, named
from lstm_ref.activations import ACTIVATIONS
from lstm_ref.options import PLAIN


# One sample, one step: the steps are taken here. With an identity for its output layer, y is h.
@conformance.one_sample_at_a_time
@conformance.candidate(trains={"cell": training.cell})
def column_cell(case: Any) -> Any:
    layout = conformance.Layout(gates="figo", joined="xh", transposed=True, split=True, axes="tfb")
    W, b = layout.weights(case.params)
    head = np.eye(len(b[0]), dtype=case.dtype), np.zeros_like(b[0])[:, None]
    cell = column.Cell(W, [v[:, None] for v in b], *head)
    ys, h, c = over_time(cell.forward, *layout.inputs(case))
    dys, dh, dc = layout.cotangents(case)
    dxs, dh0, dc0 = over_time(cell.backward, dys[::-1], dh, dc)
    dw = listed(vars(cell), ("dW", "db"), "figo")
    return layout.result(case, weights=dw, output=ys, h=h, c=c, d_x=dxs[::-1], d_h0=dh0, d_c0=dc0)


# A layer that takes one sequence, begins with zeros, and gives every h or the last one, but no c.
@conformance.one_sample_at_a_time
@conformance.candidate(
    without=("h0", "c0", "d_h", "d_c", "h", "c"), features=("last-output",), trains={"sine": training.sine}
)
def sequence_layer(case: Any) -> Any:
    layout = conformance.Layout(gates="ifog", transposed=True, split=True)
    params = named("WUb", "ifog", layout.weights(case.params))
    H, D = params["Wi"].shape
    layer = layers.LSTM(D, H, return_sequences=case.d_output.ndim == 3)
    layer.set_params(params)
    y = layer.forward(case.x[0, :, :, None])
    dx = layer.backward(case.d_output[0, ..., None])
    dw = listed(layer.get_grads(), "WUb", "ifog")
    return {"output": y[None, ..., 0], "d_x": dx[None, ..., 0], **layout.gradients(case, *dw)}


# A chain of nodes for one sample, with a loss at each, here the trial's own. That h = o * c, without tanh, is an option.
@conformance.one_sample_at_a_time
@conformance.candidate(features=("activations",), trains={"vectors": training.vectors})
def linked_nodes(case: Any) -> Any:
    layout, options = conformance.Layout(gates="gifo", joined="xh", transposed=True, split=True), case.options or PLAIN
    activations = map(activation, (options.recurrent_activation, options.activation, options.of_output))
    shared = linked.Parameters(*layout.weights(case.params), *activations)
    network = linked.Network(shared, case.h0[0], case.c0[0])
    network.read(case.x[0])
    start, nodes, end = network.start, network.nodes, network.end
    end.dh, end.dc = end.dh + case.d_h[0], end.dc + case.d_c[0]
    network.backward(case.d_output[0], lambda h, d: (d @ h, d))
    dw = [list(shared.dW.values()), list(shared.db.values())]
    of_steps = {"output": [[node.after.h for node in nodes]], "d_x": [[node.dx for node in nodes]]}
    return layout.result(case, weights=dw, h=[end.h], c=[end.c], d_h0=[start.dh], d_c0=[start.dc], **of_steps)


# Samples as columns; the author's own loops over time. With an identity for its dense layer, y is h.
@conformance.candidate(trains={"counting": training.counting})
def cached_cell(case: Any) -> Any:
    layout = conformance.Layout(gates="fiog", joined="hx", transposed=True, split=True, axes="tfb")
    gates = named("Wb", "fiog", layout.weights(case.params))
    head = {"Wy": np.eye(len(gates["bf"]), dtype=case.dtype), "by": np.zeros_like(gates["bf"])}
    cell = cached.LSTMCell({**gates, **head})
    ys, h, c, caches = cached.predict(cell, *layout.inputs(case))
    dxs, dh0, dc0 = cached.backpropagate(cell, *layout.cotangents(case), caches)
    dw = listed(cell.gradients, "Wb", "fiog")
    return layout.result(case, weights=dw, output=ys, h=h, c=c, d_x=dxs, d_h0=dh0, d_c0=dc0)


# Functions of arrays (features, batch, time), which give every h and c; the softmax has no part in that.
@conformance.candidate(trains={"classification": training.classification})
def feature_major(case: Any) -> Any:
    layout = conformance.Layout(gates="figo", joined="hx", transposed=True, split=True, axes="fbt")
    p = named("Wb", "figo", layout.weights(case.params))
    p |= {"Wy": np.zeros_like(p["bf"].T), "by": np.zeros((1, 1), case.dtype)}
    hs, cs, _, caches = functions.forward(*layout.inputs(case), p)
    dhs, dh, dc = layout.cotangents(case)
    last = np.arange(dhs.shape[2]) == dhs.shape[2] - 1
    gradients = functions.backward(dhs + dh[:, :, None] * last, dc, caches, p)
    states = {"h": hs[:, :, -1], "c": cs[:, :, -1], "d_h0": gradients["h0"], "d_c0": gradients["c0"]}
    return layout.result(case, weights=listed(gradients, "Wb", "figo"), output=hs, d_x=gradients["x"], **states)


def activation(name: str) -> linked.Activation:
    """One of the author's own activations; those that he does not have are the reference's."""
    own = {"sigmoid": linked.SIGMOID, "tanh": linked.TANH, "linear": linked.LINEAR}
    other = ACTIVATIONS[name]
    return own.get(name, linked.Activation(other.of, lambda a: other.slope(a, a)))


def over_time(step: Any, arrays: Any, h: Any, c: Any) -> Any:
    """What a step gives for each array, and the last states."""
    results = []
    for array in arrays:
        result, h, c = step(array, h, c)
        results.append(result)
    return results, h, c
