"""What the configuration in a Keras file says of an LSTM: read as text, no class that it names is ever made.

Sources: ``get_config`` of LSTM, RNN, StackedRNNCells and Bidirectional in keras/src/layers/rnn, and of their counterparts
in Keras 2, tf_keras/src/layers/rnn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lstm_ref.activations import ACTIVATIONS
from lstm_ref.formats.keras_json import (
    SAVE_ALONE,
    cells_of,
    children_of,
    class_of,
    name_of,
    settings_of,
    sizes_of,
    unknown,
)
from lstm_ref.formats.stored import cut
from lstm_ref.options import PLAIN, Options

LAYERS = ("LSTM", "CuDNNLSTM", "RNN", "LSTMCell")
OUTER = (*LAYERS, "Bidirectional")
"""Keras's classes that compute an LSTM; of any other one it is not known what it computes."""
MODELS = ("Functional", "Sequential", "Model")
SAME = ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization", "InputLayer")
"""Layers that hand on what they are given, when nothing is being trained."""
OLDER = re.compile(r"1(?!\d)|2\.[01](?!\d)|2\.2(?!\d)(?!\.4-tf)")
"""Versions before Keras 2.3. "2.2.4-tf" is that of TensorFlow 1.13 to 2.1, and taken as the latter's."""
DROPOUTS = ("dropout", "recurrent_dropout", "dropout_W", "dropout_U")
MERGES = ("concat", "sum", "mul", "ave", None)


Sizes: TypeAlias = tuple[tuple[int | None, bool | None], ...]


@dataclass(frozen=True)
class Told:
    """What a configuration says of one LSTM.

    Attributes
    ----------
    options : Options
        Of its first direction; of the last layer, where there are several.
    reverse : Options
        Of the backward direction.
    merge : str or None
    backwards : bool
        Whether what there is of it, if it is one direction, reads from the end.
    problem, whole : str
        Why no part of it, or not all of it together, can be computed; empty when it can.
    remarks : tuple of str
    after : str or None
        Name of the layer before it, if all that it is given is an LSTM's outputs; empty otherwise; None if it is not told.
    assumed : bool
        Whether there is no configuration of it, and this is what Keras does by default.
    two : bool
        Whether it has two directions.
    sizes : tuple
        Of each direction, as `lstm_ref.formats.keras_json.sizes_of`.
    """

    options: Options = PLAIN
    reverse: Options = PLAIN
    merge: str | None = "concat"
    backwards: bool = False
    problem: str = ""
    whole: str = ""
    remarks: tuple[str, ...] = ()
    after: str | None = None
    assumed: bool = False
    two: bool = False
    sizes: tuple[Sizes, Sizes] = ((), ())


ASSUMED = Told(assumed=True)


def told(config: dict[str, Any], version: str, names: tuple[str, ...]) -> Told:
    """What a model's configuration says of the layer that is reached by these names, outermost first."""
    if not config:
        return ASSUMED
    found = [(description, siblings) for description, siblings in _reached(config, names)]
    if not found:
        return ASSUMED
    every = [_told(description, version) for description, _ in found]
    if any(one != every[0] for one in every):
        return Told(problem=f"the configuration describes {len(every)} layers {cut('/'.join(names))!r}, differently")
    after = _before(*found[0]) if len(found) == 1 else None
    masked = _masks(config)
    return replace(every[0], after=after, remarks=every[0].remarks + masked)


def _reached(config: dict[str, Any], names: tuple[str, ...]) -> Iterator[tuple[Any, list[Any]]]:
    """Descriptions of the layer that the names lead to, with its siblings; the outermost that computes an LSTM.

    Names may leave out models between the first and the last: Keras's older files do.
    """
    top = children_of(config)
    todo: list[tuple[Any, list[Any], tuple[str, ...]]] = [(child, top, names) for child in reversed(top)]
    while todo:
        description, siblings, left = todo.pop()
        here = bool(left) and name_of(description) == left[0]
        rest = left[1:] if here else left
        inner = children_of(description)
        wrapped = settings_of(description).get("layer")
        if here and not rest and class_of(description) not in OUTER and class_of(wrapped) in OUTER:
            yield wrapped, []  # of TimeDistributed and its like, which older files do not tell from what it wraps
            continue
        if here and (class_of(description) in OUTER or not inner):
            yield description, siblings
        elif inner and (here or len(left) < len(names)) and class_of(description) not in OUTER:
            todo.extend((child, inner, rest) for child in reversed(inner))


def _told(description: Any, version: str) -> Told:
    name, settings = class_of(description), settings_of(description)
    if problem := _foreign(description):
        return Told(problem=problem)
    if name != "Bidirectional":
        options, problem, remarks = _one(description, version)
        whole = (
            "a stack of cells that is read backwards" if options.go_backwards and len(cells_of(description)) > 1 else ""
        )
        backwards, sizes = options.go_backwards, sizes_of(description)
        return Told(options, options, "concat", backwards, problem, whole, remarks, sizes=(sizes, sizes))
    there = settings.get("layer")
    back = settings.get("backward_layer", there)
    if foreign := _foreign(there) or _foreign(back):
        return Told(problem=foreign)
    options, problem, remarks = _one(there, version)
    reverse, problem_back, _ = _one(back, version)
    reverse = replace(reverse, go_backwards=options.go_backwards)
    whole = ""
    if len(cells_of(there)) > 1:
        whole = "each direction goes through a whole stack of cells, which layers of two directions do not"
    merge = settings.get("merge_mode", "concat")
    if merge not in MERGES:
        merge, whole = "concat", f"merge_mode={cut(merge)!r}"
    # Bidirectional sets it in both of its halves, whatever they were made with.
    zero = options.return_sequences
    options, reverse = (replace(o, zero_output_for_mask=zero) for o in (options, reverse))
    problem = unknown(description) or problem or problem_back
    return Told(
        options, reverse, merge, False, problem, whole, remarks, two=True, sizes=(sizes_of(there), sizes_of(back))
    )


def _foreign(description: Any) -> str:
    """Why a class is not one of Keras's own that compute an LSTM; empty if it is."""
    if not isinstance(description, dict):
        return "the configuration does not describe what it is"
    name = class_of(description)
    module, registered = description.get("module"), description.get("registered_name")
    own = not isinstance(module, str) or module.partition(".")[0] in ("keras", "tf_keras", "tensorflow")
    if name not in OUTER or not own or (isinstance(registered, str) and registered != name):
        shown = registered if isinstance(registered, str) else name
        return f"it is of the class {cut(shown)!r}, which may compute something else than Keras's LSTM; {SAVE_ALONE}"
    cells = settings_of(description).get("cell")
    if name == "RNN":
        inner = settings_of(cells).get("cells") if class_of(cells) == "StackedRNNCells" else [cells]
        for cell in inner if isinstance(inner, list) else [None]:
            if class_of(cell) != "LSTMCell" or _foreign(cell):
                shown = cut(class_of(cell))
                return f"its cell is of the class {shown!r}, which may compute something else than Keras's LSTMCell; {SAVE_ALONE}"
    return ""


def _one(description: Any, version: str) -> tuple[Options, str, tuple[str, ...]]:
    """One direction's options, why it cannot be computed, and remarks."""
    settings = settings_of(description)
    cells = cells_of(description)
    problems = [problem for one in (description, *cells) if (problem := unknown(one))]
    found = []
    for each in cells:
        of_cell = settings_of(each)
        names = {}
        for key, older, default in (
            ("activation", "activation", "tanh"),
            ("recurrent_activation", "inner_activation", "sigmoid"),
        ):
            value = of_cell.get(key, of_cell.get(older))
            if value is None and class_of(each) == "CuDNNLSTM":
                value = default
            names[key], problem = _activation(key, value, version)
            problems += [problem] if problem else []
        found.append(names)
    if any(names != found[0] for names in found):
        problems.append("its cells have different activations")
    plain = Options(
        go_backwards=settings.get("go_backwards") is True,
        zero_output_for_mask=settings.get("zero_output_for_mask") is True,
    )
    sequences = settings.get("return_sequences") is True or class_of(description) == "LSTMCell"
    remarks = []
    if settings.get("stateful") is True:
        remarks.append("It is stateful in Keras: begin each call with the state that the one before ended with.")
    if settings.get("time_major") is True:
        remarks.append("It is time-major in Keras, and takes (T, B, D) there.")
    rates = [settings_of(d).get(key) for d in (description, *cells) for key in DROPOUTS]
    if any(isinstance(rate, int | float) and rate for rate in rates):
        remarks.append("It has dropout in training, which is not part of the network: give dropout= to have it.")
    policy = settings_of(settings.get("dtype")).get("name", settings.get("dtype"))
    if isinstance(policy, str) and policy.startswith("mixed_"):
        remarks.append(
            f"Keras computes it in {cut(policy.removeprefix('mixed_'))}; here its weights' dtype is computed in."
        )
    if problems:
        return plain, "; ".join(dict.fromkeys(problems)), tuple(remarks)
    cell, gates = found[0]["activation"], found[0]["recurrent_activation"]
    return (
        replace(plain, activation=cell, recurrent_activation=gates, return_sequences=sequences),
        "",
        tuple(remarks),
    )


def default_gates(version: str) -> str:
    """The recurrent activation of an LSTM that was made without one; Keras 2.3 made it sigmoid, and TensorFlow 2 did."""
    return "hard_sigmoid_keras2" if OLDER.match(version) else "sigmoid"


def _activation(key: str, value: Any, version: str) -> tuple[str, str]:
    """An activation's name here, and why there is none."""
    if isinstance(value, dict):  # a function that was serialized, or a layer
        function = value.get("config") if class_of(value) == "function" else None
        value = function if isinstance(function, str) else class_of(value) if not settings_of(value) else value
    if value is None:
        return "tanh", f"its {key} is not told, and versions of Keras differ in it"
    if value == "hard_sigmoid":
        if not version[:1].isdigit():
            return (
                "tanh",
                f"{key}='hard_sigmoid', which is not the same in Keras 2 and 3, and the file does not say whose",
            )
        return ("hard_sigmoid" if int(version.split(".")[0][:4]) >= 3 else "hard_sigmoid_keras2"), ""
    if isinstance(value, str) and value in ACTIVATIONS and value != "hard_sigmoid_keras2":
        return value, ""
    shown = value if isinstance(value, str) else class_of(value) or "something"
    return "tanh", f"{key}={cut(shown)!r}, which cannot be computed"


def _before(description: Any, siblings: list[Any]) -> str | None:
    """The name of the LSTM before a layer, if its outputs are all that the layer is given."""
    by_name = {name_of(one): one for one in siblings}
    sequential = not any(isinstance(one, dict) and one.get("inbound_nodes") for one in siblings)
    for _ in siblings:
        name = _previous(description, siblings) if sequential else _source(description)
        if name is None or name not in by_name:
            return ""
        description = by_name[name]
        kind = class_of(description)
        if kind in OUTER:
            return name
        linear = kind == "Activation" and settings_of(description).get("activation") == "linear"
        if kind not in SAME and not linear:
            return ""
    return ""


def _previous(description: Any, siblings: list[Any]) -> str | None:
    place = next(k for k, one in enumerate(siblings) if one is description)
    return name_of(siblings[place - 1]) if place else None


def _source(description: Any) -> str | None:
    """The layer whose first output is all that a layer is given, the only time it is called."""
    nodes = description.get("inbound_nodes") if isinstance(description, dict) else None
    if not isinstance(nodes, list) or len(nodes) != 1:
        return None
    (node,) = nodes
    if isinstance(node, dict):  # Keras 3
        arguments, keywords = node.get("args"), node.get("kwargs")
        if not isinstance(arguments, list) or len(arguments) != 1 or not isinstance(keywords, dict):
            return None
        if any(isinstance(value, dict | list) for value in keywords.values()):  # a state, or a mask
            return None
        history = settings_of(arguments[0]).get("keras_history")
    else:
        history = node[0] if isinstance(node, list) and len(node) == 1 else None
        if isinstance(history, list) and len(history) == 4 and history[3]:
            return None
    if not isinstance(history, list) or len(history) < 3 or list(history[1:3]) != [0, 0]:
        return None
    return history[0] if isinstance(history[0], str) else None


def _masks(config: dict[str, Any]) -> tuple[str, ...]:
    """What to say if something in the model makes a mask."""
    todo: list[Any] = [config]
    while todo:
        description = todo.pop()
        settings = settings_of(description)
        if class_of(description) == "Masking" or (
            class_of(description) == "Embedding" and settings.get("mask_zero") is True
        ):
            return (f"The model has {cut(name_of(description))!r}, which makes a mask: give it as mask=.",)
        todo.extend(children_of(description))
    return ()
