"""onnx's reference evaluator as an implementation: NumPy, in both dtypes, forward only; see `conformance.implementations.onnx`."""

from __future__ import annotations

from conformance.implementations.onnx import compute_by_evaluator as compute
from conformance.implementations.onnx import refusal_by_evaluator as refusal

__all__ = ["compute", "refusal"]
