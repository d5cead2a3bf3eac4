"""Functions of JAX's arrays, and modules of Flax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import conformance
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError
from conformance.frameworks.tests.test_function import CASE, NO_BIAS, assert_right
from conformance.trial.call import InThread
from conformance.trial.runner import in_order, judge, run, trials

NARROW = Spec(3, 2, 5, 4, "float32").build()
traces: list[tuple[int, ...]] = []


def update(z: Any, c: Any) -> Any:
    i, f, g, o = jnp.split(z, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def scanned(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
    traces.append(x.shape)

    def step(carry: Any, x: Any) -> Any:
        h, c = update(x @ W + carry[0] @ U + b, carry[1])
        return (h, c), h

    carry, output = jax.lax.scan(step, (h, c), x.swapaxes(0, 1))
    return output.swapaxes(0, 1), carry


def unrolled(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
    outputs = []
    for t in range(x.shape[1]):
        h, c = update(x[:, t] @ W + h @ U + b, c)
        outputs.append(h)
    return outputs, h, c


def test_a_compiled_function_conforms_and_is_traced_once_for_each_shape() -> None:
    traces.clear()
    report = run(conformance.autograd("jax")(jax.jit(scanned)), "jax")
    assert report.conforms()
    assert report.counts()["passed"] == 2036
    shapes = {(t.case.dtype, t.case.sizes) for t in report.trials.values()}
    assert len(traces) <= len(shapes) + 4  # the checks of behaviour cut a sequence in two


def test_a_plain_function_is_differentiated_in_the_cases_dtype() -> None:
    lstm = conformance.autograd("jax")(unrolled)
    for case in (CASE, NO_BIAS):
        assert_right(lstm(case), case)
    assert {array.dtype for array in lstm(NARROW).values()} == {np.dtype("float32")}
    assert jnp.array(np.zeros(1)).dtype == np.float32


def test_single_precision_inside_is_not_hidden() -> None:
    def narrow(*arguments: Any) -> Any:
        return unrolled(*(a.astype(np.float32) for a in arguments))

    trial = next(t for t in trials("fixtures", ("float64",)) if t.case.sizes == (4, 6, 2, 3))
    call = InThread(conformance.autograd("jax")(narrow))
    assert {result.status for result in judge(trial, call(trial.case), frozenset())} == {"failed"}


def test_a_stopped_carry_is_seen() -> None:
    def stopped(x: Any, h: Any, c: Any, *weights: Any) -> Any:
        return unrolled(x, h, jax.lax.stop_gradient(c), *weights)

    result = conformance.autograd("jax")(stopped)(CASE)
    assert not result["d_c0"].any()
    assert result["d_h0"].any()


def test_weights_per_gate_are_given_as_lists() -> None:
    layout = conformance.Layout("oifc", joined="xh", split=True)

    def split(x: Any, h: Any, c: Any, W: Any, b: Any) -> Any:
        o, i, f, g = range(4)
        order, outputs = [i, f, g, o], []
        for t in range(x.shape[1]):
            xh = jnp.concatenate([x[:, t], h], axis=1)
            h, c = update(jnp.concatenate([xh @ W[k] + b[k] for k in order], axis=1), c)
            outputs.append(h)
        return outputs, h, c

    assert_right(conformance.autograd("jax", layout=layout)(split)(CASE))


class Homemade(linen.Module):
    """Two `Dense` for each gate, named by its letter; called with a pair."""

    units: int

    @linen.compact
    def __call__(self, x: Any, states: Any) -> Any:
        x_gates = [linen.Dense(self.units, name=f"x{gate}") for gate in "ifgo"]
        h_gates = [linen.Dense(self.units, name=f"h{gate}", use_bias=False) for gate in "ifgo"]
        (h, c), outputs = states, []
        for t in range(x.shape[1]):
            z = [one(x[:, t]) + other(h) for one, other in zip(x_gates, h_gates, strict=True)]
            h, c = update(jnp.concatenate(z, axis=1), c)
            outputs.append(h)
        return jnp.stack(outputs, axis=1), (h, c)


class Joined(nnx.Module):
    """One `Linear` on [h, x], blocks i f g o."""

    def __init__(self, D: int, H: int) -> None:
        self.gates = nnx.Linear(D + H, 4 * H, rngs=nnx.Rngs(0))

    def __call__(self, x: Any, h: Any, c: Any) -> Any:
        outputs = []
        for t in range(x.shape[1]):
            h, c = update(self.gates(jnp.concatenate([h, x[:, t]], axis=1)), c)
            outputs.append(h)
        return jnp.stack(outputs, axis=1), h, c


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        (linen.RNN(linen.OptimizedLSTMCell(2)), None),
        (linen.RNN(linen.LSTMCell(2), time_major=True), None),
        (linen.OptimizedLSTMCell(2), None),
        (lambda D, H: Homemade(H), None),
        (lambda D, H: nnx.RNN(nnx.OptimizedLSTMCell(D, H, rngs=nnx.Rngs(0))), None),
        (lambda D, H: nnx.LSTMCell(D, H, rngs=nnx.Rngs(0)), None),
        (Joined, conformance.Layout("ifgo", joined="hx")),
    ],
    ids=["linen-rnn", "linen-time-major", "linen-cell", "linen-homemade", "nnx-rnn", "nnx-cell", "nnx-homemade"],
)
def test_modules_are_known(given: Any, layout: Any) -> None:
    lstm = conformance.module(given, layout=layout)
    for case in (CASE, NO_BIAS):
        assert_right(lstm(case), case)
    assert {array.dtype for array in lstm(NARROW).values()} == {np.dtype("float32")}


def test_a_linen_layer_conforms_in_all_short_cases() -> None:
    call = InThread(conformance.module(linen.RNN(linen.OptimizedLSTMCell(1))))
    short = [trial for trial in trials("fixtures") if trial.case.sizes[1] <= 3]
    results = [result for trial in in_order(call, short) for result in judge(trial, call(trial.case), call.without)]
    assert len(results) > 150
    assert {result.status for result in results} == {"passed"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Joined, r'say it, as layout=.*With layout=conformance.Layout\(gates="ifco", joined="hx"\) it gives'),
        (Joined(2, 3), "a Joined has one size"),
        (linen.RNN(linen.LSTMCell(2), reverse=True), "the RNN has reverse=True"),
        (
            lambda D, H: linen.Bidirectional(linen.RNN(linen.LSTMCell(H)), linen.RNN(linen.LSTMCell(H))),
            "a Bidirectional",
        ),
    ],
)
def test_what_is_open_or_no_plain_layer_is_refused(given: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        conformance.module(given)
