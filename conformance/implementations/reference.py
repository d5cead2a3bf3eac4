"""`lstm_ref` as an implementation: the first candidate, never an oracle."""

from __future__ import annotations

from conformance.case import GRADIENTS, Case, Result
from conformance.implementations.prepared import Prepared
from lstm_ref import Network
from lstm_ref.network import Run
from lstm_ref.params import FloatArray
from lstm_ref.sequence import Gradients


def compute(case: Case) -> Result:
    """Forward and backward pass of the NumPy reference."""
    network = Network(case.params)
    run = network.forward(case.x, (case.h0, case.c0), mask=case.mask)
    return _result((run, network.backward(run, case.d_output, case.d_h, case.d_c)))


def prepared(case: Case, backward: bool) -> Prepared:
    """The forward pass without a tape, or the forward and the backward pass."""
    network, state = Network(case.params), (case.h0, case.c0)

    def inference() -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        return network(case.x, state)

    def training() -> tuple[Run, Gradients]:
        run = network.forward(case.x, state)
        return run, network.backward(run, case.d_output, case.d_h, case.d_c)

    if backward:
        return Prepared(training, _result)
    return Prepared(inference, lambda given: {"output": given[0], "h": given[1][0], "c": given[1][1]})


def _result(given: tuple[Run, Gradients]) -> Result:
    run, gradients = given
    result = {"output": run.output, "h": run.h, "c": run.c}
    result |= {name: getattr(gradients, name) for name in GRADIENTS}
    return {name: array for name, array in result.items() if array is not None}
