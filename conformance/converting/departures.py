"""What a network has that not every framework has a word for, and a network without it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lstm_ref import Layer, Network, Options
from lstm_ref.activations import ACTIVATIONS

OPTIONAL = ("peephole", "clip", "coupled_gates", "activations", "merge", "go_backwards")
"""What can be left out: weights remain that are an LSTM's, and other numbers come out."""
UNSEEN = {
    "zero_output_for_mask": "What masked steps give is not in the file: {}.",
    "return_sequences": "That the last output alone is given is not in the file, which gives all of them.",
}
"""What changes no number that the file's LSTM gives, but which of them are shown."""


def departures(network: Network) -> dict[str, str]:
    """Name to description of what the plain LSTM of PyTorch or Keras, in one or both directions, has not."""
    found: dict[str, str] = {}
    sizes = {(layer.hidden_size, layer.state_size) for layer in network.layers}
    if len(sizes) > 1:
        found["sizes"] = "layers of different sizes"
    if len({tuple(layer.directions) for layer in network.layers}) > 1:
        found["directions"] = "layers of different directions"
    for k, layer in enumerate(network.layers):
        for name, description in _of_layer(layer):
            found.setdefault(name, f"{description} (layer {k})")
    return found


def _of_layer(layer: Layer) -> list[tuple[str, str]]:
    options, params = layer.options, layer.params
    found = []
    if params.projection is not None:
        found.append(("projection", f"a projection to {params.output_size} units"))
    if any(of.peephole is not None for of in layer.directions.values()):
        found.append(("peephole", "peepholes"))
    if options.clip is not None:
        found.append(("clip", f"clip={options.clip:g}"))
    if options.coupled_gates:
        found.append(("coupled_gates", "coupled gates"))
    names = options.recurrent_activation, options.activation, options.of_output
    if names != ("sigmoid", "tanh", "tanh"):
        found.append(("activations", f"activations {', '.join(names)}"))
    if len(layer.directions) == 2 and layer.merge != "concat":
        found.append(("merge", f"merge={layer.merge!r}"))
    if options.go_backwards:
        found.append(("go_backwards", "go_backwards"))
    if layer.forward is None:
        found.append(("reverse", "a reverse direction alone"))
    if options.zero_output_for_mask:
        found.append(("zero_output_for_mask", "zeros"))
    if not options.return_sequences:
        found.append(("return_sequences", "the last output alone"))
    return found


def without(network: Network, names: Collection[str]) -> Network:
    """The network without what is named.

    Raises
    ------
    LSTMError
        If its layers do not fit together any more.
    """
    return Network([_without(layer, names) for layer in network.layers])


def _without(layer: Layer, names: Collection[str]) -> Layer:
    plain = {
        "clip": ("clip",),
        "coupled_gates": ("coupled_gates",),
        "activations": ("activation", "recurrent_activation", "output_activation"),
        "go_backwards": ("go_backwards",),
        "zero_output_for_mask": ("zero_output_for_mask",),
        "return_sequences": ("return_sequences",),
    }
    fields = {field: getattr(Options(), field) for name in names for field in plain.get(name, ())}
    there, back = layer.forward, layer.reverse
    if "peephole" in names:
        there, back = (params and replace(params, peephole=None) for params in (there, back))
    return Layer(there, back, "concat" if "merge" in names else layer.merge, replace(layer.options, **fields))


def activations(layer: Layer) -> set[str]:
    """The names of a layer's activations."""
    options = layer.options
    return {options.recurrent_activation, options.activation, options.of_output} & ACTIVATIONS.keys()
