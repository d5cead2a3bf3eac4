"""Reverse mode over NumPy arrays: what was computed is recorded, and differentiated operation by operation.

The tape knows the derivative of each elementary operation and nothing of LSTMs. What its numbers are, and how they are
computed with, is its arithmetic's: floats, intervals, or floats with random roundings; see
`conformance.implementations.arithmetic`.

Every array has a first axis of runs, which never mix. There is one run, except in Monte Carlo arithmetic, where an array that
is the same in all of them may have one there all the same. Arrays of fewer axes are as if they had axes of one behind that of
the runs: a bias (1, 4H) is added to (1, B, T, 4H).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.implementations.arithmetic import Arithmetic, aligned

Pullback = Callable[[Any], Any]
"""From the cotangent of a result to an operand's share of it."""


class Node:
    """An array on a tape: its value, and once the tape was gone back over, its cotangent.

    Attributes
    ----------
    tape : Tape
    value : array (runs, ..) or (1, ..)
    cotangent : array or None
        None where nothing depends on it.
    """

    __slots__ = ("cotangent", "pairs", "parents", "parts", "tape", "value", "varies")
    __array_ufunc__ = None  # array * node is the node's business

    def __init__(self, tape: Tape, value: Any, parents: Sequence[tuple[Node, Pullback]], varies: bool) -> None:
        self.tape, self.value, self.parents, self.varies = tape, value, parents, varies
        self.cotangent: Any = None
        self.parts: Any = None  # what came of parts of it, each in its place
        self.pairs: list[
            tuple[Any, Any]
        ] = []  # of a matrix: what it was multiplied by, and the cotangent of the product

    def __add__(self, other: Node) -> Node:
        return self.tape.plus(self, other)

    def __mul__(self, other: Node) -> Node:
        return self.tape.times(self, other)

    def __matmul__(self, other: Node) -> Node:
        return self.tape.dot(self, other)

    def __rsub__(self, one: int) -> Node:
        return self.tape.less(one, self)

    def __getitem__(self, index: Any) -> Node:
        """A part of it; the index is one of the array with its axis of runs."""
        return self.tape.part(self, index)


class Tape:
    """The operations performed, in order.

    Parameters
    ----------
    arithmetic : Arithmetic, optional
        Floats, of whatever dtype they are, if none is given.
    """

    def __init__(self, arithmetic: Arithmetic | None = None) -> None:
        self.arithmetic = arithmetic or Arithmetic()
        self.nodes: list[Node] = []

    def leaf(self, array: npt.NDArray[Any]) -> Node:
        """An array, without an axis of runs, that the result is to be differentiated by."""
        node = Node(self, self.arithmetic.lifted(array), (), True)
        self.nodes.append(node)
        return node

    def constant(self, array: npt.NDArray[Any]) -> Node:
        """An array, without an axis of runs, that nothing is differentiated by."""
        return Node(self, self.arithmetic.lifted(array), (), False)

    def record(self, value: Any, *parents: tuple[Node, Pullback]) -> Node:
        """A new array, and what each of those that it was made of gets of its cotangent."""
        varying = [parent for parent in parents if parent[0].varies]
        node = Node(self, value, varying, bool(varying))
        if varying:
            self.nodes.append(node)
        return node

    # What is rounded.

    def plus(self, a: Node, b: Node) -> Node:
        """A + b."""
        return self.record(self.arithmetic.plus(*aligned(a.value, b.value)), (a, _same), (b, _same))

    def less(self, one: int, a: Node) -> Node:
        """One - a."""
        return self.record(self.arithmetic.less(one, a.value), (a, lambda g: -g))

    def times(self, a: Node, b: Node) -> Node:
        """A * b, elementwise."""
        left, right = aligned(a.value, b.value)
        times = self.arithmetic.times
        return self.record(times(left, right), (a, lambda g: times(g, right)), (b, lambda g: times(g, left)))

    def dot(self, a: Node, b: Node) -> Node:
        """A @ b, of a matrix b; its cotangent is one sum over all that it was multiplied by, as `backpropagate` makes it."""
        node = self.record(
            self.arithmetic.dot(a.value, b.value), (a, lambda g: self.arithmetic.dot(g, b.value.swapaxes(-1, -2)))
        )
        if b.varies:
            node.parents = [*node.parents, (b, lambda g: b.pairs.append((a.value, g)))]
            if not node.varies:
                node.varies = True
                self.nodes.append(node)
        return node

    def activated(self, name: str, z: Node, place: str = "") -> Node:
        """An activation of z; `place` says where, as one errs alike wherever its argument is alike."""
        arithmetic = self.arithmetic
        a = arithmetic.activated(name, z.value, place)
        return self.record(a, (z, lambda g: arithmetic.through(name, z.value, a, g)))

    # What is exact.

    def part(self, a: Node, index: Any) -> Node:
        """a[index]."""

        def put(g: Any) -> None:
            if a.parts is None:
                a.parts = self.arithmetic.zeros((len(g), *a.value.shape[1:]), a.value.dtype)
            a.parts[index] += g  # not rounded: parts overlap nowhere, so it is added to zeros

        return self.record(a.value[index], (a, put))

    def stacked(self, nodes: Sequence[Node], axis: int) -> Node:
        """Arrays along a new axis."""
        parents = [(node, _taken(index, axis)) for index, node in enumerate(nodes)]
        return self.record(np.stack(_as_many_runs([node.value for node in nodes]), axis), *parents)

    def joined(self, nodes: Sequence[Node]) -> Node:
        """Arrays one behind the other along the last axis."""
        ends = np.cumsum([node.value.shape[-1] for node in nodes])
        parents = [
            (node, _sliced(end - node.value.shape[-1], end)) for node, end in zip(nodes, ends.tolist(), strict=True)
        ]
        return self.record(np.concatenate(_as_many_runs([node.value for node in nodes]), axis=-1), *parents)

    def halved(self, a: Node) -> Node:
        """A / 2."""
        return self.record(a.value / 2, (a, lambda g: g / 2))

    def select(self, mask: npt.NDArray[np.bool_], a: Node, b: Node | None = None) -> Node:
        """Where the mask, without an axis of runs, is true, a, and elsewhere b, or zero."""
        zero = self.arithmetic.zeros((), a.value.dtype)
        value = np.where(mask, a.value, zero if b is None else b.value)
        there = (a, lambda g: np.where(mask, g, zero))
        return (
            self.record(value, there)
            if b is None
            else self.record(value, there, (b, lambda g: np.where(mask, zero, g)))
        )

    def clipped(self, z: Node, bound: float) -> Node:
        """Z cut to [-bound, bound]."""
        inside = self.arithmetic.inside(z.value, bound)
        value = np.where(inside, z.value, self.arithmetic.sign(z.value) * bound)
        return self.record(value, (z, lambda g: np.where(inside, g, self.arithmetic.zeros((), g.dtype))))

    # What only a wrong program does.

    def valued(self, a: Node, gradient: Node) -> Node:
        """The value of `a`; its cotangent goes to `gradient`, which is of the same shape."""
        return self.record(a.value, (gradient, _same))

    def passed(self, a: Node, change: Pullback) -> Node:
        """The value of `a`, which gets what `change` makes of the cotangent."""
        return self.record(a.value, (a, change))

    def backpropagate(self, seeds: Iterable[tuple[Node, npt.NDArray[Any]]]) -> None:
        """Give arrays cotangents, which are without an axis of runs, and carry them to all that these were made of."""
        for node, cotangent in seeds:
            self._add(node, self.arithmetic.lifted(cotangent))
        for node in reversed(self.nodes):
            g = self._gathered(node)
            if g is not None:
                for parent, pullback in node.parents:
                    self._add(parent, pullback(g))

    def _add(self, node: Node, g: Any) -> None:
        if g is None:  # it is in `parts` or `pairs` already
            return
        if g.shape[1:] != node.value.shape[1:]:
            g = self.arithmetic.summed(g, node.value.shape)
        node.cotangent = g if node.cotangent is None else self.arithmetic.plus(node.cotangent, g)

    def _gathered(self, node: Node) -> Any:
        """The whole cotangent of an array."""
        if node.parts is not None:
            self._add(node, node.parts)
        if node.pairs:
            rows = ([a.reshape(len(a), -1, a.shape[-1]) for a in side] for side in zip(*node.pairs, strict=True))
            left, right = (np.concatenate(_as_many_runs(side), axis=1) for side in rows)
            self._add(node, self.arithmetic.dot(left.swapaxes(1, 2), right))
        node.parts, node.pairs = None, []
        return node.cotangent


def _same(g: Any) -> Any:
    return g


def _taken(index: int, axis: int) -> Pullback:
    return lambda g: g.take(index, axis)


def _sliced(start: int, end: int) -> Pullback:
    return lambda g: g[..., start:end]


def _as_many_runs(arrays: Iterable[Any]) -> list[Any]:
    """The same arrays, all with as many runs as any of them has."""
    arrays = list(arrays)
    runs = max(len(array) for array in arrays)
    return [array if len(array) == runs else np.broadcast_to(array, (runs, *array.shape[1:])) for array in arrays]
