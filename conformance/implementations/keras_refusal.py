"""What Keras's layers cannot compute, and why.

Source: https://keras.io/api/layers/recurrent_layers/lstm/ and .../bidirectional/.
"""

from __future__ import annotations

from conformance.case import Case
from conformance.implementations.by_layer import Part, parts


def refusal(case: Case) -> str:
    """Why Keras cannot compute the case; empty if it can."""
    for part in parts(case):
        if reason := _refusal_of_layer(part):
            return reason
    if any(not layer.options.return_sequences for layer in case.layers[:-1]):
        return "a layer that gives its last output alone is no input of another"
    return ""


def _refusal_of_layer(part: Part) -> str:
    layer, params, options = part.layer, part.layer.params, part.layer.options
    if layer.forward is None:
        return "Keras has no layer that reads from the end and gives its outputs in the order of its input"
    if params.projection is not None or params.peephole is not None:
        return "keras.layers.LSTM has neither projections nor peepholes"
    if options.of_output != options.activation:
        return "keras.layers.LSTM has one activation for the candidate and for the cell on its way out"
    if options.coupled_gates or options.clip is not None:
        return "keras.layers.LSTM has neither coupled gates nor clip"
    if part.between is None and any(
        given.input is not None and given.input.ndim == 3 for given in part.dropout.values()
    ):
        return "keras.layers.Dropout in front of a layer is for both of its directions"
    return ""
