"""Functions of TensorFlow's tensors, and layers and models of Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import conformance
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError
from conformance.frameworks.tests.test_function import CASE, NO_BIAS, assert_right
from conformance.trial.call import InThread
from conformance.trial.declare import declared
from conformance.trial.runner import in_order, judge, run, trials

NARROW = Spec(3, 2, 5, 4, "float32").build()


def update(z: Any, c: Any) -> Any:
    i, f, g, o = tf.split(z, 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


class Homemade(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """One matrix on [x, h], blocks i f g o; called with a list of states."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, shape: Any, *_: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1] + self.units, 4 * self.units), name="w")
        self.b = self.add_weight(shape=(4 * self.units,), name="b")

    def call(self, x: Any, states: Any, training: bool = False) -> Any:
        (h, c), outputs = states, []
        for t in range(x.shape[1]):
            h, c = update(tf.concat([x[:, t], h], axis=1) @ self.w + self.b, c)
            outputs.append(h)
        return tf.stack(outputs, axis=1), [h, c]


class DenseGates(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A `Dense` for x and one for h for each gate."""

    def __init__(self, units: int) -> None:
        super().__init__()
        for gate in ("input", "forget", "cell", "output"):
            setattr(self, f"x_{gate}", keras.layers.Dense(units, name=f"x_{gate}"))
            setattr(self, f"h_{gate}", keras.layers.Dense(units, use_bias=False, name=f"h_{gate}"))

    def call(self, x: Any, h: Any, c: Any) -> Any:
        outputs = []
        for t in range(x.shape[1]):
            z = [
                getattr(self, f"x_{gate}")(x[:, t]) + getattr(self, f"h_{gate}")(h)
                for gate in ("input", "forget", "cell", "output")
            ]
            h, c = update(tf.concat(z, axis=1), c)
            outputs.append(h)
        return tf.stack(outputs, axis=1), h, c


def functional(D: int, H: int) -> keras.Model:
    given = [keras.Input((None, D)), keras.Input((H,)), keras.Input((H,))]
    layer = keras.layers.LSTM(H, return_sequences=True, return_state=True)
    return keras.Model(given, layer(given[0], initial_state=given[1:]))


@pytest.mark.parametrize(
    "given",
    [
        keras.layers.LSTM(7),
        keras.layers.RNN(keras.layers.LSTMCell(2)),
        keras.layers.LSTMCell(2),
        lambda D, H: keras.layers.LSTM(H, return_sequences=True, return_state=True),
        functional,
        lambda D, H: DenseGates(H),
    ],
    ids=["layer", "rnn", "cell", "factory", "functional", "dense-gates"],
)
def test_layers_are_known(given: Any) -> None:
    lstm = conformance.module(given)
    for case in (CASE, NO_BIAS):
        assert_right(lstm(case), case)
    assert {array.dtype for array in lstm(NARROW).values()} == {np.dtype("float32")}
    assert (keras.config.dtype_policy().name, keras.config.floatx()) == ("float32", "float32")


def test_a_homemade_layer_is_asked_for_its_layout_and_is_right_with_it() -> None:
    with pytest.raises(CandidateError, match=r'With layout=conformance.Layout\(gates="ifco", joined="xh"\) it gives'):
        conformance.module(lambda D, H: Homemade(H))
    assert_right(conformance.module(lambda D, H: Homemade(H), layout=conformance.Layout("ifgo", joined="xh"))(CASE))


def test_kerass_lstm_conforms_in_all_short_cases() -> None:
    call = InThread(conformance.module(keras.layers.LSTM(1)))
    short = [trial for trial in trials("fixtures") if trial.case.sizes[1] <= 6]
    results = [result for trial in in_order(call, short) for result in judge(trial, call(trial.case), call.without)]
    assert len(results) > 1000
    assert {result.status for result in results} == {"passed"}


def test_a_layer_without_bias_declares_it() -> None:
    assert declared(conformance.module(keras.layers.LSTM(1, use_bias=False))) == {"bias"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (keras.layers.Bidirectional(keras.layers.LSTM(2)), "a Bidirectional is more than one layer"),
        (keras.layers.LSTM(2, go_backwards=True), "the layer has go_backwards=True"),
        (lambda D, H: keras.layers.LSTM(H), "with return_sequences=True, return_state=True: make it so"),
        (Homemade(2), r"a Homemade has one size"),
        (lambda D, H: keras.Sequential([keras.layers.Dense(H)]), "these are not the parameters of one LSTM layer"),
    ],
)
def test_what_is_no_plain_layer_is_refused(given: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        conformance.module(given)


traces: list[tuple[int, ...]] = []


@conformance.autograd("tensorflow")
@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow has no types
def traced(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
    traces.append(x.shape)
    T = tf.shape(x)[1]
    outputs = tf.TensorArray(x.dtype, T)
    for t in tf.range(T):
        h, c = update(x[:, t] @ W + h @ U + b, c)
        outputs = outputs.write(t, h)
    return tf.transpose(outputs.stack(), [1, 0, 2]), h, c


def test_a_traced_function_conforms_and_is_not_traced_for_each_shape() -> None:
    report = run(traced, "traced")
    assert report.conforms()
    assert report.counts()["passed"] == 2036
    assert 2 <= len(traces) < 24
    assert len({trial.case.sizes for trial in report.trials.values()}) > 40


def test_a_stopped_carry_is_seen_and_no_gradient_at_all_is_said() -> None:
    def stopped(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        outputs = []
        for t in range(x.shape[1]):
            h, c = update(x[:, t] @ W + h @ U + b, tf.stop_gradient(c))
            outputs.append(h)
        return outputs, (h, c)

    result = conformance.autograd("tensorflow")(stopped)(CASE)
    assert not result["d_c0"].any()
    assert result["d_h0"].any()
    with pytest.raises(CandidateError, match="no gradient flows out of output, h, c"):
        conformance.autograd("tensorflow")(lambda *a: [tf.stop_gradient(y) for y in traced.function(*a)])(CASE)
