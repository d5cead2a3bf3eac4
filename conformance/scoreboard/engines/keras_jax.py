"""keras.layers.LSTM on JAX, by `stateless_call`; gradients by jax.vjp."""

import jax
import jax.numpy as jnp
import keras
import numpy as np

import conformance

jax.config.update("jax_enable_x64", True)


@conformance.candidate(features=("mask", "zero-output"))
def lstm(case):
    B, T, D, H = case.sizes
    layer = keras.layers.LSTM(
        H,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=case.options.zero_output_for_mask,
        dtype=case.dtype.name,
    )
    layer.build((B, T, D))
    bias = np.zeros(4 * H, case.dtype) if case.params.bias is None else case.params.bias
    weights = [case.params.kernel, case.params.recurrent_kernel, bias]
    states = [jnp.asarray(v.value) for v in layer.non_trainable_variables]
    mask = None if case.mask is None else jnp.asarray(case.mask)

    def run(x, h0, c0, *weights):
        results, _ = layer.stateless_call(weights, states, x, initial_state=[h0, c0], mask=mask)
        return tuple(results)

    @jax.jit
    def there_and_back(given, cotangents):
        results, back = jax.vjp(run, *given)
        return results, back(cotangents)

    given, cotangents = (case.x, case.h0, case.c0, *weights), (case.d_output, case.d_h, case.d_c)
    (y, h, c), (dx, dh0, dc0, dw, du, db) = there_and_back(given, cotangents)
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
