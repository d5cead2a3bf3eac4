"""PyTorch's names of an LSTM's tensors: ``<prefix>.weight_ih_l0``, ``weight_hh_l0_reverse`` and so on.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, "Variables".
"""

from __future__ import annotations

import re

from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import Contents, StoredTensor

WEIGHT_IH = re.compile(r"(?P<prefix>|.*\.)weight_ih(?P<suffix>_l(?P<layer>\d{1,4})(?P<reverse>_reverse)?|)")
KNOWN = re.compile(r"(?:weight_(?:ih|hh|hr)|bias_(?:ih|hh))(?:_l\d{1,4}(?:_reverse)?|)")
STRANGE = re.compile(r"(?:weight|bias)_[^.]*|(?:layer_?norm|ln|norm)[^.]*\.(?:weight|bias)$")


def groups(contents: Contents) -> list[Group]:
    """One group for each layer and direction of each ``torch.nn.LSTM`` or ``LSTMCell``.

    A GRU and a plain RNN have the same names: the shapes tell them apart.
    """
    result = []
    for name in contents.tensors:
        match = WEIGHT_IH.fullmatch(name)
        if match is None:
            continue
        prefix, suffix = match["prefix"], match["suffix"]
        roles = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        present = {role: contents.tensors.get(f"{prefix}{role}{suffix}") for role in roles}
        tensors = {role: tensor for role, tensor in present.items() if tensor is not None}
        projection = contents.tensors.get(f"{prefix}weight_hr{suffix}")
        if _is_lstm(tensors, projection):
            problem = "" if projection is None else f"a projection of the hidden state to {projection.shape[0]} units"
            if further := _further(contents, prefix):
                problem = problem or f"further weights beside an LSTM's, such as {further!r}"
            layer = int(match["layer"] or 0)
            result.append(Group(prefix[:-1], "", layer, bool(match["reverse"]), tensors, problem))
    return result


def _further(contents: Contents, prefix: str) -> str:
    """The first weight or bias beside the LSTM's own that no LSTM has; empty if there is none."""
    beside = (name.removeprefix(prefix) for name in contents.tensors if name.startswith(prefix))
    return next((name for name in beside if STRANGE.match(name) and not KNOWN.fullmatch(name)), "")


def _is_lstm(tensors: dict[str, StoredTensor], projection: StoredTensor | None) -> bool:
    if "weight_hh" not in tensors or any(len(tensors[role].shape) != 2 for role in ("weight_ih", "weight_hh")):
        return False
    (rows, columns), input_rows = tensors["weight_hh"].shape, tensors["weight_ih"].shape[0]
    if (
        rows == 0
        or rows != input_rows
        or any(tensors[b].shape != (rows,) for b in ("bias_ih", "bias_hh") if b in tensors)
    ):
        return False
    if projection is not None:
        return projection.shape == (columns, rows // 4) and rows % 4 == 0
    return rows == 4 * columns
