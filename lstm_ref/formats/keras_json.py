"""The pieces that a Keras configuration is made of, and what of a layer's settings is known here."""

from __future__ import annotations

from typing import Any

from lstm_ref.formats.stored import cut

SAVE_ALONE = "if it does not, save the weights alone and load them with options=lstm_ref.Options(...)"
"""What to do with a layer that is Keras's own LSTM after all."""
LAYER = {
    "name", "trainable", "dtype", "dynamic", "batch_input_shape", "batch_shape", "batch_size", "input_shape", "input_dtype",
    "input_dim", "input_length", "activity_regularizer",
}  # fmt: skip
CELL = {
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    "dropout",
    "recurrent_dropout",
    "seed",
}
CELL |= {
    f"{of}_{what}" for of in ("kernel", "recurrent", "bias") for what in ("initializer", "regularizer", "constraint")
}
CELL |= {"implementation", "inner_activation", "output_dim", "init", "inner_init", "forget_bias_init", "consume_less"}
CELL |= {"W_regularizer", "U_regularizer", "b_regularizer", "dropout_W", "dropout_U"}
LOOP = {
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "unroll",
    "zero_output_for_mask",
    "time_major",
    "cell",
}
KNOWN: dict[str, set[str]] = {
    "LSTM": LAYER | CELL | LOOP,
    "CuDNNLSTM": LAYER | CELL | LOOP,
    "LSTMCell": LAYER | CELL,
    "RNN": LAYER | LOOP | {"implementation"},
    "Bidirectional": LAYER | {"layer", "backward_layer", "merge_mode"},
}
"""The settings of each class, of Keras 1, 2 and 3: those that `keras_config` reads, and those that change no number when it runs."""


def settings_of(description: Any) -> dict[str, Any]:
    """What a description of a layer, a cell or a model has under config."""
    settings = description.get("config") if isinstance(description, dict) else None
    return settings if isinstance(settings, dict) else {}


def class_of(description: Any) -> str:
    """The name of its class; empty if it has none."""
    name = description.get("class_name") if isinstance(description, dict) else None
    return name if isinstance(name, str) else ""


def name_of(description: Any) -> str:
    """The name that its user gave it."""
    name = settings_of(description).get("name")
    if not isinstance(name, str) and isinstance(description, dict):
        name = description.get("name")
    return name if isinstance(name, str) else ""


def layers_of(description: Any) -> list[Any]:
    """The descriptions of the layers that a model is made of."""
    settings = description.get("config") if isinstance(description, dict) else None
    layers = settings if isinstance(settings, list) else settings_of(description).get("layers")  # Keras 1 had a list
    return layers if isinstance(layers, list) else []


def children_of(description: Any) -> list[Any]:
    """The descriptions of the layers that a model, or a wrapper, is made of."""
    wrapped = settings_of(description).get("layer")
    return [*layers_of(description), *([wrapped] if isinstance(wrapped, dict) else [])]


def cells_of(description: Any) -> list[Any]:
    """The descriptions of the cells of a layer of one direction: its own, if it has none inside."""
    cell = settings_of(description).get("cell")
    inner = settings_of(cell).get("cells")
    return inner if isinstance(inner, list) else [cell] if isinstance(cell, dict) else [description]


def unknown(description: Any) -> str:
    """A setting of a layer or a cell that is not known here, and may change what it computes; empty if there is none."""
    known = KNOWN.get(class_of(description), set())
    odd = sorted(key for key, value in settings_of(description).items() if key not in known and value is not None)
    if not odd:
        return ""
    return (
        f"its configuration has {cut(odd[0])!r}, which is not known here and may change what it computes; {SAVE_ALONE}"
    )


def sizes_of(description: Any) -> tuple[tuple[int | None, bool | None], ...]:
    """Units of each cell, and whether it has a bias; None for what is not told."""
    sizes = []
    for cell in cells_of(description):
        settings = settings_of(cell)
        units, bias = settings.get("units", settings.get("output_dim")), settings.get("use_bias")
        if class_of(cell) == "CuDNNLSTM" or "output_dim" in settings:
            bias = True
        sizes.append((units if type(units) is int else None, bias if isinstance(bias, bool) else None))
    return tuple(sizes)
