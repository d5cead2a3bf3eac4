"""Which ONNX LSTM is given nothing but another one's outputs, and all of them: what of a Y becomes of it on its way to an X.

Of a Y it is followed where its axes go. A length that the file leaves open has a name, so that a Reshape to computed lengths can be
followed as well. Whatever is not certain is something else.

Sources: https://onnx.ai/onnx/operators of the nodes that are followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lstm_ref.formats.onnx_constants import Constants
from lstm_ref.formats.onnx_graph import Dim, Node, Scope, Values

Axis: TypeAlias = tuple[str, ...]
"""What one axis has, the slowest first: T, D for directions, B, H; nothing if its length is 1."""
Sizes: TypeAlias = tuple[tuple[str, Dim], ...]
PASSING = ("Identity", "Dropout")
FOLLOWED = (*PASSING, "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Slice", "Concat")


class Flow(NamedTuple):
    """The outputs of an LSTM, arranged in some way.

    Attributes
    ----------
    source : Node
    axes : tuple of Axis
    sizes : tuple of (str, Dim)
        The lengths of T, D, B and H.
    half : int or None
        The direction that it is of, if it is of one of two.
    """

    source: Node
    axes: tuple[Axis, ...]
    sizes: Sizes
    half: int | None = None

    def size(self, axis: Axis) -> Dim | None:
        """The length of an axis, if it is a number or a name."""
        sizes = [dict(self.sizes)[each] for each in axis]
        if len(sizes) == 1:
            return sizes[0]
        numbers = [n for n in sizes if isinstance(n, int)]
        return prod(numbers) if len(numbers) == len(sizes) else None


class Flows:
    """What values are of an LSTM's outputs.

    Parameters
    ----------
    path : Path
    constants : Constants
    hidden : mapping
        The LSTM nodes that can be followed, with their numbers of directions and of units.
    """

    def __init__(self, path: Path, constants: Constants, hidden: dict[Node, tuple[int, int]]) -> None:
        self.constants, self.hidden = constants, hidden
        self.values = Values(path, self._needs, self._work_out)
        self.lengths = Values(path, _length_needs, self._lengths)

    def of(self, scope: Scope, name: str) -> Flow | None:
        """The LSTM whose outputs the value is, and how they are arranged."""
        flow: Flow | None = self.values.of(scope, name)
        return flow

    def whole(self, scope: Scope, node: Node) -> Node | None:
        """The LSTM whose outputs are what an LSTM node is given, arranged as it takes them."""
        flow = self.of(scope, node.input(0))
        if flow is None:
            return None
        T, B, last = (_without_ones(flow.sizes, axis) for axis in ("T", "B", "DH"))
        return flow.source if flow.axes == ((B, T, last) if layout(node) else (T, B, last)) else None

    def _needs(self, scope: Scope, name: str) -> Iterable[str]:
        node = scope.made.get(name)
        if node is None or name != node.outputs[0]:
            return ()
        if node.op == "LSTM":
            return node.inputs[:1]  # whose shape it is asked for
        return filter(None, node.inputs[:1] if node.op != "Concat" else node.inputs) if node.op in FOLLOWED else ()

    def _work_out(self, scope: Scope, name: str, inputs: Sequence[Flow | None]) -> Flow | None:
        node = scope.made.get(name)
        if node is None or name != node.outputs[0]:
            return None
        if node.op == "LSTM":
            return self._begin(scope, node) if node in self.hidden else None
        if not inputs or inputs[0] is None or not node.input(0):
            return None
        try:
            if node.op in PASSING:
                return inputs[0]
            if node.op == "Concat":
                return _joined(node, inputs)
            return self._arranged(scope, node, inputs[0])
        except (ValueError, IndexError):
            return None

    def _begin(self, scope: Scope, node: Node) -> Flow:
        directions, units = self.hidden[node]
        shape = self.shape(scope, node.input(0))
        time, batch = shape[:2] if len(shape) == 3 else (f"{node.label}#T", f"{node.label}#B")
        order = "TDBH"
        if layout(node):
            time, batch, order = batch, time, "BTDH"
        sizes: Sizes = (("T", time), ("D", directions), ("B", batch), ("H", units))
        return Flow(node, tuple(_without_ones(sizes, axis) for axis in order), sizes)

    def _arranged(self, scope: Scope, node: Node, flow: Flow) -> Flow | None:
        axes, rank = flow.axes, len(flow.axes)
        if node.op == "Transpose":
            order = node.attribute("perm", "ints")
            order = [*range(rank)][::-1] if order is None else list(order)
            if sorted(order) != [*range(rank)]:
                return None
            return flow._replace(axes=tuple(axes[k] for k in order))
        if node.op == "Slice":
            return _cut(flow, self.constants.slices(scope, node, rank))
        if node.op == "Reshape":
            target = self._target(scope, node)
            return None if target is None else _reshaped(flow, target, bool(node.attribute("allowzero", "i", 0)))
        given = self.constants.axes(scope, node, 1, "axes")
        if given is None:  # a Squeeze of all axes of length 1, whichever those are at run time
            return None
        if node.op == "Squeeze":
            gone = {k % rank for k in given if -rank <= k < rank}
            if len(gone) < len(given) or any(axes[k] for k in gone):
                return None
            return flow._replace(axes=tuple(axis for k, axis in enumerate(axes) if k not in gone))
        rank += len(given)
        new = {k % rank for k in given if -rank <= k < rank}
        if len(new) < len(given):
            return None
        rest = iter(axes)
        return flow._replace(axes=tuple(() if k in new else next(rest) for k in range(rank)))

    def _target(self, scope: Scope, node: Node) -> list[Dim] | None:
        given = node.attribute("shape", "ints")
        if given is not None:
            return list(given)
        lengths: list[Dim] | None = self.lengths.of(scope, node.input(1))
        return lengths

    def shape(self, scope: Scope, name: str) -> tuple[Dim, ...]:
        """The lengths of a value's axes, as numbers or names; empty if it is not known how many there are."""
        scope = scope.home(name)
        flow = self.values.known.get((scope, name))
        if flow is not None:
            sizes = [1 if not axis else flow.size(axis) for axis in flow.axes]
            return tuple(f"{name}#{k}" if size is None else size for k, size in enumerate(sizes))
        if name in scope.shapes:
            return scope.shapes[name]
        node = scope.made.get(name)
        if node and node.op == "Transpose" and (below := scope.home(node.input(0)).shapes.get(node.input(0))):
            order = node.attribute("perm", "ints")
            order = [*range(len(below))][::-1] if order is None else list(order)
            if sorted(order) == [*range(len(below))]:
                return tuple(below[k] for k in order)
        return ()

    def _lengths(self, scope: Scope, name: str, inputs: Sequence[list[Dim] | None]) -> list[Dim] | None:
        """The lengths that a value holds; one that is no list has one."""
        node = scope.made.get(name)
        try:
            if node is None or node.op == "Constant" or name in scope.stored:
                return list(self.constants.numbers(scope, name))
            if node.op == "Shape":
                shape = self.shape(scope, node.input(0))
                start, end = node.attribute("start", "i", 0), node.attribute("end", "i", None)
                return list(shape[start:end]) if shape else None
            if any(each is None for each in inputs) or node.op not in (*LISTED, "Gather", "Slice", "Concat"):
                return None
            lists = [each for each in inputs if each is not None]
            if node.op == "Concat":
                joined = [n for each in lists for n in each]
                return joined if len(joined) <= MOST_LENGTHS else None
            if node.op == "Gather":
                return [lists[0][k] for k in lists[1] if isinstance(k, int)]
            if node.op == "Slice":
                return lists[0][self.constants.slices(scope, node, 1)[0]]
            return lists[0]
        except (ValueError, IndexError, KeyError):
            return None


MOST_LENGTHS = 8
LISTED = ("Identity", "Cast", "Squeeze", "Unsqueeze")


def _length_needs(scope: Scope, name: str) -> Iterable[str]:
    node = scope.made.get(name)
    if node is None:
        return ()
    if node.op in ("Concat", "Gather"):
        return filter(None, node.inputs)
    return filter(None, node.inputs[:1]) if node.op in (*LISTED, "Slice") else ()


def layout(node: Node) -> int:
    """0 if the axis of time is an LSTM's first one, 1 if that of samples is."""
    return int(node.attribute("layout", "i", 0))


def _without_ones(sizes: Sizes, axis: str) -> Axis:
    return tuple(each for each, size in sizes if each in axis and size != 1)  # D is before H in both


def _cut(flow: Flow, slices: dict[int, slice]) -> Flow | None:
    """One of two directions, or all."""
    for k, cut in slices.items():
        axis = flow.axes[k]
        if axis not in ((), ("D",)):
            return None
        left = [*range(2 if axis else 1)][cut]
        if len(left) == 1 and axis:
            flow = flow._replace(axes=(*flow.axes[:k], (), *flow.axes[k + 1 :]), half=left[0])
        elif left != [0, 1][: 2 if axis else 1]:
            return None
    return flow


def _joined(node: Node, flows: Sequence[Flow | None]) -> Flow | None:
    """Two directions that were taken apart, joined again."""
    there, *others = flows
    if there is None or not there.axes or len(others) != 1 or others[0] is None:
        return there if not others else None
    axis = node.attribute("axis", "i", 1) % len(there.axes)
    apart = others[0].half == 1 and others[0]._replace(half=0) == there
    if not apart or there.axes[axis] not in ((), ("H",)):
        return None
    return there._replace(axes=(*there.axes[:axis], ("D", *there.axes[axis]), *there.axes[axis + 1 :]), half=None)


def _reshaped(flow: Flow, target: Sequence[Dim], zeros_are_zeros: bool) -> Flow | None:
    """Axes put together, or ones of length 1 left out; None if something is torn apart, or if that cannot be told."""
    rest = target.index(-1) if -1 in target else len(target)
    if zeros_are_zeros and 0 in target:
        return None
    left, first = _matched(flow, target[:rest], flow.axes)
    if left is None:
        return None
    if rest == len(target):
        return flow._replace(axes=tuple(left)) if not any(flow.axes[first:]) else None
    remaining = [*flow.axes[first:]][::-1]
    right, used = _matched(flow, target[:rest:-1], remaining, turned=True)
    if right is None:
        return None
    middle = tuple(each for axis in remaining[used:][::-1] for each in axis)
    return flow._replace(axes=(*left, middle, *right[::-1]))


def _matched(
    flow: Flow, target: Sequence[Dim], axes: Sequence[Axis], turned: bool = False
) -> tuple[list[Axis] | None, int]:
    """What each of the lengths `target` is made of, and how many of `axes` that takes; None if they do not fit."""
    made: list[Axis] = []
    used = 0
    for k, length in enumerate(target):
        wanted = length
        if length == 0:  # the length of the axis of the same number
            if turned or k >= len(flow.axes):
                return None, 0
            size = 1 if not flow.axes[k] else flow.size(flow.axes[k])
            if size is None:
                return None, 0
            wanted = size
        axis: Axis = ()
        while (flow.size(axis) if axis else 1) != wanted:
            if used == len(axes):
                return None, 0
            axis = (*axes[used], *axis) if turned else (*axis, *axes[used])
            used += 1
        made.append(axis)
    return made, used
