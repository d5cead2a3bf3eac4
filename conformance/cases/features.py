"""What a case asks for beyond the plain LSTM, by name."""

from __future__ import annotations

from conformance.case import Case

FEATURES: dict[str, str] = {
    "stacked": "Several layers, each on the output of the one before it.",
    "widths": "Layers of different widths, whose states are in no single array.",
    "bidirectional": "A layer that reads the sequence in both directions.",
    "merge": "Two directions whose outputs are added, multiplied, averaged or both given, rather than joined.",
    "reverse": "A layer that reads from the end alone, and gives its outputs in the order of its input.",
    "backwards": "A layer that reads from the end and gives its outputs in the order in which they were made.",
    "mask": "Steps that do not count: they hold the state and repeat the output.",
    "zero-output": "Steps that do not count give zeros instead.",
    "last-output": "The last output alone is given.",
    "projection": "The hidden state is multiplied by a matrix, and is of another size than the cell state.",
    "peephole": "The gates i, f and o see the cell state.",
    "activations": "Another activation than sigmoid for the gates, or than tanh for the candidate or the output.",
    "coupled": "The forget gate is 1 minus the input gate.",
    "clip": "The gates' and the candidate's arguments are cut off.",
    "dropout": "Inputs or hidden states are multiplied by given factors.",
}
"""Feature to what it is. A case that has none is plain: one layer, in one direction, no options."""

NEEDS = {"widths": "stacked", "merge": "bidirectional", "zero-output": "mask"}
"""Feature to the one that it never goes without."""


def features(case: Case) -> frozenset[str]:
    """The names of what a case asks for beyond the plain LSTM; none of a plain case."""
    options = [layer.options for layer in case.layers]
    directions = [tuple(layer.directions) for layer in case.layers]
    merges = [layer.merge for layer in case.layers if len(layer.directions) == 2]
    params = [params for layer in case.layers for params in layer.directions.values()]
    plain = ("tanh", "sigmoid", "tanh")
    factors = [factors for of_layer in case.dropout for factors in of_layer.values()]
    found = {
        "stacked": len(case.layers) > 1,
        "widths": not case.uniform,
        "bidirectional": bool(merges),
        "merge": any(merge != "concat" for merge in merges),
        "reverse": ("reverse",) in directions,
        "backwards": any(o.go_backwards for o in options),
        "mask": case.mask is not None,
        "zero-output": any(o.zero_output_for_mask for o in options),
        "last-output": any(not o.return_sequences for o in options),
        "projection": any(p.projection is not None for p in params),
        "peephole": any(p.peephole is not None for p in params),
        "activations": any((o.activation, o.recurrent_activation, o.of_output) != plain for o in options),
        "coupled": any(o.coupled_gates for o in options),
        "clip": any(o.clip is not None for o in options),
        "dropout": any(f.input is not None or f.recurrent is not None for f in factors),
    }
    return frozenset(name for name, there in found.items() if there)
