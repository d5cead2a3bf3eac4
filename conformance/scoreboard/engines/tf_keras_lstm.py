"""Keras 2's layer, as it is kept in tf-keras; gradients by a tape."""

import tensorflow as tf
import tf_keras

import conformance


@conformance.candidate(features=("mask", "zero-output"))
def lstm(case):
    layer = tf_keras.layers.LSTM(
        case.params.hidden_size,
        return_sequences=True,
        return_state=True,
        use_bias=case.params.bias is not None,
        zero_output_for_mask=case.options.zero_output_for_mask,
        dtype=case.dtype.name,
    )
    layer.build(case.x.shape)
    layer.set_weights(list(case.params.arrays.values()))
    x, h0, c0 = map(tf.constant, (case.x, case.h0, case.c0))
    weights = layer.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch([x, h0, c0])
        results = layer(x, initial_state=[h0, c0], mask=None if case.mask is None else tf.constant(case.mask))
        loss = sum(tf.reduce_sum(a * d) for a, d in zip(results, (case.d_output, case.d_h, case.d_c)))
    dx, dh0, dc0, *grads = tape.gradient(loss, [x, h0, c0, *weights])
    named = dict(zip(("output", "h", "c"), results)) | {"d_x": dx, "d_h0": dh0, "d_c0": dc0}
    return named | {f"d_{name}": grad for name, grad in zip(case.params.arrays, grads)}
