"""Whole networks from Keras's files: whatever the configuration says is done, or it is refused by name."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import lstm_ref
from conformance.cases.draw import Draw
from conformance.suite.exports import exported
from lstm_ref import Options
from lstm_ref.errors import AssumedWarning, LSTMError, LSTMNameError, UnsupportedError, UsageError

L = keras.layers
D, H = 3, 4
B, T = 3, 6
SUFFIXES = ("m.keras", "m.h5")


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return Draw(f"keras files {shape}").uniform(1.0, *shape).astype(np.float32)


def model_of(*layers: Any) -> Any:
    """A Sequential model with weights of every size, so that a zero bias hides nothing."""
    model = keras.Sequential([keras.Input((None, D)), *layers])
    model.set_weights([Draw(f"{n} {w.shape}").uniform(0.8, *w.shape) for n, w in enumerate(model.get_weights())])
    return model


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def cell(**options: Any) -> Any:
    return L.LSTMCell(H, **options)


def exchanged(**options: Any) -> Any:
    """The forward layer reads from the end, and the backward one from the beginning; their names say nothing."""
    back = L.LSTM(H, **options, name="backward_half")
    return L.Bidirectional(L.LSTM(H, go_backwards=True, **options, name="half"), backward_layer=back)


LAYERS: dict[str, Callable[[], Any]] = {
    "sequences": lambda: L.LSTM(H, return_sequences=True),
    "last": lambda: L.LSTM(H),
    "no-bias": lambda: L.LSTM(H, use_bias=False, return_sequences=True),
    "activations": lambda: L.LSTM(H, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True),
    "function": lambda: L.LSTM(H, activation=keras.activations.softsign, return_sequences=True),
    "backwards": lambda: L.LSTM(H, go_backwards=True, return_sequences=True),
    "backwards-last": lambda: L.LSTM(H, go_backwards=True),
    "zero-output": lambda: L.LSTM(H, zero_output_for_mask=True, return_sequences=True),
    "rnn": lambda: L.RNN(cell(), return_sequences=True),
    "rnn-backwards": lambda: L.RNN(cell(), go_backwards=True, return_sequences=True),
    "rnn-backwards-last": lambda: L.RNN(cell(activation="elu"), go_backwards=True),
    "stack": lambda: L.RNN([cell(), L.LSTMCell(2), L.LSTMCell(5)], return_sequences=True),
    "stack-last": lambda: L.RNN([cell(), L.LSTMCell(2)]),
    "stack-of-twelve": lambda: L.RNN([L.LSTMCell(1 + k) for k in range(12)], return_sequences=True),
    "unroll": lambda: L.LSTM(H, unroll=True, return_sequences=True),
    "both": lambda: L.Bidirectional(L.LSTM(H, return_sequences=True)),
    "both-last": lambda: L.Bidirectional(L.LSTM(H)),
    "both-sum": lambda: L.Bidirectional(L.LSTM(H, return_sequences=True), merge_mode="sum"),
    "both-mul-last": lambda: L.Bidirectional(L.LSTM(H), merge_mode="mul"),
    "both-ave": lambda: L.Bidirectional(L.LSTM(H, return_sequences=True, activation="relu"), merge_mode="ave"),
    "both-exchanged": lambda: exchanged(return_sequences=True),
    "both-exchanged-last": lambda: exchanged(),
    "both-rnn": lambda: L.Bidirectional(L.RNN(cell(), return_sequences=True)),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_computes_what_keras_does_with_a_mask_and_without(kind: str, suffix: str, tmp_path: Path) -> None:
    model = model_of(LAYERS[kind]())
    network = lstm_ref.load(saved(model, tmp_path / suffix))
    x = drawn(B, T, D)
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)
    if kind == "unroll":  # what it does with masks is another thing: see test_other_ways
        return
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1]], bool)
    expected = np.asarray(model.layers[-1](x, mask=mask))
    np.testing.assert_allclose(network(x, None, mask)[0], expected, rtol=0, atol=2e-6)


@keras.saving.register_keras_serializable()
class Halved(L.LSTM):  # type: ignore[misc, name-defined]  # Keras is untyped
    """It computes something else, and its file does not say what."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        return super().call(sequences, initial_state, mask, training) / 2


class OddCell(L.LSTMCell):  # type: ignore[misc, name-defined]
    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        return super().call(-inputs, states, training)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "subclass": (lambda: Halved(H, return_sequences=True), "class '.*Halved'"),
    "cell": (lambda: L.RNN(OddCell(H), return_sequences=True), "cell is of the class 'OddCell'"),
    "cells": (lambda: L.RNN([cell(), OddCell(H)], return_sequences=True), "cell is of the class 'OddCell'"),
    "both": (lambda: L.Bidirectional(Halved(H, return_sequences=True)), "class '.*Halved'"),
    "gelu": (
        lambda: L.LSTM(H, activation="gelu", return_sequences=True),
        "activation='gelu', which cannot be computed",
    ),
    "layer": (lambda: L.LSTM(H, activation=L.LeakyReLU(0.3), return_sequences=True), "activation='LeakyReLU'"),
    "mixed": (lambda: L.RNN([cell(), cell(activation="relu")], return_sequences=True), "different activations"),
    "both-stack": (lambda: L.Bidirectional(L.RNN([cell(), cell()], return_sequences=True)), "whole stack of cells"),
    "stack-backwards": (lambda: L.RNN([cell(), cell()], return_sequences=True, go_backwards=True), "read backwards"),
    "both-unlike": (
        lambda: L.Bidirectional(
            L.LSTM(H, return_sequences=True),
            backward_layer=L.LSTM(H, return_sequences=True, go_backwards=True, activation="relu"),
        ),
        "directions of its layer 0 differ",
    ),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_may_compute_something_else_is_refused_by_name(kind: str, suffix: str, tmp_path: Path) -> None:
    make, reason = REFUSED[kind]
    path = saved(model_of(make()), tmp_path / suffix)
    infos = lstm_ref.inspect(path)
    assert infos
    for info in infos:  # an older file of names that do not tell has the halves apart
        assert info.unsupported
        with pytest.raises(UnsupportedError, match=reason if len(infos) == 1 else "class 'OddCell'|which"):
            lstm_ref.load(path, info.name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_layers_that_follow_each_other_are_one_network_if_all_are_named(suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input((None, D))
    a = L.LSTM(H, return_sequences=True, name="a")(inputs)
    b = L.Bidirectional(L.LSTM(2, return_sequences=True), name="b")(L.Dropout(0.5)(a))
    c = L.LSTM(5, name="c")(b)
    other = L.LSTM(3, name="other")(L.Dense(4, name="dense")(a))
    model = keras.Model(inputs, [c, other])
    model.set_weights([Draw(str(n)).uniform(0.8, *w.shape) for n, w in enumerate(model.get_weights())])
    path, x = saved(model, tmp_path / suffix), drawn(B, T, D)
    network = lstm_ref.load(path, ["a", "b", "c"])
    assert len(network.layers) == 3
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)[0]), rtol=0, atol=2e-6)
    for names, why in (
        (["a", "c"], "'c' is given the output of 'b'"),
        (["a", "other"], "'other' is given something else"),
        (["b", "a"], "'a' is given something else"),
        (["a", "a.l0"], "is a part"),
        ([], "no name is given"),
    ):
        with pytest.raises(LSTMNameError, match=why):
            lstm_ref.load(path, names)


def test_of_a_sequential_model_too_and_a_layer_that_is_called_twice_is_not_stacked(tmp_path: Path) -> None:
    model = model_of(L.LSTM(H, return_sequences=True, name="a"), L.LSTM(H, return_sequences=True, name="b"))
    x = drawn(B, T, D)
    for suffix in SUFFIXES:
        network = lstm_ref.load(saved(model, tmp_path / suffix), ["a", "b"])
        np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)
    shared, inputs = L.LSTM(D, return_sequences=True, name="shared"), keras.Input((None, D))
    twice = keras.Model(inputs, L.LSTM(2, name="end")(shared(shared(inputs))))
    for suffix in SUFFIXES:
        with pytest.raises(LSTMNameError, match="'end' is given something else"):
            lstm_ref.load(saved(twice, tmp_path / f"twice-{suffix}"), ["shared", "end"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_layers_of_one_name_in_two_models_are_told_apart(suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input((None, D))
    one = keras.Sequential([keras.Input((None, D)), L.LSTM(H, return_sequences=True, name="lstm")], name="one")
    two = keras.Sequential(
        [keras.Input((None, H)), L.LSTM(2, activation="relu", go_backwards=True, name="lstm")], name="two"
    )
    model = keras.Model(inputs, two(one(inputs)))
    path = saved(model, tmp_path / suffix)
    first, second = sorted(lstm_ref.inspect(path), key=lambda info: -info.hidden_size)
    assert first.parts[0].options == Options()
    assert second.parts[0].options == Options("relu", go_backwards=True, return_sequences=False)
    x = drawn(B, T, D)
    np.testing.assert_allclose(
        lstm_ref.load(path, second.name)(lstm_ref.load(path, first.name)(x)[0])[0],
        np.asarray(model(x)),
        rtol=0,
        atol=2e-6,
    )


def test_what_a_user_has_to_do_is_remarked(tmp_path: Path) -> None:
    inputs = keras.Input((T, D), batch_size=B)
    masked = L.Masking(name="masking")(inputs)
    lstm = L.LSTM(H, stateful=True, dropout=0.2, dtype="mixed_float16", name="lstm")(masked)
    path = saved(keras.Model(inputs, lstm), tmp_path / "m.keras")
    (info,) = lstm_ref.inspect(path)
    told = " ".join(info.remarks)
    for word in ("stateful", "dropout in training", "float16", "'masking', which makes a mask"):
        assert word in told


def test_weights_alone_are_taken_as_the_default_with_a_warning_or_as_told(tmp_path: Path) -> None:
    model, x = model_of(L.LSTM(H, activation="relu", go_backwards=True)), drawn(B, T, D)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    with pytest.warns(AssumedWarning, match="does not tell how it computes"):
        assumed = lstm_ref.load(path)
    assert assumed.layers[0].options == Options()
    options = Options("relu", go_backwards=True, return_sequences=False)
    network = lstm_ref.load(path, options=options)
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)
    (info,) = lstm_ref.inspect(path)
    assert info.assumed
    with pytest.raises(UsageError, match="tells itself how its LSTM computes: options are for files that do not"):
        lstm_ref.load(saved(model, tmp_path / "m.keras"), options=options)

    both = model_of(L.Bidirectional(L.LSTM(H, return_sequences=True), merge_mode="sum"))
    both.save_weights(path)
    with pytest.warns(AssumedWarning):
        assert lstm_ref.load(path).layers[0].options == Options(zero_output_for_mask=True)
    network = lstm_ref.load(path, options=Options(), merge="sum")
    np.testing.assert_allclose(network(x)[0], np.asarray(both(x)), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("version", "gates"),
    [
        ("1.2.2", "hard_sigmoid"),
        ("2.0.4-tf", "hard_sigmoid"),
        ("2.1.5", "hard_sigmoid"),
        ("2.2.5", "hard_sigmoid"),
        ("2.1.6-tf", "hard_sigmoid"),
        ("2.2.4-tf", "sigmoid"),
        ("2.3.0", "sigmoid"),
        ("2.10.0", "sigmoid"),
        ("2.15.0", "sigmoid"),
        ("", "sigmoid"),
    ],
)
def test_weights_alone_are_taken_as_the_default_of_the_keras_that_wrote_them(
    version: str, gates: str, tmp_path: Path
) -> None:
    import tf_keras

    layer = tf_keras.layers.LSTM(H, recurrent_activation=gates, return_sequences=True)
    model = tf_keras.Sequential([tf_keras.layers.Input((None, D)), layer])
    model.set_weights([3 * drawn(*w.shape) for w in model.get_weights()])
    path, x = tmp_path / "weights.h5", drawn(B, T, D)
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = version  # no Keras as old as that runs here
    with pytest.warns(AssumedWarning, match=rf"taken \(tanh, {gates}"):
        network = lstm_ref.load(path)
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)
    np.testing.assert_array_equal(lstm_ref.load(path, options=network.layers[0].options)(x)[0], network(x)[0])


def test_a_cudnnlstms_gates_are_sigmoids_whatever_keras_wrote_it(tmp_path: Path) -> None:
    file, layer = exported("cudnn-weights.h5")
    path = tmp_path / "weights.h5"
    path.write_bytes(file.read_bytes())
    with h5py.File(path, "r+") as weights:
        weights.attrs["keras_version"] = "2.1.5"
    with pytest.warns(AssumedWarning, match=r"taken \(tanh, sigmoid"):
        network = lstm_ref.load(path)
    x = drawn(B, T, network.params.input_size)
    np.testing.assert_allclose(network(x)[0], np.asarray(layer(x)), rtol=0, atol=2e-6)


def test_the_hard_sigmoid_is_that_of_the_keras_that_wrote_the_file(tmp_path: Path) -> None:
    import tf_keras

    layer = tf_keras.layers.LSTM(H, recurrent_activation="hard_sigmoid", return_sequences=True)
    model = tf_keras.Sequential([tf_keras.layers.Input((None, D)), layer])
    model.set_weights([3 * drawn(*w.shape) for w in model.get_weights()])
    path, x = tmp_path / "keras2.h5", drawn(B, T, D)
    model.save(path)
    np.testing.assert_allclose(lstm_ref.load(path)(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)
    with h5py.File(path, "r+") as file:
        del file.attrs["keras_version"]
        del file["model_weights"].attrs["keras_version"]
    with pytest.raises(UnsupportedError, match="'hard_sigmoid', which is not the same in Keras 2 and 3"):
        lstm_ref.load(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace(
            '"recurrent_activation": "hard_sigmoid"', '"x": 1'
        )
    with pytest.raises(UnsupportedError, match="recurrent_activation is not told"):
        lstm_ref.load(path)


def test_bidirectional_models_of_keras_2(tmp_path: Path) -> None:
    import tf_keras

    layers = tf_keras.layers
    first = layers.Bidirectional(layers.LSTM(H, return_sequences=True), merge_mode="ave", name="first")
    model = tf_keras.Sequential([layers.Input((None, D)), first, layers.LSTM(2, go_backwards=True, name="second")])
    model.set_weights([drawn(*w.shape) for w in model.get_weights()])
    path, x = tmp_path / "keras2.h5", drawn(B, T, D)
    model.save(path)
    network = lstm_ref.load(path, ["first", "second"])
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)


def rewritten(path: Path, change: Callable[[str], str]) -> Path:
    """A copy of a .keras archive with another config.json."""
    copy = path.with_name("rewritten.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content.decode()) if name == "config.json" else content)
    return copy


def nested(text: str) -> str:
    return "[" * 100_000 + text + "]" * 100_000


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "7",
        lambda text: "{}",
        lambda text: text.replace('"layers": [', '"layers": 3, "other": ['),
        lambda text: text.replace('"LSTM"', "5"),
        lambda text: text.replace('"LSTM"', '"\\ud800\\u001b[31m"'),
        lambda text: text.replace('"units": 4', f'"units": {"9" * 5000}'),
        lambda text: text.replace('"activation": "tanh"', f'"activation": "{"x" * 5_000_000}"'),
        lambda text: text.replace('"activation": "tanh"', '"activation": {"class_name": [1], "config": {"a": {}}}'),
        lambda text: text.replace('"inbound_nodes": [', '"inbound_nodes": [[[[[]]]], '),
        lambda text: json.dumps({"config": [json.loads(text)] * 3}),
        nested,
    ],
    ids=["number", "empty", "no-layers", "class", "escapes", "digits", "long", "function", "nodes", "list", "nested"],
)
def test_a_configuration_that_is_nonsense_is_refused_or_told(change: Callable[[str], str], tmp_path: Path) -> None:
    model = model_of(L.LSTM(H, return_sequences=True))
    path = rewritten(saved(model, tmp_path / "m.keras"), change)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            network = lstm_ref.load(path)
        except LSTMError as error:
            told = [str(error)]
        else:
            told = [str(each.message) for each in warned if each.category is AssumedWarning]
            if not told:  # what was changed has no part in the layer
                told = ["right"]
                np.testing.assert_allclose(
                    network(drawn(B, T, D))[0], np.asarray(model(drawn(B, T, D))), rtol=0, atol=2e-6
                )
    assert len(told[0]) < 1000
    assert told[0].isprintable()
