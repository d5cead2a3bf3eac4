"""`lstm_ref` as an implementation: the first candidate, never an oracle."""

from __future__ import annotations

from conformance.case import GRADIENTS, Case, Result
from lstm_ref import Network


def compute(case: Case) -> Result:
    """Forward and backward pass of the NumPy reference."""
    network = Network(case.params)
    run = network.forward(case.x, (case.h0, case.c0), mask=case.mask)
    gradients = network.backward(run, case.d_output, case.d_h, case.d_c)
    result = {"output": run.output, "h": run.h, "c": run.c}
    result |= {name: getattr(gradients, name) for name in GRADIENTS}
    return {name: array for name, array in result.items() if array is not None}
