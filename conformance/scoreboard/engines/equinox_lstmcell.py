"""equinox.nn.LSTMCell, of one sample, in jax.lax.scan and jax.vmap; gradients by jax.vjp."""

import equinox as eqx
import jax
import jax.numpy as jnp

import conformance

jax.config.update("jax_enable_x64", True)
LAYOUT = conformance.Layout(gates="ifgo", transposed=True)


@jax.jit
def run(weights, x, h0, c0):
    cell = eqx.nn.LSTMCell(x.shape[2], h0.shape[1], dtype=x.dtype, key=jax.random.key(0))
    cell = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh, c.bias), cell, weights)

    def sample(x, h0, c0):
        def step(state, x_t):
            state = cell(x_t, state)
            return state, state[0]

        (h, c), y = jax.lax.scan(step, (h0, c0), x)
        return y, h, c

    return jax.vmap(sample)(x, h0, c0)


def lstm(case):
    weights = tuple(map(jnp.asarray, LAYOUT.weights(case.params)))
    (y, h, c), back = jax.vjp(run, weights, *map(jnp.asarray, (case.x, case.h0, case.c0)))
    grads, dx, dh0, dc0 = back(tuple(map(jnp.asarray, (case.d_output, case.d_h, case.d_c))))
    return LAYOUT.result(case, weights=grads, output=y, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)
