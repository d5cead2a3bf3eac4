"""A file exported from a trained model computes what the model that wrote it computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstm_ref
from conformance.case import Case, Result
from conformance.cases.draw import Draw
from conformance.cases.matrix import case_of_params
from conformance.implementations import built_in
from conformance.suite.exports import KERAS, TORCH, D, H, exported, trained_tagger
from lstm_ref.errors import LSTMNameError, UnsupportedError

pytestmark = pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning")


def of_torch(layer: Any, case: Case) -> Result:
    """What a trained ``torch.nn.LSTM`` or ``LSTMCell`` itself computes, gradients included."""
    x, h0, c0 = (torch.tensor(a, requires_grad=True) for a in (case.x, case.h0, case.c0))
    layer.zero_grad()
    if isinstance(layer, torch.nn.LSTMCell):
        h, c, outputs = h0, c0, []
        for t in range(x.shape[1]):
            h, c = layer(x[:, t], (h, c))
            outputs.append(h)
        output = torch.stack(outputs, 1)
    else:
        output, (h, c) = layer(x, (h0[None], c0[None]))
        h, c = h[0], c[0]
    torch.autograd.backward([output, h, c], [torch.from_numpy(a) for a in (case.d_output, case.d_h, case.d_c)])
    weights = {name.removesuffix("_l0"): weight for name, weight in layer.named_parameters()}
    result: dict[str, Any] = {"output": output, "h": h, "c": c, "d_x": x.grad, "d_h0": h0.grad, "d_c0": c0.grad}
    result["d_kernel"] = weights["weight_ih"].grad.T
    result["d_recurrent_kernel"] = weights["weight_hh"].grad.T
    if "bias_ih" in weights:
        result["d_bias"] = weights["bias_ih"].grad
    return {name: tensor.detach().numpy() for name, tensor in result.items()}


def of_keras(layer: Any, case: Case) -> Result:
    """What a trained Keras layer itself computes, gradients included."""
    import tensorflow as tf

    inputs = [tf.constant(a) for a in (case.x, case.h0, case.c0)]
    weights = [getattr(weight, "_value", weight) for weight in layer.trainable_variables]  # Keras 3 wraps them
    layer.return_state = True
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer.call(inputs[0], initial_state=inputs[1:])
    cotangents = [tf.constant(a) for a in (case.d_output, case.d_h, case.d_c)]
    gradients = tape.gradient(outputs, [*inputs, *weights], output_gradients=cotangents)
    names = ["output", "h", "c", "d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias"]
    return {name: np.asarray(tensor) for name, tensor in zip(names, [*outputs, *gradients], strict=False)}


@pytest.mark.parametrize("name", TORCH)
def test_torch_export_computes_what_its_model_does(name: str, verdict: Callable[..., None]) -> None:
    path, layer = exported(name)
    network = lstm_ref.load(path)
    case = case_of_params(name, network.params, B=4, T=7)
    verdict("torch", case, built_in("ref")(case), of_torch(layer, case))


@pytest.mark.parametrize("name", KERAS)
def test_keras_export_computes_what_its_model_does(name: str, verdict: Callable[..., None]) -> None:
    path, layer = exported(name)
    network = lstm_ref.load(path)
    case = case_of_params(name, network.params, B=4, T=7)
    verdict("keras", case, built_in("ref")(case), of_keras(layer, case))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_parts_of_a_stacked_bidirectional_torch_lstm_make_up_the_whole(legacy: bool, tmp_path: Path) -> None:
    model = trained_tagger(num_layers=2, bidirectional=True)
    path = tmp_path / "stacked.pt"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=not legacy)

    (info,) = lstm_ref.inspect(path)
    assert (info.name, info.layers, info.directions) == ("lstm", 2, ("forward", "reverse"))
    assert [part.name for part in info.parts] == ["lstm.l0", "lstm.l0_reverse", "lstm.l1", "lstm.l1_reverse"]

    x = Draw("x").uniform(1.0, 4, 6, D).astype(np.float32)
    expected, (h, c) = model.lstm(torch.from_numpy(x))
    states = []
    for layer in range(2):
        forward, state = lstm_ref.load(path, f"lstm.l{layer}")(x)
        backward, reverse_state = lstm_ref.load(path, f"lstm.l{layer}_reverse")(x[:, ::-1])
        x = np.concatenate([forward, backward[:, ::-1]], axis=2)
        states += [state, reverse_state]
    np.testing.assert_allclose(x, expected.detach().numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.stack([s[0] for s in states]), h.detach().numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.stack([s[1] for s in states]), c.detach().numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", ["m.keras", "m.weights.h5", "m.h5"])
def test_parts_of_keras_wrappers_make_up_the_whole(suffix: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input((None, D))
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(inputs)
    stack = layers.RNN([layers.LSTMCell(H), layers.LSTMCell(2)], return_sequences=True, name="stack")(both)
    gru = layers.GRU(3, return_sequences=True, name="not_an_lstm")(stack)
    model = keras.Model(inputs, [both, stack, gru])
    model.set_weights([Draw(str(n)).uniform(0.7, *w.shape) for n, w in enumerate(model.get_weights())])
    path = tmp_path / suffix
    model.save_weights(path) if suffix == "m.weights.h5" else model.save(path)

    infos = {info.name: info for info in lstm_ref.inspect(path)}
    assert set(infos) == {"both", "stack"}
    assert infos["both"].directions == ("forward", "reverse")
    assert [part.hidden_size for part in infos["stack"].parts] == [H, 2]

    x = Draw("x").uniform(1.0, 4, 6, D).astype(np.float32)
    expected_both, expected_stack, _ = (np.asarray(y) for y in model(x))
    forward, _ = lstm_ref.load(path, "both.l0")(x)
    backward, _ = lstm_ref.load(path, "both.l0_reverse")(x[:, ::-1])
    both_output = np.concatenate([forward, backward[:, ::-1]], axis=2)
    np.testing.assert_allclose(both_output, expected_both, rtol=0, atol=1e-6)
    first, _ = lstm_ref.load(path, "stack.l0")(both_output)
    second, _ = lstm_ref.load(path, "stack.l1")(first)
    np.testing.assert_allclose(second, expected_stack, rtol=0, atol=1e-6)


def test_an_encoder_and_a_decoder_in_one_file_are_picked_by_name(tmp_path: Path) -> None:
    encoder, decoder = torch.nn.LSTM(D, H), torch.nn.LSTM(D, H + 1)
    path = tmp_path / "two.pt"
    torch.save({"state_dict": {"encoder": encoder.state_dict(), "decoder": decoder.state_dict()}, "epoch": 1}, path)
    assert [info.name for info in lstm_ref.inspect(path)] == ["state_dict.encoder", "state_dict.decoder"]
    with pytest.raises(LSTMNameError, match=r"'state_dict\.encoder', 'state_dict\.decoder'"):
        lstm_ref.load(path)
    with pytest.raises(LSTMNameError, match="'attention' fits none"):
        lstm_ref.load(path, "attention")
    assert lstm_ref.load(path, "state_dict.encoder").params.hidden_size == H
    assert lstm_ref.load(path, "decoder").params.hidden_size == H + 1


@pytest.mark.parametrize(
    "module", [torch.nn.GRU(D, H), torch.nn.RNN(D, H), torch.nn.Linear(D, H)], ids=["gru", "rnn", "linear"]
)
def test_a_file_without_an_lstm_says_so(module: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(module.state_dict(), path)
    assert lstm_ref.inspect(path) == []
    with pytest.raises(lstm_ref.errors.NoLSTMError, match="holds no LSTM"):
        lstm_ref.load(path)


@pytest.mark.parametrize("name", [*TORCH, *KERAS])
def test_the_content_decides_not_the_suffix(name: str, tmp_path: Path) -> None:
    path, _ = exported(name)
    renamed = tmp_path / "weights.txt"
    renamed.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(lstm_ref.load(renamed).params.kernel, lstm_ref.load(path).params.kernel)


def test_keras_layers_whose_names_mislead(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    inputs = keras.Input((None, D))
    one = keras.Sequential([keras.Input((None, D)), layers.LSTM(4, return_sequences=True, name="lstm")], name="one")
    two = keras.Sequential(
        [keras.Input((None, 4)), layers.LSTM(3, return_sequences=True, name="backward_x")], name="two"
    )
    three = keras.Sequential([keras.Input((None, 3)), layers.LSTM(2, return_sequences=True, name="lstm")], name="three")
    model = keras.Model(inputs, layers.Dense(1, name="vars")(three(two(one(inputs)))))
    path = tmp_path / "m.h5"
    model.save(path)
    sizes = {info.name: [part.hidden_size for part in info.parts] for info in lstm_ref.inspect(path)}
    assert sorted(sizes.values()) == [[2], [3], [4]]
    assert all(info.directions == ("forward",) for info in lstm_ref.inspect(path))
    for name, (hidden,) in sizes.items():
        assert lstm_ref.load(path, name).params.hidden_size == hidden


@pytest.mark.parametrize("suffix", ["m.keras", "m.weights.h5", "m.h5"])
def test_keras_bfloat16_weights_become_float32(suffix: str, tmp_path: Path) -> None:
    import keras

    layer = keras.layers.LSTM(H, dtype="bfloat16", recurrent_initializer="glorot_uniform")
    model = keras.Sequential([keras.Input((None, D)), layer])
    path = tmp_path / suffix
    model.save_weights(path) if suffix == "m.weights.h5" else model.save(path)
    expected = np.asarray(keras.ops.cast(layer.cell.kernel, "float32"))
    np.testing.assert_array_equal(lstm_ref.load(path).params.kernel, expected)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_else_a_checkpoint_holds_does_no_harm(legacy: bool, tmp_path: Path) -> None:
    import argparse
    import collections
    import datetime

    model = trained_tagger()
    state = {**model.lstm.state_dict(), "bias_hh_l0": torch.zeros(1).expand(4 * H)}
    content = {
        "state": state,
        "version": torch.__version__,
        "options": argparse.Namespace(weights=torch.ones(3)),
        (1, "tuple"): torch.ones(2),
        10**500: torch.ones(2),
        "when": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "last": collections.deque([1, 2]),
        "steps": range(3),
        "sparse": torch.eye(3).to_sparse(),
        "score": np.float64(0.5),
    }
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    network = lstm_ref.load(path, "state")
    np.testing.assert_array_equal(network.params.kernel, state["weight_ih_l0"].numpy().T)
    np.testing.assert_array_equal(network.params.bias, state["bias_ih_l0"].numpy())


def test_a_cell_with_more_weights_than_an_lstm_is_refused(tmp_path: Path) -> None:
    cell = torch.nn.LSTMCell(D, H)
    path = tmp_path / "peephole.pt"
    torch.save({**cell.state_dict(), "weight_ch": torch.ones(3 * H)}, path)
    with pytest.raises(UnsupportedError, match="further weights beside an LSTM's, such as 'weight_ch'"):
        lstm_ref.load(path)


def test_names_of_tensors_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from conformance.cli import main

    path = tmp_path / "odd.pt"
    torch.save({f"enc[red][/x].{name}": value for name, value in torch.nn.LSTM(D, H).state_dict().items()}, path)
    assert main(["inspect", str(path)]) == 0
    assert "enc[red][/x].l0" in capsys.readouterr().out
