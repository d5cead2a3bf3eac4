"""Real models, trained for a few steps in their own framework and exported by its own call.

Each maker writes a file and returns the model, so that what `lstm_ref.load` makes of the file can be
compared with what the model itself computes. Made once per process and format.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch

from conformance.cases.draw import Draw

D, H = 3, 5
STEPS = 5


def _data(*shape: int) -> np.ndarray[Any, Any]:
    return Draw(f"training data {shape}").uniform(1.0, *shape).astype(np.float32)


class Tagger(torch.nn.Module):
    """An LSTM and a dense layer on each of its outputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(20)
        self.lstm = torch.nn.LSTM(D, H, batch_first=True, **options)
        self.head = torch.nn.Linear(H * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output, _ = self.lstm(x)
        return torch.as_tensor(self.head(output))


def trained_tagger(**options: Any) -> Tagger:
    """A `Tagger` after a few steps of SGD, so that its biases are no longer what they began as."""
    model = Tagger(**options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, y = torch.from_numpy(_data(8, 6, D)), torch.from_numpy(_data(8, 6, 2))
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]  # torch's backward is untyped
        optimizer.step()
    return model


def _trained_cell() -> torch.nn.LSTMCell:
    torch.manual_seed(21)
    cell = torch.nn.LSTMCell(D, H)
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.5)
    x, y = torch.from_numpy(_data(8, D)), torch.from_numpy(_data(8, H))
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(cell(x)[0], y).backward()  # type: ignore[no-untyped-call]  # torch's backward is untyped
        optimizer.step()
    return cell


def _torch_zip(path: Path) -> Any:
    model = trained_tagger()
    torch.save(model.state_dict(), path)
    return model.lstm


def _torch_legacy(path: Path) -> Any:
    model = trained_tagger()
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    return model.lstm


def _torch_protocol_5(path: Path) -> Any:
    model = trained_tagger()
    torch.save(model.state_dict(), path, pickle_protocol=5)
    return model.lstm


def _torch_float64(path: Path) -> Any:
    model = trained_tagger().double()
    torch.save(model.state_dict(), path)
    return model.lstm


def _torch_bfloat16(path: Path) -> Any:
    model = trained_tagger().bfloat16()
    torch.save(model.state_dict(), path)
    return model.float().lstm  # widening is exact


def _torch_bfloat16_legacy(path: Path) -> Any:
    model = trained_tagger().bfloat16()
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    return model.float().lstm


def _torch_no_bias(path: Path) -> Any:
    model = trained_tagger(bias=False)
    torch.save(model.state_dict(), path)
    return model.lstm


def _torch_checkpoint(path: Path) -> Any:
    """A training checkpoint: nested, with the prefix of DataParallel, beside an optimizer and settings."""
    model = trained_tagger()
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.from_numpy(_data(2, 3, D))).sum().backward()
    optimizer.step()
    state = {name: state[name].clone() for name in state}
    torch.save({"epoch": 3, "model_state": state, "optimizer": optimizer.state_dict(), "best": 0.5}, path)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(state[f"module.{name}"])
    return model.lstm


def _torch_views(path: Path) -> Any:
    """Weights saved as they lie in a larger storage, transposed and with offsets."""
    model = trained_tagger()
    state = {}
    for name, value in model.lstm.state_dict().items():
        store = torch.full((value.numel() + 7,), 9.0)
        window = (
            store[5 : 5 + value.numel()].view(tuple(reversed(value.shape))).t() if value.dim() == 2 else store[5:-2]
        )
        state[f"lstm.{name}"] = window.copy_(value)
    torch.save(state, path)
    return model.lstm


def _torch_cell(path: Path) -> Any:
    cell = _trained_cell()
    torch.save({"decoder": cell.state_dict()}, path)
    return cell


def _safetensors(path: Path) -> Any:
    from safetensors.torch import save_file

    model = trained_tagger()
    save_file(model.state_dict(), path)
    return model.lstm


def _safetensors_bfloat16(path: Path) -> Any:
    from safetensors.torch import save_file

    model = trained_tagger().bfloat16()
    save_file(model.state_dict(), path)
    return model.float().lstm


TORCH: dict[str, Callable[[Path], Any]] = {
    "zip.pt": _torch_zip,
    "legacy.pth": _torch_legacy,
    "protocol-5.pt": _torch_protocol_5,
    "float64.pt": _torch_float64,
    "bfloat16.pt": _torch_bfloat16,
    "bfloat16-legacy.pt": _torch_bfloat16_legacy,
    "no-bias.pt": _torch_no_bias,
    "checkpoint.ckpt": _torch_checkpoint,
    "views.pt": _torch_views,
    "cell.pt": _torch_cell,
    "model.safetensors": _safetensors,
    "bfloat16.safetensors": _safetensors_bfloat16,
}


def trained_keras(keras: Any, layer: Any) -> Any:
    """A Keras model of one recurrent layer and a dense one, after a few steps of SGD."""
    keras.utils.set_random_seed(22)
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse")
    for _ in range(STEPS):
        model.train_on_batch(_data(8, 6, D), _data(8, 6, 2))
    return model


@cache
def _keras_model(use_bias: bool = True) -> Any:
    import keras

    layer = keras.layers.LSTM(H, return_sequences=True, use_bias=use_bias, name="recurrent")
    return trained_keras(keras, layer)


def _keras_archive(path: Path) -> Any:
    _keras_model().save(path)
    return _keras_model().get_layer("recurrent")


def _keras_weights(path: Path) -> Any:
    _keras_model().save_weights(path)
    return _keras_model().get_layer("recurrent")


def _keras_legacy(path: Path) -> Any:
    _keras_model().save(path)
    return _keras_model().get_layer("recurrent")


def _keras_no_bias(path: Path) -> Any:
    _keras_model(use_bias=False).save(path)
    return _keras_model(use_bias=False).get_layer("recurrent")


@cache
def _keras2_model() -> Any:
    import tf_keras

    return trained_keras(tf_keras, tf_keras.layers.LSTM(H, return_sequences=True, name="recurrent"))


def _keras2_model_file(path: Path) -> Any:
    _keras2_model().save(path, save_format="h5")
    return _keras2_model().get_layer("recurrent")


def _keras2_weights_file(path: Path) -> Any:
    _keras2_model().save_weights(path, save_format="h5")
    return _keras2_model().get_layer("recurrent")


def _cudnn(path: Path) -> Any:
    """A CuDNNLSTM runs on GPUs alone; Keras 2 itself turns its weights into an LSTM's when it loads them."""
    import tf_keras

    layers = tf_keras.layers
    shape = (None, D)
    from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM  # exported under tf.compat.v1 alone

    theirs = tf_keras.Sequential([layers.Input(shape), CuDNNLSTM(H, name="recurrent")])
    theirs.set_weights([_data(*w.shape) * 0.5 for w in theirs.get_weights()])
    theirs.save_weights(path, save_format="h5")
    ours = tf_keras.Sequential([layers.Input(shape), layers.LSTM(H, return_sequences=True, name="recurrent")])
    ours.load_weights(path)
    return ours.get_layer("recurrent")


KERAS: dict[str, Callable[[Path], Any]] = {
    "model.keras": _keras_archive,
    "model.weights.h5": _keras_weights,
    "legacy.h5": _keras_legacy,
    "no-bias.keras": _keras_no_bias,
    "keras2.hdf5": _keras2_model_file,
    "keras2-weights.h5": _keras2_weights_file,
    "cudnn-weights.h5": _cudnn,
}


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="lstm-conformance-"))


@cache
def exported(name: str) -> tuple[Path, Any]:
    """The file called `name` and the layer that wrote it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    path = _folder() / name
    layer = (TORCH | KERAS)[name](path)
    return path, layer
