"""Files of Keras 1 and 2: archives that do not repeat the layers' names, CuDNN's layers, a matrix for each gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

import lstm_ref
from conformance.cases.draw import Draw
from conformance.cli import main
from conformance.suite.test_files_keras import B, D, H, T, drawn, rewritten
from lstm_ref import Options
from lstm_ref.errors import AssumedWarning, UnsupportedError

L = tf_keras.layers


def filled(model: Any) -> Any:
    model.set_weights([Draw(f"{n} {w.shape}").uniform(0.8, *w.shape) for n, w in enumerate(model.get_weights())])
    return model


def sequential(*layers: Any, width: int = D, **more: Any) -> Any:
    return filled(tf_keras.Sequential([L.Input((None, width)), *layers], **more))


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def test_layers_of_an_archive_compute_what_their_configuration_says(tmp_path: Path) -> None:
    """Of every class several, in models inside of models: an archive names none of them."""
    inner = sequential(
        L.LSTM(H, activation="relu", return_sequences=True, name="c"),
        L.Dense(3),
        L.LSTM(2, recurrent_activation="hard_sigmoid", go_backwards=True, return_sequences=True, name="d"),
        L.Bidirectional(L.LSTM(2, activation="softsign", return_sequences=True), merge_mode="sum", name="e"),
        width=5,
        name="inner",
    )
    inputs = tf_keras.Input((None, D))
    a = L.LSTM(H, activation="elu", return_sequences=True, name="a")(inputs)
    b = L.RNN([L.LSTMCell(2), L.LSTMCell(5)], return_sequences=True, name="b")(a)
    end = L.Bidirectional(L.LSTM(3), name="end")(inner(b))
    model = filled(tf_keras.Model(inputs, end))
    path, x = saved(model, tmp_path / "m.keras"), drawn(B, T, D)
    assert {info.name for info in lstm_ref.inspect(path)} == {"a", "b", "c", "d", "e", "end"}
    assert not any(info.assumed or info.unsupported for info in lstm_ref.inspect(path))
    given = x
    for name, layer in [
        *((n, model.get_layer(n)) for n in "ab"),
        *((n, inner.get_layer(n)) for n in ("c",)),
    ]:
        expected = np.asarray(layer(given))
        given = lstm_ref.load(path, name)(given)[0]
        np.testing.assert_allclose(given, expected, rtol=0, atol=2e-6)
    for name, width in (("d", 3), ("e", 2)):
        given = drawn(B, T, width)
        expected = np.asarray(inner.get_layer(name)(given))
        np.testing.assert_allclose(lstm_ref.load(path, name)(given)[0], expected, rtol=0, atol=2e-6)
    given = drawn(B, T, 2)
    expected = np.asarray(model.get_layer("end")(given))
    np.testing.assert_allclose(lstm_ref.load(path, "end")(given)[0], expected, rtol=0, atol=2e-6)
    assert len(lstm_ref.load(path, ["a", "b"]).layers) == 3


@pytest.mark.parametrize("suffix", ["m.keras", "m.h5"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["3", "2"])
def test_a_layer_inside_of_a_wrapper_has_its_own_settings(library: Any, suffix: str, tmp_path: Path) -> None:
    layer = library.layers.LSTM(2, activation="relu", return_sequences=True)
    model = library.Sequential([library.layers.Input((4, T, D)), library.layers.TimeDistributed(layer, name="each")])
    model.set_weights([Draw(f"{n} {w.shape}").uniform(0.8, *w.shape) for n, w in enumerate(model.get_weights())])
    path, x = saved(model, tmp_path / suffix), drawn(B, 4, T, D)
    (info,) = lstm_ref.inspect(path)
    assert not info.assumed
    np.testing.assert_allclose(lstm_ref.load(path)(x[:, 1])[0], np.asarray(model(x))[:, 1], rtol=0, atol=2e-6)


def test_a_layer_that_two_models_share_is_refused_where_it_is_in_doubt(tmp_path: Path) -> None:
    shared = L.LSTM(D, activation="relu", return_sequences=True, name="shared")
    one = tf_keras.Sequential([L.Input((None, D)), shared], name="one")
    two = tf_keras.Sequential([L.Input((None, D)), shared, L.LSTM(D, name="own")], name="two")
    inputs = tf_keras.Input((None, D))
    model = filled(tf_keras.Model(inputs, two(one(inputs))))
    path = saved(model, tmp_path / "m.keras")
    infos = {info.path or info.name: info for info in lstm_ref.inspect(path)}
    first, second = infos["layers/sequential/layers/lstm"], infos["layers/sequential_1/layers/lstm"]
    x = drawn(B, T, D)
    np.testing.assert_allclose(lstm_ref.load(path, first.name)(x)[0], np.asarray(shared(x)), rtol=0, atol=2e-6)
    assert not first.assumed
    with pytest.raises(UnsupportedError, match=r"shared with another model.*save the model as \.h5"):
        lstm_ref.load(path, second.name)
    path = saved(model, tmp_path / "m.h5")
    expected = np.asarray(two.get_layer("own")(x))
    np.testing.assert_allclose(lstm_ref.load(path, "own")(x)[0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("suffix", ["m.keras", "m.weights.h5", "m.h5"])
def test_cudnn_layers_are_read_by_their_rule(suffix: str, tmp_path: Path) -> None:
    """Keras 2 itself turns them into an LSTM's weights, when it loads an .h5 of weights."""
    from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM  # exported under tf.compat.v1 alone

    def made(kind: Any) -> Any:
        both = L.Bidirectional(kind(2, return_sequences=True), name="both")
        return sequential(kind(H, return_sequences=True, name="one"), both)

    theirs, ours = made(CuDNNLSTM), made(L.LSTM)
    theirs.save_weights(tmp_path / "w.h5")
    ours.load_weights(tmp_path / "w.h5")
    path = tmp_path / suffix
    theirs.save_weights(path) if "weights" in suffix else theirs.save(path)
    infos = lstm_ref.inspect(path)
    assert sorted((len(info.directions), info.hidden_size) for info in infos) == [(1, H), (2, 2)]
    for info in infos:
        width = info.input_size
        layer = ours.get_layer("one" if info.hidden_size == H else "both")
        options = Options(zero_output_for_mask=len(info.directions) > 1) if "weights" in suffix else None
        network = lstm_ref.load(path, info.name, options=options)
        np.testing.assert_allclose(
            network(drawn(B, T, width))[0], np.asarray(layer(drawn(B, T, width))), rtol=0, atol=2e-6
        )


def of_its_own_class(library: Any) -> Any:
    """A model whose configuration lists no layers: its class, which a file does not hold, makes and calls them."""

    class Own(library.Model):  # type: ignore[misc]  # Keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.first = library.layers.LSTM(H, activation="relu", go_backwards=True)

        def call(self, x: Any) -> Any:
            return self.first(x)

    model = Own()
    model(drawn(B, T, D))
    return filled(model)


@pytest.mark.parametrize(
    ("library", "suffix"),  # Keras 2 saves no such model as .h5
    [(keras, "m.keras"), (keras, "m.h5"), (tf_keras, "m.keras")],
    ids=["3-keras", "3-h5", "2-keras"],
)
def test_a_configuration_that_does_not_describe_the_layer_is_refused_until_it_is_told(
    library: Any, suffix: str, tmp_path: Path
) -> None:
    model, x = of_its_own_class(library), drawn(B, T, D)
    path = saved(model, tmp_path / suffix)
    (info,) = lstm_ref.inspect(path)
    assert (info.undescribed, info.assumed, info.unsupported) == (True, False, "")
    for name in (None, info.parts[0].name, [info.name]):
        with pytest.raises(
            UnsupportedError, match=rf"does not describe '{info.name}'.*Give options=.*keras\.Sequential"
        ):
            lstm_ref.load(path, name)
    options = Options("relu", go_backwards=True, return_sequences=False)
    np.testing.assert_allclose(lstm_ref.load(path, options=options)(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)


def test_a_layer_inside_of_one_of_its_own_class_is_refused_until_it_is_told(tmp_path: Path) -> None:
    class Block(L.Layer):  # type: ignore[misc, name-defined]  # Keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.inner = L.LSTM(H, activation="relu", return_sequences=True)

        def call(self, x: Any) -> Any:
            return self.inner(x)

    model, x = sequential(L.LSTM(H, return_sequences=True, name="before"), Block()), drawn(B, T, D)
    path = saved(model, tmp_path / "m.keras")
    assert {info.name: info.undescribed for info in lstm_ref.inspect(path)} == {
        "before": False,
        "layers/block/inner": True,
    }
    with pytest.raises(UnsupportedError, match="does not describe 'layers/block/inner'"):
        lstm_ref.load(path, "inner")
    with pytest.raises(UnsupportedError, match="does not describe 'layers/block/inner'"):
        lstm_ref.load(path, ["before", "inner"])
    between = lstm_ref.load(path, "before")(x)[0]
    network = lstm_ref.load(path, "inner", options=Options("relu"))
    np.testing.assert_allclose(network(between)[0], np.asarray(model(x)), rtol=0, atol=2e-6)


def test_inspect_says_that_a_layer_has_to_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(of_its_own_class(tf_keras), tmp_path / "m.keras")
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "layers/lstm: 1 layer, forward, loadable with options=" in printed
    assert "The file's configuration does not describe it: lstm_ref.load has to be told how it computes." in printed


CHANGES: dict[str, tuple[str, str, str]] = {
    "unknown": ('"unit_forget_bias": true', '"layer_norm": true', "'layer_norm', which is not known here"),
    "units": ('"units": 4', '"units": 5', "units=5, and the file has the weights of 4"),
    "bias": ('"use_bias": true', '"use_bias": false', "use_bias=False, and the file has a bias"),
}


@pytest.mark.parametrize("kind", ["lstm", "cell", "both"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["3", "2"])
def test_settings_that_do_not_fit_are_refused(library: Any, kind: str, tmp_path: Path) -> None:
    layers = library.layers
    layer = {
        "lstm": lambda: layers.LSTM(4),
        "cell": lambda: layers.RNN([layers.LSTMCell(4)]),
        "both": lambda: layers.Bidirectional(layers.LSTM(4)),
    }[kind]()
    path = saved(library.Sequential([layers.Input((None, D)), layer]), tmp_path / "m.keras")
    lstm_ref.load(path)
    for before, after, reason in CHANGES.values():

        def changed(text: str, before: str = before, after: str = after) -> str:
            assert before in text
            return text.replace(before, after)

        with pytest.raises(UnsupportedError, match=reason):
            lstm_ref.load(rewritten(path, changed))
    null = rewritten(path, lambda text: text.replace('"unit_forget_bias": true', '"new_in_keras_9": null'))
    lstm_ref.load(null)


def test_a_bias_that_the_configuration_has_and_the_file_has_not_is_refused(tmp_path: Path) -> None:
    model = sequential(L.LSTM(4, use_bias=False))
    path = rewritten(saved(model, tmp_path / "m.keras"), lambda t: t.replace('"use_bias": false', '"use_bias": true'))
    with pytest.raises(UnsupportedError, match="use_bias=True, and the file has no bias"):
        lstm_ref.load(path)


def keras_1(path: Path, layer: Any, fused: bool, suffix: str, config: bool, version: str) -> Path:
    """A file as Keras 1.2 wrote it, which runs on no present Python: its names, its order of gates, its configuration."""
    kernel, recurrent, bias = layer.get_weights()
    names = {}
    for matrix, array in (("W", kernel), ("U", recurrent), ("b", bias)):
        if fused:
            names[f"lstm_1_{matrix}{suffix}"] = array
        else:
            for gate, block in zip("ifco", np.split(array, 4, axis=-1), strict=True):
                names[f"lstm_1_{matrix}_{gate}{suffix}"] = block
    order = [f"lstm_1_{m}_{g}{suffix}" for g in "icfo" for m in "WUb"] if not fused else [*names]
    with h5py.File(path, "w") as file:
        top = file.create_group("model_weights") if config else file
        top.attrs["layer_names"] = [b"lstm_1"]
        group = top.create_group("lstm_1")
        group.attrs["weight_names"] = [name.encode() for name in order]
        for name in order:
            group[name] = names[name]
        if version:
            file.attrs["keras_version"] = version
        if config:
            settings = {
                "name": "lstm_1", "trainable": True, "batch_input_shape": [None, None, D], "input_dtype": "float32",
                "return_sequences": True, "go_backwards": False, "stateful": False, "unroll": False, "consume_less": "cpu",
                "input_dim": D, "input_length": None, "output_dim": H, "init": "glorot_uniform", "inner_init": "orthogonal",
                "forget_bias_init": "one", "activation": "tanh", "inner_activation": "hard_sigmoid", "W_regularizer": None,
                "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.0, "dropout_U": 0.0,
            }  # fmt: skip
            described = [{"class_name": "LSTM", "config": settings}]
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": described}).encode()
    return path


@pytest.mark.parametrize("version", ["1.2.2", ""])
@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize("suffix", ["", ":0"])
@pytest.mark.parametrize("fused", [False, True])
def test_a_matrix_for_each_gate(fused: bool, suffix: str, config: bool, version: str, tmp_path: Path) -> None:
    layer = L.LSTM(H, recurrent_activation="hard_sigmoid", return_sequences=True, name="lstm_1")
    model = sequential(layer)
    path = keras_1(tmp_path / "m.h5", layer, fused, suffix, config, version)
    if not config and not version:  # Keras 2 takes it for Keras 1's, and reads it by its own rule
        again = tf_keras.Sequential([L.Input((None, D)), L.LSTM(H, recurrent_activation="hard_sigmoid", name="lstm_1")])
        again.load_weights(path)
        for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    x = drawn(B, T, D)
    if fused and not version:  # nothing says of which Keras it is
        if config:
            with pytest.raises(UnsupportedError, match="which is not the same in Keras 2 and 3"):
                lstm_ref.load(path)
        return
    if config:
        network = lstm_ref.load(path)
    else:
        with pytest.warns(AssumedWarning, match="hard_sigmoid_keras2"):
            network = lstm_ref.load(path)
    np.testing.assert_allclose(network(x)[0], np.asarray(model(x)), rtol=0, atol=2e-6)


def test_a_gate_of_keras_1_that_is_missing_is_named(tmp_path: Path) -> None:
    layer = L.LSTM(H, name="lstm_1")
    sequential(layer)
    path = keras_1(tmp_path / "m.h5", layer, False, "", True, "1.2.2")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/lstm_1"]
        del group["lstm_1_b_f"]
        group.attrs["weight_names"] = [n for n in group.attrs["weight_names"] if n not in ("lstm_1_b_f", b"lstm_1_b_f")]
    with pytest.raises(UnsupportedError, match="its bias cannot be put together: its b_f is not in the file"):
        lstm_ref.load(path)
