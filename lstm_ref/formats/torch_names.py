"""PyTorch's names of an LSTM's tensors: ``<prefix>.weight_ih_l0``, ``weight_hh_l0_reverse`` and so on.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, "Variables".
"""

from __future__ import annotations

import re
from dataclasses import replace

from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import Contents, StoredTensor

ROLES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
OWN = re.compile(r"(?P<role>weight_(?:ih|hh|hr)|bias_(?:ih|hh))(?P<suffix>_l(?P<layer>\d{1,4})(?P<reverse>_reverse)?|)")
STRANGE = re.compile(r"(?:weight|bias)_[^.]*|(?:layer_?norm|ln|norm)[^.]*\.(?:weight|bias)$")


def groups(contents: Contents) -> list[Group]:
    """One group for each layer and direction of each ``torch.nn.LSTM`` or ``LSTMCell``, those that lack a tensor included.

    A GRU and a plain RNN have the same names: the shapes tell them apart.
    """
    modules: dict[str, dict[tuple[int, bool, str], dict[str, StoredTensor]]] = {}
    strange: dict[str, str] = {}
    for name, tensor in contents.tensors.items():
        prefix, _, leaf = name.rpartition(".")
        own = OWN.fullmatch(leaf)
        if own is not None:
            key = int(own["layer"] or 0), bool(own["reverse"]), own["suffix"]
            modules.setdefault(prefix, {}).setdefault(key, {})[own["role"]] = tensor
            continue
        if STRANGE.match(leaf):
            strange.setdefault(prefix, leaf)
        above, _, last = prefix.rpartition(".")
        if STRANGE.match(f"{last}.{leaf}"):  # a normalisation inside of the module
            strange.setdefault(above, f"{last}.{leaf}")
    return [group for prefix, parts in modules.items() for group in _module(prefix, parts, strange.get(prefix, ""))]


def _module(prefix: str, parts: dict[tuple[int, bool, str], dict[str, StoredTensor]], further: str) -> list[Group]:
    """The groups of one module; none if it is no LSTM."""
    if not any(_is_lstm(tensors) for tensors in parts.values()):
        return []
    roles = set().union(*parts.values())
    roles = {role for role in roles if role != "weight_hr"} | {"weight_ih", "weight_hh"}
    roles |= {"bias_ih", "bias_hh"} if roles & {"bias_ih", "bias_hh"} else set()
    roles |= {"weight_hr"} if any("weight_hr" in tensors for tensors in parts.values()) else set()
    result = []
    for (layer, reverse, _), tensors in parts.items():
        missing = sorted(roles - tensors.keys(), key=ROLES.index)
        problem = ""
        if missing:
            problem = f"its {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in the file"
        elif not _is_lstm(tensors):
            shapes = ", ".join(f"{role} {tensor.shape}" for role, tensor in tensors.items())
            problem = f"its tensors are not of one LSTM: {shapes}"
        elif further:
            problem = f"further weights beside an LSTM's, such as {further!r}"
        result.append(Group(prefix, "", layer, reverse, tensors, problem))
    doubled = len({(group.layer, group.reverse) for group in result}) < len(result)
    return (
        [replace(group, problem="weights both with and without a layer's number") for group in result]
        if doubled
        else result
    )


def _is_lstm(tensors: dict[str, StoredTensor]) -> bool:
    """Whether the shapes of what can be read are an LSTM's; what is missing or cannot be read is no argument against."""
    shapes = {role: tensor.shape for role, tensor in tensors.items() if tensor.shape or not tensor.problem}
    recurrent, kernel = shapes.get("weight_hh"), shapes.get("weight_ih")
    if recurrent is None:  # what is left may be a GRU's as well, whose rows four may divide, too
        return (
            kernel is not None
            and len(kernel) == 2
            and kernel[0] % 4 == 0 < kernel[0]
            and tensors.keys() != shapes.keys()
        )
    if len(recurrent) != 2 or recurrent[0] == 0 or recurrent[0] % 4:
        return False
    rows, columns = recurrent
    if kernel is not None and (len(kernel) != 2 or kernel[0] != rows):
        return False
    if any(shapes[bias] != (rows,) for bias in ("bias_ih", "bias_hh") if bias in shapes):
        return False
    if "weight_hr" in shapes:
        return shapes["weight_hr"] == (columns, rows // 4)
    return rows == 4 * columns or ("weight_hr" in tensors)
