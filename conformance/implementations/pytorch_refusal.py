"""What ``torch.nn.LSTM`` cannot compute, and why.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html.
"""

from __future__ import annotations

from conformance.case import Case
from conformance.implementations.by_layer import Part, parts


def refusal(case: Case) -> str:
    """Why PyTorch cannot compute the case; empty if it can."""
    layers = case.layers
    if len({len(layer.directions) for layer in layers}) > 1:
        return "torch.nn.LSTM has as many directions in every layer"
    for part in parts(case):
        if reason := _refusal_of_layer(part):
            return reason
    if not layers[-1].options.return_sequences and any(not layer.options.return_sequences for layer in layers[:-1]):
        return "a layer that gives its last output alone is no input of another"
    if case.mask is None:
        return ""
    if not right_padding(case):
        return "a PackedSequence is padded at its end, and has no row without a step"
    if layers[-1].options.return_sequences and not layers[-1].options.zero_output_for_mask:
        return "the outputs of a PackedSequence are zero at padding"
    return ""


def _refusal_of_layer(part: Part) -> str:
    layer, params = part.layer, part.layer.params
    if layer.forward is None:
        return "torch.nn.LSTM has no reverse direction alone"
    if len(layer.directions) == 2 and layer.merge != "concat":
        return "torch.nn.LSTM concatenates its directions"
    if params.peephole is not None:
        return "torch.nn.LSTM has no peepholes"
    if params.projection is not None and params.output_size >= params.hidden_size:
        return "torch.nn.LSTM projects to fewer units than it has"
    if not layer.options.plain_cell:
        return "torch.nn.LSTM has no activations to choose, coupled gates or clip"
    if layer.options.go_backwards:
        return "torch.nn.LSTM has no go_backwards"
    if not part.only_between:
        return "torch.nn.LSTM multiplies the output of the layer before, with the same factors for both directions"
    return ""


def right_padding(case: Case) -> bool:
    """Whether the case's mask leaves out steps at the end of rows alone, and in no row all of them."""
    assert case.mask is not None
    return bool((case.mask[:, 1:] <= case.mask[:, :-1]).all() and case.mask[:, :1].all())
