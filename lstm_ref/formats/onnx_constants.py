"""Values of an ONNX graph that are always the same: stored tensors, and what a few nodes that only arrange numbers make of them.

Sources: https://onnx.ai/onnx/operators of the nodes in `ARRANGING`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lstm_ref.formats.onnx_graph import Node, Scope, Values
from lstm_ref.formats.onnx_tensors import TYPES, of_array, shown, stored, unread
from lstm_ref.formats.stored import WIDENED, StoredTensor, as_weights

MOST_NUMBERS = 64
"""Of axes, starts and so on."""
MOST_STEPS = 200
"""How many nodes may come together in one tensor."""

Array: TypeAlias = np.ndarray[Any, Any]
Arranged: TypeAlias = tuple[str, tuple[int, ...], Callable[[list[Array]], Array]]
"""What a node makes: dtype, shape, and how its numbers come from its inputs'."""
Known: TypeAlias = tuple[StoredTensor, int, bool]
"""A tensor, the number of nodes that it takes, and whether it is a default that may be replaced."""


class Constants:
    """The tensor that a value always is, if it is one.

    Only their shapes are worked out at once; the numbers when they are read.
    """

    def __init__(self, path: Path, every: Sequence[Scope]) -> None:
        self.path = path
        self.values = Values(path, self._needs, self._work_out)
        self.limit = (1 << 20) + 4 * sum(_bytes(tensor) for scope in every for tensor in scope.stored.values())

    def of(self, scope: Scope, name: str) -> StoredTensor:
        """The tensor, or one with a `problem` if the value is not constant or cannot be had."""
        tensor: StoredTensor = self.values.of(scope, name)[0]
        return tensor

    def replaceable(self, scope: Scope, name: str) -> bool:
        """Whether the tensor is, or is made of, the default of an input of the graph."""
        return bool(self.values.of(scope, name)[2])

    def numbers(self, scope: Scope, name: str) -> list[int]:
        """The whole numbers, of a constant that has few.

        Raises
        ------
        ValueError
            If the value is none.
        """
        tensor = self.of(scope, name)
        if tensor.problem or tensor.dtype not in ("int64", "int32") or prod(tensor.shape) > MOST_NUMBERS:
            raise ValueError(f"{shown(name)} is no constant of a few whole numbers")
        return [int(n) for n in tensor.read().reshape(-1)]

    def axes(self, scope: Scope, node: Node, number: int, attribute: str) -> list[int] | None:
        """Whole numbers that old opsets have in an attribute and newer ones in an input; None if they are left out.

        Raises
        ------
        ValueError
            If they are not constant.
        """
        given = node.attribute(attribute, "ints")
        if given is not None:
            return [int(n) for n in given[: MOST_NUMBERS + 1]]
        name = node.input(number)
        return self.numbers(scope, name) if name else None

    def slices(self, scope: Scope, node: Node, rank: int) -> dict[int, slice]:
        """Axis to slice, of a Slice node.

        Raises
        ------
        ValueError
            If they are not constant, or not of the input's axes.
        """
        given = [self.axes(scope, node, number, name) for number, name in enumerate(("starts", "ends", "axes"), 1)]
        starts, ends = given[0], given[1]
        if starts is None or ends is None:
            raise ValueError("it has no starts or ends")
        axes = [*range(len(starts))] if given[2] is None else given[2]
        steps = self.numbers(scope, node.input(4)) if node.input(4) else [1] * len(starts)
        result: dict[int, slice] = {}
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            if not -rank <= axis < rank or step == 0 or axis % rank in result:
                raise ValueError("it cuts an axis that there is not, or one twice")
            result[axis % rank] = slice(start, end, step)
        return result

    def _needs(self, scope: Scope, name: str) -> Iterable[str]:
        node = scope.made.get(name)
        return filter(None, node.inputs) if node and node.op in ARRANGING else ()

    def _work_out(self, scope: Scope, name: str, inputs: Sequence[Known]) -> Known:
        if name in scope.stored:
            return scope.stored[name], 0, name in scope.given
        node = scope.made.get(name)
        if node is None:
            whose = "an input of the graph" if name in scope.given else "made by nothing in the file"
            return unread(f"is {whose}, expected stored numbers"), 0, False
        steps = 1 + sum(taken for _, taken, _ in inputs)
        tensors = [tensor for tensor, _, _ in inputs]
        try:
            if node.op == "Constant":
                return _constant(node, self.path), 0, False
            if node.op == "Identity" and inputs:
                return inputs[0]
            return self._arranged(scope, node, tensors, steps), steps, any(default for _, _, default in inputs)
        except (ValueError, IndexError, TypeError, OverflowError) as error:
            reason = (
                f"is computed by the node {node.label!r} ({node.op[:40]}), which cannot be followed: {str(error)[:200]}"
            )
            return unread(reason), 0, False

    def _arranged(self, scope: Scope, node: Node, tensors: list[StoredTensor], steps: int) -> StoredTensor:
        if node.op not in ARRANGING:
            return unread(
                f"is computed by the node {node.label!r} ({node.op[:40]}), expected stored numbers. Let onnxruntime fold the "
                "model's constants and save it"
            )
        if unknown := next((tensor for tensor in tensors if tensor.problem), None):
            return unknown
        if not node.input(0):
            raise ValueError("it has no input")
        dtype, shape, numbers = ARRANGING[node.op](self, scope, node, tensors)
        if steps > MOST_STEPS:
            raise ValueError(f"it is made in more than {MOST_STEPS} steps")
        if _size(dtype, shape) > self.limit or len(shape) > MOST_NUMBERS:
            raise ValueError("it is larger than what the file holds")
        return StoredTensor(dtype, shape, lambda: numbers([tensor.read() for tensor in tensors]))


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return prod(shape) * (8 if dtype.endswith("64") else 4)


def _bytes(tensor: StoredTensor) -> int:
    return 0 if tensor.problem else _size(tensor.dtype, tensor.shape)


def _constant(node: Node, path: Path) -> StoredTensor:
    tensor = node.attribute("value", "t")
    if tensor is not None:
        return stored(tensor, path)
    for name, kind, dtype in (("value_float", "f", "f4"), ("value_int", "i", "i8")):
        if (value := node.attribute(name, kind)) is not None:
            return of_array(np.array(value, dtype))
    for name, kind, dtype in (("value_floats", "floats", "f4"), ("value_ints", "ints", "i8")):
        if (value := node.attribute(name, kind)) is not None:
            return of_array(np.fromiter(value, dtype, len(value)))
    return unread("is a constant that is sparse, or of words")


def _viewed(tensor: StoredTensor, view: Callable[[Array], Array]) -> Arranged:
    """What a function makes that gives a view of an array, whatever its numbers."""
    shape = view(np.broadcast_to(np.zeros((), np.int8), tensor.shape)).shape
    return tensor.dtype, shape, lambda arrays: view(arrays[0])


def _cast(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    dtype = TYPES.get(node.attribute("to", "i", 0), ("",))[0]
    if dtype not in WIDENED or dtype == "bfloat16" or inputs[0].dtype not in WIDENED:
        raise ValueError(f"it makes {dtype or 'other numbers'} of {inputs[0].dtype}")
    return dtype, inputs[0].shape, lambda _: as_weights(inputs[0]).astype(dtype)


def _transpose(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    given = node.attribute("perm", "ints")
    order = None if given is None else list(given)
    return _viewed(inputs[0], lambda array: array.transpose(order))


def _squeeze(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    axes = constants.axes(scope, node, 1, "axes")
    return _viewed(inputs[0], lambda array: array.squeeze(None if axes is None else tuple(axes)))


def _unsqueeze(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    axes = constants.axes(scope, node, 1, "axes")
    if axes is None:
        raise ValueError("it has no axes")
    return _viewed(inputs[0], lambda array: np.expand_dims(array, tuple(axes)))


def _slice(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    rank = len(inputs[0].shape)
    cut = constants.slices(scope, node, rank)
    place = tuple(cut.get(k, slice(None)) for k in range(rank))
    return _viewed(inputs[0], lambda array: array[place])


def _reshape(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    target = constants.axes(scope, node, 1, "shape")
    shape = inputs[0].shape
    if target is None:
        raise ValueError("it has no shape")
    if not node.attribute("allowzero", "i", 0):
        target = [n or shape[k] for k, n in enumerate(target)]
    count, rest = prod(shape), prod(n for n in target if n != -1)
    if target.count(-1) == 1 and rest > 0 and count % rest == 0:
        target[target.index(-1)] = count // rest
    if min(target, default=0) < 0 or prod(target) != count:
        raise ValueError(f"it makes the shape {tuple(target)} of {shape}")
    return inputs[0].dtype, tuple(target), lambda arrays: arrays[0].reshape(target)


def _concat(constants: Constants, scope: Scope, node: Node, inputs: list[StoredTensor]) -> Arranged:
    shapes = [tensor.shape for tensor in inputs]
    rank = len(shapes[0])
    axis = node.attribute("axis", "i", 1)  # opset 1 has a default, the others always an axis
    if len({tensor.dtype for tensor in inputs}) > 1 or not -rank <= axis < rank:
        raise ValueError("its inputs are of different types, or lack its axis")
    axis %= rank
    if len({(*shape[:axis], "any", *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"its inputs have the shapes {', '.join(map(str, shapes[:9]))}")
    shape = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    return inputs[0].dtype, shape, lambda arrays: np.concatenate(arrays, axis)


ARRANGING: dict[str, Callable[[Constants, Scope, Node, list[StoredTensor]], Arranged]] = {
    "Identity": lambda constants, scope, node, inputs: _viewed(inputs[0], lambda array: array),
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Slice": _slice,
}
