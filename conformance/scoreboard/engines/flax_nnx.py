"""flax.nnx.LSTMCell in flax.nnx.RNN: the carry is (c, h); gradients by jax.vjp."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

import conformance

jax.config.update("jax_enable_x64", True)
LAYOUT = conformance.Layout(gates="ifgo", split=True)
INPUT = {"i": "ii", "f": "if_", "g": "ig", "o": "io"}


@partial(jax.jit, static_argnums=0)
def run(graph, state, x, h0, c0):
    (c, h), y = nnx.merge(graph, state)(x, initial_carry=(c0, h0))
    return y, h, c


def lstm(case):
    D, H = case.params.input_size, case.params.hidden_size
    cell = nnx.LSTMCell(D, H, dtype=case.dtype, param_dtype=case.dtype, rngs=nnx.Rngs(0))
    kernels, recurrent, biases = LAYOUT.weights(case.params)
    for gate, w, u, b in zip("ifgo", kernels, recurrent, biases):
        getattr(cell, INPUT[gate]).kernel[...] = jnp.asarray(w)
        getattr(cell, f"h{gate}").kernel[...] = jnp.asarray(u)
        getattr(cell, f"h{gate}").bias[...] = jnp.asarray(b)
    graph, state = nnx.split(nnx.RNN(cell, return_carry=True))
    (y, h, c), back = jax.vjp(partial(run, graph), state, *map(jnp.asarray, (case.x, case.h0, case.c0)))
    grads, dx, dh0, dc0 = back(tuple(map(jnp.asarray, (case.d_output, case.d_h, case.d_c))))
    of = nnx.to_pure_dict(grads)["cell"]
    weights = [[of[INPUT[gate]]["kernel"] for gate in "ifgo"]]
    weights += [[of[f"h{gate}"][name] for gate in "ifgo"] for name in ("kernel", "bias")]
    return LAYOUT.result(case, weights=weights, output=y, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)
