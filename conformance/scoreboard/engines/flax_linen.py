"""flax.linen.OptimizedLSTMCell in flax.linen.RNN: the carry is (c, h), the bias is on h; gradients by jax.vjp."""

import jax
import jax.numpy as jnp
from flax import linen

import conformance

jax.config.update("jax_enable_x64", True)
LAYOUT = conformance.Layout(gates="ifgo", split=True)


@jax.jit
def run(params, x, h0, c0):
    cell = linen.OptimizedLSTMCell(h0.shape[1], dtype=x.dtype, param_dtype=x.dtype)
    (c, h), y = linen.RNN(cell, return_carry=True).apply({"params": {"cell": params}}, x, initial_carry=(c0, h0))
    return y, h, c


def lstm(case):
    kernels, recurrent, biases = LAYOUT.weights(case.params)
    params = {f"i{gate}": {"kernel": jnp.asarray(w)} for gate, w in zip("ifgo", kernels)}
    params |= {
        f"h{gate}": {"kernel": jnp.asarray(u), "bias": jnp.asarray(b)} for gate, u, b in zip("ifgo", recurrent, biases)
    }
    (y, h, c), back = jax.vjp(run, params, *map(jnp.asarray, (case.x, case.h0, case.c0)))
    grads, dx, dh0, dc0 = back(tuple(map(jnp.asarray, (case.d_output, case.d_h, case.d_c))))
    weights = [
        [grads[part + gate][name] for gate in "ifgo"]
        for part, name in (("i", "kernel"), ("h", "kernel"), ("h", "bias"))
    ]
    return LAYOUT.result(case, weights=weights, output=y, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)
