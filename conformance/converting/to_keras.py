"""Keras's files: a .keras archive of a Sequential, by Keras itself, or its weights as .weights.h5, by h5py alone.

Sources: https://keras.io/api/layers/recurrent_layers/lstm/ and ``_save_state`` in keras/src/saving/saving_lib.py.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from conformance.converting.departures import activations
from conformance.errors import ConversionError
from lstm_ref import Layer, Network
from lstm_ref.params import FloatArray, LSTMParams

OF_MODEL = frozenset(
    {"activations", "merge", "go_backwards", "zero_output_for_mask", "return_sequences", "sizes", "directions"}
)
OF_WEIGHTS = frozenset({"sizes", "directions"})
RUNNER = "Keras"


def remarks(network: Network) -> list[str]:
    """What to know of the file."""
    return []


def refusal(network: Network) -> str:
    """What else keeps it from being Keras's layers; empty if nothing does."""
    for layer in network.layers:
        if layer.options.of_output != layer.options.activation:
            return "Keras's LSTM has one activation for the candidate and for the cell on its way out"
        if "hard_sigmoid_keras2" in activations(layer):
            return "Keras 3's hard_sigmoid is another one than Keras 2's"
    return ""


def names(network: Network) -> list[str]:
    """What the layers are called."""
    return [f"lstm_of_layer_{k}" for k, _ in enumerate(network.layers)]


def model(network: Network) -> Any:
    """A Sequential of the network's layers, with its weights."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow while it is imported: no start-up chatter
    import keras

    made = [_layer(keras, name, layer) for name, layer in zip(names(network), network.layers, strict=True)]
    sequential = keras.Sequential([keras.Input((None, network.layers[0].input_size), dtype=network.dtype.name), *made])
    for layer, ours in zip(made, network.layers, strict=True):
        layer.set_weights([array for params in ours.directions.values() for array in params.arrays.values()])
    return sequential


def _layer(keras: Any, name: str, layer: Layer) -> Any:
    options, both = layer.options, len(layer.directions) == 2
    of_direction = keras.layers.LSTM(
        layer.hidden_size,
        activation=options.activation,
        recurrent_activation=options.recurrent_activation,
        use_bias=layer.params.bias is not None,
        return_sequences=options.return_sequences,
        go_backwards=options.go_backwards,
        zero_output_for_mask=options.zero_output_for_mask,
        dtype=layer.dtype.name,
        **({} if both else {"name": name}),
    )
    if not both:
        return of_direction
    return keras.layers.Bidirectional(of_direction, merge_mode=layer.merge, name=name, dtype=layer.dtype.name)


def write(network: Network, path: Path) -> None:
    """Write the model, or its weights alone."""
    if path.name.endswith(".weights.h5"):
        _write_weights(network, path)
        return
    if importlib.util.find_spec("keras") is None:
        raise ConversionError(
            "writing .keras needs Keras: pip install 'lstm-conformance[keras]'. A .weights.h5 file needs h5py alone."
        )
    model(network).save(path)


def _write_weights(network: Network, path: Path) -> None:
    if importlib.util.find_spec("h5py") is None:
        raise ConversionError("writing .weights.h5 needs h5py: pip install 'lstm-conformance[h5]'.")
    import h5py

    counted: Counter[str] = Counter()
    with h5py.File(path, "w") as file:
        file.create_group("vars").attrs["name"] = "sequential"
        for name, layer in zip(names(network), network.layers, strict=True):
            kind = "bidirectional" if len(layer.directions) == 2 else "lstm"
            group = file.create_group(f"layers/{kind}{f'_{counted[kind]}' if counted[kind] else ''}")
            counted[kind] += 1
            group.create_group("vars").attrs["name"] = name
            if kind == "lstm":
                _write_cell(group, layer.params)
                continue
            for direction, theirs in (("forward", "forward"), ("reverse", "backward")):
                half = group.create_group(f"{theirs}_layer")
                half.create_group("vars").attrs["name"] = f"{theirs}_lstm"
                _write_cell(half, layer.directions[direction])


def _write_cell(group: Any, params: LSTMParams) -> None:
    variables = group.create_group("cell/vars")
    variables.attrs["name"] = "lstm_cell"
    for k, array in enumerate(params.arrays.values()):
        variables.create_dataset(str(k), data=array)


def run(path: Path, network: Network, x: FloatArray) -> FloatArray | str:
    """What Keras gives with the file, or why it cannot be asked."""
    if importlib.util.find_spec("keras") is None:
        return "Keras is not installed"
    if path.name.endswith(".weights.h5"):
        loaded = model(network)
        for variable in loaded.variables:
            variable.assign(np.zeros(variable.shape))
        loaded.load_weights(path)
    else:
        import keras

        loaded = keras.saving.load_model(path)
    output = loaded(x)
    return np.stack([np.asarray(each) for each in output]) if isinstance(output, list | tuple) else np.asarray(output)
