"""keras.layers.LSTM on JAX, by `stateless_call`; gradients by jax.vjp."""

from functools import cache

import jax
import jax.numpy as jnp
import keras
import numpy as np

import conformance

jax.config.update("jax_enable_x64", True)


@cache
def there_and_back(D, H, dtype, zero_output):
    layer = keras.layers.LSTM(
        H, return_sequences=True, return_state=True, zero_output_for_mask=zero_output, dtype=dtype
    )
    layer.build((None, None, D))
    states = [jnp.asarray(v.value) for v in layer.non_trainable_variables]

    def run(mask, given, cotangents):
        def forward(x, h0, c0, *weights):
            results, _ = layer.stateless_call(weights, states, x, initial_state=[h0, c0], mask=mask)
            return tuple(results)

        results, back = jax.vjp(forward, *given)
        return results, back(cotangents)

    return jax.jit(run)


@conformance.candidate(features=("mask", "zero-output"))
def lstm(case):
    D, H = case.params.input_size, case.params.hidden_size
    bias = np.zeros(4 * H, case.dtype) if case.params.bias is None else case.params.bias
    run = there_and_back(D, H, case.dtype.name, case.options.zero_output_for_mask)
    given = case.x, case.h0, case.c0, case.params.kernel, case.params.recurrent_kernel, bias
    (y, h, c), (dx, dh0, dc0, dw, du, db) = run(case.mask, given, (case.d_output, case.d_h, case.d_c))
    result = {
        "output": y,
        "h": h,
        "c": c,
        "d_x": dx,
        "d_h0": dh0,
        "d_c0": dc0,
        "d_kernel": dw,
        "d_recurrent_kernel": du,
    }
    return result if case.params.bias is None else result | {"d_bias": db}
