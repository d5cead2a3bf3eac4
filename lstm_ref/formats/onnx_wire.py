"""ONNX files as bytes: whether a file is one, and how much memory its parts take, before protobuf makes objects of them.

Sources: https://protobuf.dev/programming-guides/encoding and onnx/onnx.proto.
"""

from __future__ import annotations

from typing import Any, TypeAlias

VARINT, WIDE, SIZED, NARROW = 0, 1, 2, 5
MODEL = {
    1: VARINT,
    2: SIZED,
    3: SIZED,
    4: SIZED,
    5: VARINT,
    6: SIZED,
    7: SIZED,
    8: SIZED,
    14: SIZED,
    20: SIZED,
    25: SIZED,
}
"""Of a ModelProto's fields, each one's number and how it is written; 7 is the graph."""
FIRST_BYTES = {number << 3 | kind for number, kind in MODEL.items() if number < 16}
"""What a model can begin with; an ONNX file has no other mark."""
GRAPH = 7
MOST_FIELDS = 100_000
"""Of a model's own fields: opsets, properties and functions."""

A_MESSAGE, A_VALUE, A_PACKED_BYTE = 200, 32, 16
"""Bytes that protobuf takes for each, measured with protobuf 7 and rounded up: an empty node is 2 bytes in a file."""

Plan: TypeAlias = dict[int, tuple[str, Any]]


class NotProtobufError(ValueError):
    """The bytes are no message of protobuf's."""


def is_model(data: bytes) -> bool:
    """Whether the bytes are a model with a graph, as far as its own fields tell."""
    position, graph = 0, False
    try:
        for _ in range(MOST_FIELDS):
            if position == len(data):
                return graph
            number, kind, _, position = _field(data, position, len(data))
            if MODEL.get(number) != kind:
                return False
            graph = graph or number == GRAPH
    except NotProtobufError:
        pass
    return False


def weight(data: bytes, descriptor: Any, limit: float) -> float:
    """Bytes of memory that protobuf takes for the message; it stops to count above `limit`.

    Parameters
    ----------
    data : bytes
    descriptor : google.protobuf.descriptor.Descriptor
        The message's.
    limit : float

    Raises
    ------
    NotProtobufError
        If the bytes are not such a message, or its messages lie in one another more deeply than protobuf follows.
    """
    plans: dict[str, Plan] = {}
    total, position = 0.0, 0
    ends = [(len(data), _plan(descriptor, plans))]
    while ends and total <= limit:
        end, plan = ends[-1]
        if position == end:
            ends.pop()
            continue
        number, kind, start, position = _field(data, position, end)
        meaning, inner = plan.get(number, ("", None))
        total += A_VALUE
        if kind != SIZED:
            continue
        if meaning == "message":
            total += A_MESSAGE
            ends.append((position, _plan(inner, plans)))
            position = start
            if len(ends) > 100:
                raise NotProtobufError("its parts lie in one another more than 100 deep")
        else:
            total += (position - start) * (A_PACKED_BYTE if meaning == "packed" else 1)
    return total


def _field(data: bytes, position: int, end: int) -> tuple[int, int, int, int]:
    """Of the field at `position`: its number, how it is written, where its value begins, and where it ends."""
    key, position = _varint(data, position, end)
    number, kind = key >> 3, key & 7
    if kind == VARINT:
        _, after = _varint(data, position, end)
    elif kind == SIZED:
        size, position = _varint(data, position, end)
        after = position + size
    elif kind in (WIDE, NARROW):
        after = position + (8 if kind == WIDE else 4)
    else:
        raise NotProtobufError(f"a field of kind {kind} at byte {position}")
    if after > end or not number:
        raise NotProtobufError(f"a field at byte {position} that does not end where it should")
    return number, kind, position, after


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    if position < end and data[position] < 128:  # most are that small
        return data[position], position + 1
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise NotProtobufError(f"a number at byte {position} without an end")


def _plan(descriptor: Any, plans: dict[str, Plan]) -> Plan:
    """Which fields of a message hold messages, and which many numbers in few bytes."""
    if descriptor.full_name not in plans:
        plan: Plan = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                plan[field.number] = ("message", field.message_type)
            elif field.type not in (field.TYPE_STRING, field.TYPE_BYTES):
                wide = field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE)
                plan[field.number] = ("floats" if wide else "packed", None)
        plans[descriptor.full_name] = plan
    return plans[descriptor.full_name]
