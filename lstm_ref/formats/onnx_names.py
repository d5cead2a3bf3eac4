"""The LSTM nodes of an ONNX model, and which of them are the layers of one LSTM.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lstm_ref.formats import onnx_options
from lstm_ref.formats.group import Group
from lstm_ref.formats.onnx_cells import cells as cells_of
from lstm_ref.formats.onnx_cells import problem
from lstm_ref.formats.onnx_constants import Constants
from lstm_ref.formats.onnx_flow import FOLLOWED, Flows, layout
from lstm_ref.formats.onnx_graph import Node, Scope
from lstm_ref.formats.onnx_states import States
from lstm_ref.formats.onnx_tensors import shown, text
from lstm_ref.formats.stored import Contents, StoredTensor
from lstm_ref.options import PLAIN, Options

INPUTS = {"W": 1, "R": 2, "B": 3, "P": 7}
LENGTHS, STATES = 4, {"initial_h": 5, "initial_c": 6}
TRACED = re.compile(r"/(?P<scope>(?:[^/]+/)*)(?P<op>[A-Za-z]+)(?:_\d+)?")
"""What PyTorch's exporter of TorchScript calls its nodes."""
SCOPES, SOURCE = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.fx_node"
"""Where its newer exporter says what module a node is of, and what it was made from."""


@dataclass(eq=False)
class LSTM:
    """A node, and what is found out about it."""

    scope: Scope
    node: Node
    module: str | None
    directions: tuple[bool, ...] = (False,)
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    options: Options = PLAIN
    problem: str = ""
    whole: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it is in the model."""
        return f"{self.scope.path}/{self.node.label}" if self.scope.path else self.node.label

    @property
    def units(self) -> int:
        """H, or 0 if that is not known."""
        shape = self.tensors["R"].shape if "R" in self.tensors else ()
        return shape[-1] if len(shape) == 3 else 0


def groups(contents: Contents) -> list[Group]:
    """One group for each direction of each LSTM node; nodes of which each takes all that the one before gives are layers.

    Cells of single operators come last.
    """
    every: list[Scope] = contents.config["scopes"]
    functions = {scope.path for scope in every if scope.outer is None}
    found = [
        LSTM(scope, node, _module(node))
        for scope in every
        for node in scope.nodes
        if node.op.rpartition(".")[2].endswith("LSTM") and node.op not in functions
    ]
    cells = [
        LSTM(scope, node, _module(node), problem=problem(scope, weights)) for scope, node, weights in cells_of(every)
    ]
    constants = Constants(contents.path, every)
    states = States(contents.path, constants)
    for lstm in found:
        _read(lstm, constants, states, contents.config["defaults are inputs"])
    sound = {lstm.node: (len(lstm.directions), lstm.units) for lstm in found if lstm.units}
    flows = Flows(contents.path, constants, sound)
    below = _below(every, found, flows)
    names = _names([*(lstm for lstm in found if below.get(lstm, (None, False))[1] is False), *cells])
    placed: dict[LSTM, tuple[str, str, int, str]] = {}
    for lstm in (*_in_order(found, below), *cells):
        lower, joined = below.get(lstm, (None, False))
        if joined and lower:
            name, alias, layer, after = placed[lower]
            placed[lstm] = name, alias, layer + 1, after
        else:
            alias = lstm.place if lstm.place != names[lstm] else ""
            placed[lstm] = names[lstm], alias, 0, placed[lower][0] if lower else ""
    return [group for lstm in (*found, *cells) for group in _groups(lstm, *placed[lstm])]


def _module(node: Node) -> str | None:
    """The PyTorch module that the node is of, by its name in a state_dict; None if nothing tells."""
    properties = {text(p.key): text(p.value) for p in getattr(node.proto, "metadata_props", ())}
    if SCOPES in properties:
        names = re.findall(r"'([^']*)'", properties[SCOPES])
        return names[-2] if len(names) > 1 else None
    match = TRACED.fullmatch(node.name)
    if match is None or match["op"] != node.op:
        return None
    path: list[str] = []
    for word in filter(None, match["scope"].split("/")):
        if path and word.startswith(f"{path[-1]}."):  # the module 0 of a list called layers is layers.0
            path.pop()
        path.append(word)
    return ".".join(path)


def _read(lstm: LSTM, constants: Constants, states: States, defaults_are_inputs: bool) -> None:
    """Find out about an LSTM what its node and its inputs tell."""
    scope, node = lstm.scope, lstm.node
    if scope.path:
        kind = "body of another node" if scope.outer else "function"
        lstm.remarks.append(f"It is in {shown(scope.path)}, the {kind}.")
    if node.op != "LSTM":
        lstm.problem = f"it is a node {node.op[:80]}, expected ONNX's own LSTM"
        return
    lstm.options, lstm.problem = onnx_options.problem(node)
    if len(node.inputs) > 8:
        lstm.problem = lstm.problem or f"it has {len(node.inputs)} inputs, expected 8 at most"
    try:
        lstm.directions = onnx_options.directions(node)
    except ValueError as error:
        lstm.problem = str(error)
        return
    given = {role: node.input(k) for role, k in INPUTS.items() if node.input(k)}
    lstm.tensors = {role: constants.of(scope, name) for role, name in given.items()}
    lstm.problem = lstm.problem or _misfit(lstm, lstm.tensors)
    if not defaults_are_inputs and any(constants.replaceable(scope, name) for name in given.values()):
        lstm.remarks.append(
            "Its weights are defaults of the graph's inputs, which a caller can replace; these are loaded."
        )
    if node.input(LENGTHS):
        lstm.remarks.append(
            f"It is given the lengths of its sequences, {shown(node.input(LENGTHS))}: give the network a mask of the same lengths. "
            "What it gives at padding are zeros."
        )
    for role, k in STATES.items():
        origin = states.of(scope, node.input(k))
        if origin.kind == "constant":
            lstm.whole = f"the {role} of {node.label!r} is constant and not zero ({shown(origin.place)}); load its part with that state"
        elif origin.kind == "given":
            lstm.remarks.append(
                f"The {role} of {node.label!r} comes from {shown(origin.place)}: give the network that state."
            )
    if not lstm.problem and layout(node):
        lstm.remarks.append("Its input, output and states have the axis of samples first (layout=1).")


def _misfit(lstm: LSTM, tensors: dict[str, StoredTensor]) -> str:
    """What of an LSTM's shapes does not fit; empty if all does."""
    node, count = lstm.node, len(lstm.directions)
    if missing := [role for role in ("W", "R") if role not in tensors]:
        return f"it has no {missing[0]}"
    W, R = tensors["W"].shape, tensors["R"].shape
    if any(tensors[role].problem for role in ("W", "R")):
        return ""
    H, D = R[-1] if R else 0, W[-1] if W else 0
    if not H:
        return "its R is of no units"
    expected = {"W": (count, 4 * H, D), "R": (count, 4 * H, H), "B": (count, 8 * H), "P": (count, 3 * H)}
    for role, tensor in tensors.items():
        if not tensor.problem and tensor.shape != expected[role]:
            return f"its {role} has shape {tensor.shape[:9]}, expected {expected[role]}, of as many directions and units as its R"
    try:
        told = node.attribute("hidden_size", "i", H)
    except ValueError as error:
        return str(error)
    if told != H:
        return f"its hidden_size is {told}, and its R is of {H} units"
    return _told_otherwise(lstm, D, H)


def _told_otherwise(lstm: LSTM, D: int, H: int) -> str:
    """What the file says of an LSTM's shapes that its weights do not; empty if there is nothing."""
    node, scope = lstm.node, lstm.scope
    names = {node.input(0): D, **dict.fromkeys((*node.outputs, node.input(5), node.input(6)), H)}
    for name, width in names.items():
        home = scope.home(name)
        shape = home.stored[name].shape if name in home.stored else home.shapes.get(name)
        if shape and isinstance(shape[-1], int) and shape[-1] != width:
            return f"its value {shown(name)} has the shape {_told(shape)}, expected {width} units; {PROJECTED}"
    made_from = "".join(text(p.value) for p in getattr(node.proto, "metadata_props", ()) if text(p.key) == SOURCE)
    return PROJECTED if "weight_hr" in made_from else ""


PROJECTED = (
    "PyTorch's exporter writes such a node for an LSTM with a projection (proj_size), and leaves weights out. "
    "Load the model's state_dict() instead"
)


def _told(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _below(every: list[Scope], found: list[LSTM], flows: Flows) -> dict[LSTM, tuple[LSTM, bool]]:
    """Of each LSTM that takes another one's outputs and nothing else, that one, and whether the two are layers of one LSTM."""
    of_node = {lstm.node: lstm for lstm in found}
    shown: set[Node] = set()  # whose outputs something else than LSTMs is given
    takers: Counter[Node] = Counter()
    for scope in every:
        shown |= {flow.source for name in scope.results if (flow := flows.of(scope, name))}
        for node in scope.nodes:
            passed = node.op == "Shape" or (
                node.op in FOLLOWED and any(node.outputs) and flows.of(scope, node.outputs[0]) is not None
            )
            for k, name in enumerate(node.inputs):
                flow = flows.of(scope, name) if name and not passed else None
                if flow and node.op == "LSTM" and k == 0:
                    takers[flow.source] += 1
                elif flow:
                    shown.add(flow.source)
    result = {}
    for lstm in found:
        source = None if lstm.problem else flows.whole(lstm.scope, lstm.node)
        if source is None:
            continue
        lower = of_node[source]
        alike = all(
            a == b
            for a, b in (
                (lower.scope, lstm.scope),
                (lower.module, lstm.module),
                (lower.directions, lstm.directions),
                (lower.node.input(LENGTHS), lstm.node.input(LENGTHS)),
            )
        )
        result[lstm] = lower, alike and takers[source] == 1 and source not in shown
    return result


def _in_order(found: list[LSTM], below: dict[LSTM, tuple[LSTM, bool]]) -> Iterator[LSTM]:
    """Each LSTM behind the one that it takes the outputs of."""
    done: set[LSTM] = set()
    for lstm in found:
        chain = []
        current: LSTM | None = lstm
        while current is not None and current not in done:
            chain.append(current)
            done.add(current)
            current = below[current][0] if current in below else None
        yield from reversed(chain)


def _names(found: list[LSTM]) -> dict[LSTM, str]:
    """A name for each LSTM: its module's, its node's, or what it gives; where several have the same, its place, or a number."""
    names = {lstm: lstm.module or lstm.node.label for lstm in found}
    for way in (lambda lstm, k: lstm.place, lambda lstm, k: f"{lstm.place}#{k}"):
        repeated = {name for name, count in Counter(names.values()).items() if count > 1}
        names = {lstm: way(lstm, k) if name in repeated else name for k, (lstm, name) in enumerate(names.items())}
    return names


def _groups(lstm: LSTM, name: str, alias: str, layer: int, after: str) -> Iterator[Group]:
    for k, reverse in enumerate(lstm.directions):
        tensors = {role: _of_direction(role, tensor, k) for role, tensor in lstm.tensors.items()}
        yield Group(
            name, alias, layer, reverse, tensors, lstm.problem, lstm.options,
            whole=lstm.whole, remarks=tuple(lstm.remarks), after=after,
        )  # fmt: skip


def _of_direction(role: str, tensor: StoredTensor, number: int) -> StoredTensor:
    """One direction's half of a tensor; of one that does not fit, what there is to list."""
    axes = 2 if role in ("W", "R") else 1
    shape = tensor.shape[1:] if len(tensor.shape) == axes + 1 else (0,) * axes
    return StoredTensor(tensor.dtype, shape, lambda: tensor.read()[number], tensor.problem)
