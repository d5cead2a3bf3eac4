"""Whose weights lie where in an archive that does not repeat the layers' names, as those of Keras 2 do not.

Source: ``_save_container_state`` in tf_keras/src/saving/saving_lib.py: a layer's place is its class, numbered among the layers of its
model that were not saved before.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from lstm_ref.formats.keras_json import class_of, layers_of, name_of, settings_of

SHARED = (
    "a layer of its model is shared with another model, and the archive does not say which weights are whose; save the model as .h5, "
    "which does"
)


def places(config: dict[str, Any]) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Place to the names of the layer and the models around it, outermost first; and the models' folders that are in doubt."""
    found: dict[str, tuple[str, ...]] = {}
    doubtful: set[str] = set()
    todo: list[tuple[Any, str, tuple[str, ...]]] = [(config, "layers", ())]
    while todo:
        model, folder, names = todo.pop()
        used: Counter[str] = Counter()
        for layer in layers_of(model):
            kind = class_of(layer)
            if kind == "InputLayer" and class_of(model) == "Sequential":
                continue
            if isinstance(layer, dict) and "shared_object_id" in layer:
                doubtful.add(folder)
            word = _snake_case(kind)
            place = f"{folder}/{word}_{used[word]}" if used[word] else f"{folder}/{word}"
            used[word] += 1
            if len(place) > 1000:  # no file that can be read has such names
                continue
            found[place] = (*names, name_of(layer))
            wrapped = settings_of(layer).get("layer")
            if isinstance(wrapped, dict):
                found[f"{place}/layer"] = (*found[place], name_of(wrapped))
            if layers_of(layer):
                todo.append((layer, f"{place}/layers", found[place]))
    return found, doubtful


def _snake_case(name: str) -> str:
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name[:200])
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
