"""sonnet.LSTM in sonnet.dynamic_unroll: gates i, f, g, o; gradients by a tape.

It adds `forget_bias`, 1 by default, when it makes its weights; the adapter sets them itself.
"""

import sonnet as snt
import tensorflow as tf

import conformance

LAYOUT = conformance.Layout(gates="ifgo", axes="tbf")


def lstm(case):
    kind = tf.as_dtype(case.dtype)
    layer = snt.LSTM(case.params.hidden_size, forget_bias=0.0, dtype=kind)
    x, h0, c0 = (tf.constant(a) for a in LAYOUT.inputs(case))
    layer(x[0], snt.LSTMState(h0, c0))
    variables = [layer.input_to_hidden, layer.hidden_to_hidden, layer.b]
    for variable, w in zip(variables, LAYOUT.weights(case.params)):
        variable.assign(w)
    with tf.GradientTape() as tape:
        tape.watch([x, h0, c0])
        y, state = snt.dynamic_unroll(layer, x, snt.LSTMState(h0, c0))
        results = y, state.hidden, state.cell
        loss = sum(tf.reduce_sum(a * tf.constant(d)) for a, d in zip(results, LAYOUT.cotangents(case)))
    dx, dh0, dc0, *grads = (g.numpy() for g in tape.gradient(loss, [x, h0, c0, *variables]))
    return LAYOUT.result(case, weights=grads, output=y, h=state.hidden, c=state.cell, d_x=dx, d_h0=dh0, d_c0=dc0)
