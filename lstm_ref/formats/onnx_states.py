"""What an ONNX LSTM's initial states are: zeros, which need no word, or something that a network here has to be given.

Sources: https://onnx.ai/onnx/operators of the nodes in `MOVING`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstm_ref.errors import LSTMError
from lstm_ref.formats.onnx_constants import Constants
from lstm_ref.formats.onnx_graph import Node, Scope, Values

MOVING = {
    "Identity",
    "Cast",
    "Transpose",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Expand",
    "Tile",
    "Gather",
    "Split",
}
"""Nodes that give nothing but numbers of their first input."""


@dataclass(frozen=True)
class Origin:
    """Where a state's numbers come from.

    Attributes
    ----------
    kind : str
        "zero"; "constant", which is not zero; or "given", which depends on what the graph is given.
    place : str
        The value that says so.
    """

    kind: str
    place: str = ""


class States:
    """The origin of values."""

    def __init__(self, path: Path, constants: Constants) -> None:
        self.constants = constants
        self.values = Values(path, _needs, self._work_out)

    def of(self, scope: Scope, name: str) -> Origin:
        """The origin of the value called `name`; zero if there is none."""
        origin: Origin = self.values.of(scope, name) if name else Origin("zero")
        return origin

    def _work_out(self, scope: Scope, name: str, inputs: Sequence[Origin]) -> Origin:
        if name in scope.given:  # also one that has a default: it is a state to be fed
            return Origin("given", name)
        node = scope.made.get(name)
        if name in scope.stored or (node and node.op == "Constant"):
            return self._of_constant(scope, name)
        if node is None:
            return Origin("given", name)
        if node.op == "ConstantOfShape":
            return Origin("constant", name) if _filled(node) else Origin("zero")
        worst = max(inputs, key=lambda origin: KINDS.index(origin.kind), default=Origin("constant", name))
        if node.op in MOVING or node.op == "Concat":
            return worst
        return Origin(
            "constant" if all(origin.kind != "given" for origin in inputs) and not _bodies(node) else "given", name
        )

    def _of_constant(self, scope: Scope, name: str) -> Origin:
        tensor = self.constants.of(scope, name)
        try:
            zero = not tensor.problem and not np.any(tensor.read())
        except LSTMError:
            zero = False
        return Origin("zero") if zero else Origin("constant", name)


KINDS = ("zero", "given", "constant")
"""From that which needs no word to that which is refused."""


def _needs(scope: Scope, name: str) -> Iterable[str]:
    node = scope.made.get(name)
    if node is None or node.op in ("Constant", "ConstantOfShape") or name in scope.stored:
        return ()
    return filter(None, node.inputs[:1] if node.op in MOVING else node.inputs)


def _filled(node: Node) -> bool:
    """Whether a ConstantOfShape fills with something else than zeros."""
    try:
        value = node.attribute("value", "t")
    except ValueError:
        return True
    if value is None:
        return False
    numbers = (value.float_data, value.int32_data, value.int64_data, value.double_data)
    return (
        any(value.raw_data.strip(b"\0")) or any(n != 0 for held in numbers for n in held) or bool(value.external_data)
    )


def _bodies(node: Node) -> bool:
    return any(attribute.HasField("g") or attribute.graphs for attribute in node.proto.attribute)
