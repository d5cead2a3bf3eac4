"""An ONNX model's graphs: what each value is made of.

Source: https://onnx.ai/onnx/repo-docs/IR.html.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from lstm_ref.errors import CorruptFileError
from lstm_ref.formats.onnx_tensors import shown, stored, text, unread
from lstm_ref.formats.stored import StoredTensor

Dim: TypeAlias = int | str
"""A length: a number, or the name of one that the file leaves open."""
KINDS = {
    "f": 1,
    "i": 2,
    "s": 3,
    "t": 4,
    "g": 5,
    "floats": 6,
    "ints": 7,
    "strings": 8,
    "graphs": 10,
    "sparse_tensor": 11,
}
"""Field of an attribute to ONNX's number of its kind."""
LONGEST = 120
"""How much of a name is shown."""
STANDARD = ("", "ai.onnx")


@dataclass(slots=True, eq=False)
class Node:
    """A node: its operator, with the domain in front if that is not ONNX's own, and what it takes and gives."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: Any

    @property
    def label(self) -> str:
        """What to call it: its name, or what it gives; the beginning, if that is very long."""
        name = self.name or next(filter(None, self.outputs), "")
        return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."

    def attribute(self, name: str, kind: str, default: Any = None) -> Any:
        """The value of an attribute of one kind, a field in `KINDS`.

        Raises
        ------
        ValueError
            If it is of another kind, or there twice, or a function's caller gives it.
        """
        found = [attribute for attribute in self.proto.attribute if attribute.name == name]
        if not found:
            return default
        if len(found) > 1 or found[0].type not in (0, KINDS[kind]) or found[0].ref_attr_name:
            raise ValueError(f"its attribute {name} is not one value of the kind that it has to be")
        return getattr(found[0], kind)

    def input(self, number: int) -> str:
        """The name of an input; empty if it is not given."""
        return self.inputs[number] if number < len(self.inputs) else ""


@dataclass(slots=True, eq=False)
class Scope:
    """A graph, or a function's body, and what is known of its values.

    Attributes
    ----------
    path : str
        Where it is in the model; empty for the model's own graph.
    outer : Scope or None
        The graph whose values it can use as well.
    stored : dict
        Name to tensor of the numbers that the graph itself holds.
    given : set of str
        The values that whoever runs the graph gives; for some there may be defaults in `stored`.
    results : set of str
    shapes : dict
        Name to shape of the values whose shape the graph tells.
    made : dict
        Name to the node that makes it.
    """

    path: str
    outer: Scope | None
    nodes: list[Node] = field(default_factory=list)
    stored: dict[str, StoredTensor] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)
    shapes: dict[str, tuple[Dim, ...]] = field(default_factory=dict)
    made: dict[str, Node] = field(default_factory=dict)

    def home(self, name: str) -> Scope:
        """The graph in which the value called `name` is made; the outermost one if it is made in none."""
        scope = self
        while name not in scope.made and name not in scope.stored and name not in scope.given and scope.outer:
            scope = scope.outer
        return scope


def scopes(model: Any, path: Path) -> list[Scope]:
    """Every graph of the model: its own, those in its nodes' attributes, and the bodies of its functions.

    Raises
    ------
    CorruptFileError, UnsafeFileError
        If two values of a graph have the same name; or as `lstm_ref.formats.onnx_tensors.stored`.
    """
    local = {(text(function.domain), text(function.name)) for function in model.functions}
    result: list[Scope] = []
    todo: list[tuple[str, Any, Scope | None]] = [("", model.graph, None)]
    todo += [(f"{text(f.domain)}.{text(f.name)}", f, None) for f in model.functions]
    todo.reverse()
    while todo:
        where, graph, outer = todo.pop()
        scope = Scope(where, outer)
        result.append(scope)
        if hasattr(graph, "initializer"):
            _values(scope, graph, path)
        else:
            scope.given, scope.results = {text(n) for n in graph.input}, {text(n) for n in graph.output}
        inner = []
        for proto in graph.node:
            domain, op = text(proto.domain), text(proto.op_type)
            ours = domain in STANDARD and ("", op) not in local and ("ai.onnx", op) not in local
            outputs = tuple(map(text, proto.output))
            node = Node(
                op if ours else f"{domain}.{op}", text(proto.name), tuple(map(text, proto.input)), outputs, proto
            )
            scope.nodes.append(node)
            for name in filter(None, outputs):
                if name in scope.made or name in scope.stored or name in scope.given:
                    raise CorruptFileError(f"{path}: two values of one graph are called {shown(name)}.")
                scope.made[name] = node
            for attribute in proto.attribute:
                bodies = [attribute.g] if attribute.HasField("g") else attribute.graphs
                for body in bodies:
                    inner.append((f"{where}{'/' if where else ''}{node.label}/{text(attribute.name)}", body, scope))
        todo += reversed(inner)
    return result


def _values(scope: Scope, graph: Any, path: Path) -> None:
    tensors = [(text(proto.name), stored(proto, path)) for proto in graph.initializer]
    tensors += [(text(proto.values.name), unread("is a sparse tensor")) for proto in graph.sparse_initializer]
    scope.stored = dict(tensors)
    if len(scope.stored) < len(tensors):
        twice = Counter(name for name, _ in tensors).most_common(1)[0][0]
        raise CorruptFileError(f"{path}: two tensors of one graph are called {shown(twice)}.")
    scope.given, scope.results = {text(v.name) for v in graph.input}, {text(v.name) for v in graph.output}
    for value in (*graph.value_info, *graph.output, *graph.input):
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            name = text(value.name)
            scope.shapes[name] = tuple(
                d.dim_value if d.HasField("dim_value") else text(d.dim_param) or f"{name}#{k}"
                for k, d in enumerate(dims)
            )


class Values:
    """Something that is known of values by what they are made of, each worked out once and without recursion.

    Parameters
    ----------
    path : Path
        The file's, for errors.
    needs : callable
        (scope, name) -> the names in that scope whose results come first.
    work_out : callable
        (scope, name, those results) -> the value's own.
    """

    def __init__(
        self,
        path: Path,
        needs: Callable[[Scope, str], Iterable[str]],
        work_out: Callable[[Scope, str, Sequence[Any]], Any],
    ) -> None:
        self.path, self.needs, self.work_out = path, needs, work_out
        self.known: dict[tuple[Scope, str], Any] = {}
        self.begun: set[tuple[Scope, str]] = set()

    def of(self, scope: Scope, name: str) -> Any:
        """What is known of the value called `name`, as seen from `scope`."""
        key = (scope.home(name), name)
        if key in self.known:
            return self.known[key]
        todo = [key]
        while todo:
            home, current = todo[-1]
            if todo[-1] in self.known:
                todo.pop()
                continue
            needed = [(home.home(n), n) for n in self.needs(home, current)]
            missing = [n for n in needed if n not in self.known]
            if not missing:
                self.known[todo.pop()] = self.work_out(home, current, [self.known[n] for n in needed])
            elif (home, current) in self.begun:
                raise CorruptFileError(f"{self.path}: its graph runs in a circle at the value {shown(current)}.")
            else:
                self.begun.add((home, current))
                todo += missing
        return self.known[key]
