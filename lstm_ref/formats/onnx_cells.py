"""LSTM cells that an ONNX model computes by single operators, such as PyTorch's LSTMCell: they are named, and not read.

What is looked for is h = σ(.) · tanh(c) of a c = σ(.) · c + σ(.) · tanh(.), whatever makes the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable

from lstm_ref.formats.onnx_graph import Node, Scope
from lstm_ref.formats.onnx_tensors import shown

GATES = ("Sigmoid", "HardSigmoid")
OTHERS = ("Tanh", "Relu", "Elu", "Softsign", "Softplus", "HardSigmoid", "Sigmoid", "LeakyRelu", "Selu", "Gelu")
"""What a candidate and a cell's output may go through; Tanh as a rule."""
PASSED = ("Identity", "Cast", "Clip")
LINEAR = ("Gemm", "MatMul", "Add", "Split", "Slice", "Gather", "Concat", "Reshape", "Squeeze", "Unsqueeze", "Transpose")
MOST = 48
"""How many values are followed to a cell's weights."""


def cells(scopes: Iterable[Scope]) -> list[tuple[Scope, Node, tuple[str, ...]]]:
    """Where cells are: the node that makes h, and its weights' names. Of steps with the same weights, the first."""
    found: dict[tuple[Scope, tuple[str, ...]], tuple[Scope, Node, tuple[str, ...]]] = {}
    for scope in scopes:
        for node in scope.nodes:
            gates = _gates(scope, node)
            if gates:
                weights = _weights(scope, gates)
                key = scope, weights or (node.label,)
                found.setdefault(key, (scope, node, weights))
    return list(found.values())


def problem(scope: Scope, weights: tuple[str, ...]) -> str:
    """What was seen of a cell, and what to do."""
    listed = [f"{shown(name, 60)} {scope.home(name).stored[name].shape[:4]}" for name in weights[:4]]
    more = f" and {len(weights) - 4} more" if len(weights) > 4 else ""
    of = f", of the weights {', '.join(listed)}{more}" if listed else ""
    return (
        f"it is an LSTM cell of single operators (sigmoids, tanh and products{of}), expected a node LSTM. Export torch.nn.LSTM, "
        "which becomes one, or load these weights from the state_dict() in a .pt file"
    )


def _maker(scope: Scope, name: str) -> Node | None:
    """The node that makes a value, behind such as change nothing of it."""
    for _ in range(4):
        node = scope.made.get(name)
        if node is None or node.op not in PASSED:
            return node
        name = node.input(0)
    return None


def _factors(scope: Scope, node: Node | None) -> list[Node | None]:
    return [_maker(scope, name) for name in node.inputs] if node is not None and node.op == "Mul" else []


def _is(node: Node | None, ops: tuple[str, ...]) -> bool:
    return node is not None and node.op in ops


def _gates(scope: Scope, node: Node) -> list[Node]:
    """The three gates of the cell whose h a node makes; none if it makes no h."""
    for out, shaped in _ways(_factors(scope, node)):
        if not _is(out, GATES) or not _is(shaped, OTHERS):
            continue
        assert shaped is not None
        total = _maker(scope, shaped.input(0))
        if total is None or total.op != "Add" or len(total.inputs) != 2:
            continue
        terms = [_factors(scope, _maker(scope, name)) for name in total.inputs]
        for new, kept in (terms, terms[::-1]):
            candidates = [gate for gate, other in _ways(new) if _is(gate, GATES) and _is(other, OTHERS)]
            keepers = [gate for gate, _ in _ways(kept) if _is(gate, GATES)]
            if candidates and keepers:
                return [gate for gate in (candidates[0], keepers[0], out) if gate is not None]
    return []


def _ways(factors: list[Node | None]) -> list[tuple[Node | None, Node | None]]:
    return [(factors[0], factors[1]), (factors[1], factors[0])] if len(factors) == 2 else []


def _weights(scope: Scope, gates: list[Node]) -> tuple[str, ...]:
    """The stored matrices that the gates' arguments are made with."""
    todo = [(gate.input(0)) for gate in gates]
    seen: dict[str, None] = {}
    weights: set[str] = set()
    while todo and len(seen) < MOST:
        name = todo.pop()
        if not name or name in seen:
            continue
        seen[name] = None
        home = scope.home(name)
        if name in home.stored:
            if len(home.stored[name].shape) == 2:
                weights.add(name)
            continue
        node = home.made.get(name)
        if node is not None and node.op in (*LINEAR, *PASSED):
            todo += node.inputs
    return tuple(sorted(weights))
