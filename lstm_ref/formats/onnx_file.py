"""ONNX models, parsed by the onnx package; nothing in them is run.

Source: https://onnx.ai/onnx/repo-docs/IR.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstm_ref.errors import CorruptFileError, MissingPackageError, UnsafeFileError
from lstm_ref.formats import onnx_graph, onnx_tensors, onnx_wire
from lstm_ref.formats.stored import Contents

BASE, TIMES = 24e6, 2.5
"""How many bytes of memory protobuf may take for a file: so many, and its size so many times."""


def read(path: Path, data: bytes) -> Contents:
    """The model's stored tensors, and its graphs for `onnx_names`."""
    try:
        import onnx
        from google.protobuf.message import DecodeError  # protobuf comes with onnx
    except ImportError as error:
        raise MissingPackageError(
            f"{path} is an ONNX model; reading it needs onnx: pip install 'lstm-conformance[onnx]'"
        ) from error

    limit = BASE + TIMES * len(data)
    try:
        weight = onnx_wire.weight(data, onnx.ModelProto.DESCRIPTOR, limit)
        model: Any = None if weight > limit else onnx.ModelProto.FromString(data)
    except (onnx_wire.NotProtobufError, DecodeError) as error:
        raise CorruptFileError(f"{path} begins like an ONNX model, and is damaged or incomplete: {error}.") from error
    if model is None:
        raise UnsafeFileError(
            f"{path}: this ONNX model of {len(data)} bytes has so many small parts that it would take more than "
            f"{limit / 1e6:.0f} MB of memory."
        )
    onnx_tensors.resolved.cache_clear()  # a link may lead elsewhere since the last call
    scopes = onnx_graph.scopes(model, path)
    tensors = {f"{s.path}/{name}" if s.path else name: tensor for s in scopes for name, tensor in s.stored.items()}
    old = model.ir_version < 4  # then every tensor had to be an input as well
    return Contents(path, "ONNX model", "onnx", tensors, config={"scopes": scopes, "defaults are inputs": old})
