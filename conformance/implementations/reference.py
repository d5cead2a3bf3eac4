"""`lstm_ref` as an implementation: the first candidate, never an oracle."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from conformance.case import Case, Result
from conformance.implementations.prepared import Prepared
from lstm_ref import Gradients, Network, Run
from lstm_ref.gradients import States
from lstm_ref.params import FloatArray


def compute(case: Case) -> Result:
    """Forward and backward pass of the NumPy reference."""
    network = Network(case.layers)
    run = network.forward(case.x, (case.h0, case.c0), case.mask, dropout=case.dropout or None)
    gradients = network.backward(run, case.d_output, case.d_h, case.d_c)
    return _result(run.output, run.h, run.c) | _gradients(case, gradients)


def prepared(case: Case, backward: bool) -> Prepared:
    """The forward pass without a tape, or the forward and the backward pass."""
    network, state, dropout = Network(case.layers), (case.h0, case.c0), case.dropout or None

    def inference() -> tuple[FloatArray, tuple[States, States]]:
        return network(case.x, state, case.mask, dropout=dropout)

    def training() -> tuple[Run, Gradients]:
        run = network.forward(case.x, state, case.mask, dropout=dropout)
        return run, network.backward(run, case.d_output, case.d_h, case.d_c)

    def of_training(given: tuple[Run, Gradients]) -> Result:
        run, gradients = given
        return _result(run.output, run.h, run.c) | _gradients(case, gradients)

    if backward:
        return Prepared(training, of_training)
    return Prepared(inference, lambda given: _result(given[0], *given[1]))


def _result(output: FloatArray, h: States, c: States) -> dict[str, FloatArray]:
    return {"output": output} | _states("h", h) | _states("c", c)


def _gradients(case: Case, gradients: Gradients) -> dict[str, FloatArray]:
    result = {"d_x": gradients.d_x} | _states("d_h0", gradients.d_h0) | _states("d_c0", gradients.d_c0)
    for k, layer in enumerate(gradients.layers):
        for direction, of_weights in _given(layer).items():
            prefix = "" if case.single else f"layers.{k}.{direction}."
            result |= {prefix + name: gradient for name, gradient in _given(of_weights).items()}
    return result


def _states(name: str, states: States) -> dict[str, FloatArray]:
    """By their names in a result: of each layer, where widths differ."""
    if isinstance(states, list):
        return {f"layers.{k}.{name}": each for k, each in enumerate(states)}
    return {name: states}


def _given(gradients: Any) -> dict[str, Any]:
    """What is not None of a dataclass, by name."""
    every = {field.name: getattr(gradients, field.name) for field in fields(gradients)}
    return {name: value for name, value in every.items() if value is not None}
