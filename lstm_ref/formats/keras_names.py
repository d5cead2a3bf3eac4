"""Where Keras puts an LSTM's tensors, in its present files and in its older ones.

Sources: ``_save_state`` in keras/src/saving/saving_lib.py and ``save_weights_to_hdf5_group`` in
keras/src/legacy/saving/legacy_h5_format.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lstm_ref.formats import keras1_names, keras_config, keras_places
from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import Contents, StoredTensor

CELL = re.compile(r"(?:lstm_)?cell(?:_(?P<number>\d{1,9}))?")
ROLES = ("kernel", "recurrent_kernel", "bias")
HALVES = {"forward_layer": False, "backward_layer": True}


@dataclass(frozen=True)
class Placed:
    """The tensors of one cell, and where they lie: its layer's path, direction and number in a stack of cells.

    `names` are those that its user gave the layer and the models around it, as far as they are told, outermost first.
    """

    path: str
    names: tuple[str, ...]
    reverse: bool
    cell: int
    tensors: dict[str, StoredTensor]


def groups(contents: Contents) -> list[Group]:
    """One group for each layer and direction of each LSTM, CuDNNLSTM, LSTMCell or Bidirectional."""
    placed = list(_by_path(contents) if contents.convention == "keras-paths" else _by_name(contents))
    names = {one.path: one.names for one in placed}
    repeated = {name for name, count in Counter(words[-1] for words in names.values()).items() if count > 1}
    by_paths = contents.convention == "keras-paths"
    shown = {path: path if words[-1] in repeated or not by_paths else words[-1] for path, words in names.items()}
    first = any(keras1_names.is_own(name) for name in contents.tensors)
    version = contents.version or ("1" if first and not by_paths else "")
    described = {path: keras_config.told(contents.config, version, words) for path, words in names.items()}
    doubtful = keras_places.places(contents.config)[1] if by_paths and not contents.layer_names else set()
    cells: dict[tuple[str, bool], list[int]] = {}
    for one in placed:
        cells.setdefault((one.path, one.reverse), []).append(one.cell)
    order = {key: {cell: k for k, cell in enumerate(sorted(numbers))} for key, numbers in cells.items()}
    above = {path: words[:-1] for path, words in names.items()}
    by_words = {words: shown[path] for path, words in names.items()}
    result = []
    for one in placed:
        told = described[one.path]
        both = {(one.path, False), (one.path, True)} <= cells.keys()
        number, last = order[one.path, one.reverse][one.cell], max(order[one.path, one.reverse].values())
        options = told.reverse if both and one.reverse else told.options
        if told.assumed and not _is_cudnn(one.tensors):
            options = replace(options, recurrent_activation=keras_config.default_gates(version))
        if both and told.assumed:  # Bidirectional sets it in both of its halves, where all outputs are returned
            options = replace(options, zero_output_for_mask=True)
        if number < last:  # the last one alone decides what comes out
            options = replace(options, return_sequences=True, zero_output_for_mask=False)
        whole = told.whole
        if told.two and not both:
            whole = "it is one half of a Bidirectional layer, and by its name it cannot be told which"
        if len(order[one.path, one.reverse]) < len(cells[one.path, one.reverse]):
            whole = "two of its cells have the same number"
        problem = told.problem or _misfit(one, number, len(order[one.path, one.reverse]), told, both)
        if any(one.path.startswith(f"{folder}/") for folder in doubtful):
            problem = keras_places.SHARED
        after = told.after and by_words.get((*above[one.path], told.after), "")
        result.append(
            Group(
                shown[one.path],
                one.path if one.path != shown[one.path] else "",
                number,
                one.reverse or (told.backwards and not both),
                one.tensors,
                problem,
                options,
                told.merge,
                whole,
                told.remarks,
                after,
                told.assumed,
            )
        )
    return result


def _misfit(one: Placed, number: int, count: int, told: keras_config.Told, both: bool) -> str:
    """Why a cell's weights are not those that the configuration describes; empty if they are."""
    sizes = told.sizes[both and one.reverse]
    if not sizes:
        return ""
    if len(sizes) != count:
        return f"its configuration describes {len(sizes)} cells, and the file has the weights of {count}"
    units, bias = sizes[number]
    held = one.tensors["recurrent_kernel"].shape[0]
    if units not in (None, held):
        return f"its configuration says units={units}, and the file has the weights of {held}"
    if bias is not None and bias != ("bias" in one.tensors):
        return f"its configuration says use_bias={bias}, and the file has {'a' if 'bias' in one.tensors else 'no'} bias"
    return ""


def _user_names(contents: Contents, path: str, told: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names that its user gave a layer and the models around it, outermost first."""
    if path in told:
        return told[path]
    words = path.split("/")
    names = [contents.layer_names.get("/".join([*words[: k + 1], "vars"])) for k in range(len(words))]
    return tuple(name for name in names if name is not None) or (path,)


def _by_path(contents: Contents) -> Iterator[Placed]:
    """In a file that numbers its variables."""
    told = {} if contents.layer_names else keras_places.places(contents.config)[0]
    for group in dict.fromkeys(name.rpartition("/")[0] for name in contents.tensors):
        *words, last = group.split("/")
        if last != "vars" or not words:
            continue
        number, cudnn = 0, "cell" not in words[-1]  # that layer has no cell
        if cudnn:
            pass
        elif len(words) > 1 and words[-2] == "cells":
            digits = words[-1].rpartition("_")[2]
            number = int(digits) if digits.isdecimal() and len(digits) < 10 else 0
            words = words[:-2]
            words = words[:-1] if words and words[-1] == "cell" else words
        elif words[-1] == "cell" or (len(words) > 1 and words[-2] in HALVES):
            words = words[:-1]
        reverse = bool(words) and HALVES.get(words[-1], False)
        words = words[:-1] if words and words[-1] in HALVES else words
        present = {role: contents.tensors.get(f"{group}/{n}") for n, role in enumerate(ROLES)}
        tensors = {role: tensor for role, tensor in present.items() if tensor is not None}
        if cudnn and not _is_cudnn(tensors):
            continue
        if _is_lstm(tensors) and f"{group}/{len(ROLES)}" not in contents.tensors:  # a fourth is no LSTM's
            path = "/".join(words)
            yield Placed(path, _user_names(contents, path, told), reverse, number, tensors)


def _by_name(contents: Contents) -> Iterator[Placed]:
    """In a file that names its variables ``<layer>/<layer>/lstm_cell/kernel:0``."""
    by_group: dict[tuple[str, ...], dict[str, StoredTensor]] = {}
    for name, tensor in keras1_names.renamed(contents.tensors).items():
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
            names = (group[0],) if layer[-1] == group[0] else (group[0], layer[-1])
            yield Placed("/".join(layer), names, reverse, cell, tensors)


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


def _is_cudnn(tensors: dict[str, StoredTensor]) -> bool:
    """Whether they are a CuDNNLSTM's, which has two biases in one, and activations that nobody can choose."""
    return _is_lstm(tensors) and "bias" in tensors and tensors["bias"].shape == (2 * tensors["kernel"].shape[1],)
