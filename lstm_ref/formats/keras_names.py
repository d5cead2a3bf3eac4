"""Where Keras puts an LSTM's tensors, in its present files and in its older ones.

Sources: ``_save_state`` in keras/src/saving/saving_lib.py and ``save_weights_to_hdf5_group`` in
keras/src/legacy/saving/legacy_h5_format.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import Contents, StoredTensor

VARIABLES = re.compile(
    r"(?P<layer>.*?)(?:/(?P<direction>forward|backward)_layer)?"
    r"(?:/cell|/[^/]*lstm[^/]*|)(?:/cells/[^/]*?(?:_(?P<number>\d+))?)?/vars"
)
CELL = re.compile(r"(?:lstm_)?cell(?:_(?P<number>\d+))?")
ROLES = ("kernel", "recurrent_kernel", "bias")


def groups(contents: Contents) -> list[Group]:
    """One group for each layer and direction of each LSTM, CuDNNLSTM, LSTMCell or Bidirectional."""
    placed = list(_by_path(contents) if contents.convention == "keras-paths" else _by_name(contents))
    user_names = {path: contents.layer_names.get(f"{path}/vars", path) for path, *_ in placed}
    repeated = {name for name, count in Counter(user_names.values()).items() if count > 1}
    result = []
    for path, reverse, cell, tensors in placed:
        name = path if user_names[path] in repeated else user_names[path]
        cells = sorted({c for p, r, c, _ in placed if (p, r) == (path, reverse)})
        problem, backwards = _configured(contents.config, user_names[path].rpartition("/")[2])
        alone = not any(
            p == path and r for p, r, *_ in placed
        )  # no Bidirectional: its own reverse half is flagged already
        alias = path if path != name else ""
        result.append(Group(name, alias, cells.index(cell), reverse or (backwards and alone), tensors, problem))
    return result


def _by_path(contents: Contents) -> Iterator[tuple[str, bool, int, dict[str, StoredTensor]]]:
    """(layer's path, whether reverse, cell's number, tensors) in a file that numbers its variables."""
    names = dict.fromkeys(name.rpartition("/")[0] for name in contents.tensors)
    for group in names:
        match = VARIABLES.fullmatch(group)
        if match is None or "cell" not in group.rpartition("/")[0].rpartition("/")[2]:
            continue
        present = {role: contents.tensors.get(f"{group}/{n}") for n, role in enumerate(ROLES)}
        tensors = {role: tensor for role, tensor in present.items() if tensor is not None}
        if _is_lstm(tensors) and f"{group}/{len(ROLES)}" not in contents.tensors:  # a fourth is no LSTM's
            yield match["layer"], match["direction"] == "backward", int(match["number"] or 0), tensors


def _by_name(contents: Contents) -> Iterator[tuple[str, bool, int, dict[str, StoredTensor]]]:
    """The same for a file that names its variables ``<layer>/<layer>/lstm_cell/kernel:0``."""
    by_group: dict[tuple[str, ...], dict[str, StoredTensor]] = {}
    for name, tensor in contents.tensors.items():
        *parents, leaf = name.removeprefix("model_weights/").split("/")
        group, role = tuple(parents), leaf.partition(":")[0]
        if role in ROLES and group and group[0] != "optimizer_weights":
            by_group.setdefault(group, {})[role] = tensor
    layers = {group: _layer_and_cell(group) for group in by_group}
    owners: dict[tuple[str, ...], set[str]] = {}  # two submodels may each have a layer of one name
    for group, (layer, _) in layers.items():
        owners.setdefault(layer, set()).add(group[0])
    if any(len(groups) > 1 for groups in owners.values()):
        layers = {group: ((group[0], *layer), cell) for group, (layer, cell) in layers.items()}
    halves = {
        layer for layer, _ in layers.values() if len(layer) > 1 and layer[-1].startswith(("forward_", "backward_"))
    }
    wrapped = {
        layer[:-1]
        for layer in halves
        if {half[-1].partition("_")[0] for half in halves if half[:-1] == layer[:-1]} == {"forward", "backward"}
    }
    for group, tensors in by_group.items():
        layer, cell = layers[group]
        reverse = layer[:-1] in wrapped and layer[-1].startswith("backward_")
        if layer[:-1] in wrapped and layer in halves:
            layer = layer[:-1]
        if _is_lstm(tensors):
            yield "/".join(layer), reverse, cell, tensors


def _layer_and_cell(group: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    path = list(group[1:] or group)  # the first is the group that Keras saves a layer's weights in
    cell = CELL.fullmatch(path[-1]) if len(path) > 1 else None
    if cell is not None:
        path.pop()
    if len(path) > 1 and path[-1].startswith("stacked_rnn_cells"):
        path.pop()
    return tuple(path), int(cell["number"] or 0) if cell else 0


def _is_lstm(tensors: dict[str, StoredTensor]) -> bool:
    if "kernel" not in tensors or "recurrent_kernel" not in tensors:
        return False
    kernel, recurrent = tensors["kernel"].shape, tensors["recurrent_kernel"].shape
    if len(kernel) != 2 or len(recurrent) != 2 or recurrent[0] == 0:
        return False
    columns = recurrent[1]
    fits = columns == 4 * recurrent[0] and kernel[1] == columns
    return fits and ("bias" not in tensors or tensors["bias"].shape in ((columns,), (2 * columns,)))


def _configured(config: dict[str, Any], layer: str) -> tuple[str, bool]:
    """What the model's configuration says of the layer: why it cannot be computed, and whether it runs backwards."""
    problems = []
    backwards = False
    for described in _descriptions(config, layer):
        if str(described.get("class_name", "")) not in ("LSTM", "LSTMCell", "CuDNNLSTM"):
            continue
        settings = described.get("config")
        if not isinstance(settings, dict):
            continue
        for key, standard in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
            value = settings.get(key, standard)
            if value != standard:
                shown = value.get("class_name", value) if isinstance(value, dict) else value
                problems.append(f"{key}={shown!r}; only {standard!r} can be computed")
        backwards = backwards or settings.get("go_backwards") is True
    return "; ".join(dict.fromkeys(problems)), backwards


def _descriptions(config: dict[str, Any], layer: str) -> Iterator[dict[str, Any]]:
    """Every layer description inside that of the layer called `layer`, itself included."""
    todo: list[tuple[Any, bool]] = [(config, False)]
    while todo:
        value, inside = todo.pop()
        if isinstance(value, dict):
            settings = value.get("config")
            named = isinstance(settings, dict) and settings.get("name") == layer and "class_name" in value
            if (inside or named) and "class_name" in value:
                yield value
            todo.extend((item, inside or named) for item in value.values())
        elif isinstance(value, list):
            todo.extend((item, inside) for item in value)
