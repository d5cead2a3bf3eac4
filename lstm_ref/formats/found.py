"""The LSTMs among a file's named tensors: which tensors belong together, and the network that they make up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lstm_ref.formats import keras_names, onnx_names, torch_names
from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import WIDENED, Contents, StoredTensor, as_weights
from lstm_ref.layer import Layer
from lstm_ref.options import PLAIN, Options
from lstm_ref.params import FloatArray, LSTMParams, from_cudnn_keras, from_onnx, from_torch


@dataclass(frozen=True)
class PartInfo:
    """One layer in one direction; `lstm_ref.load` takes its name.

    Attributes
    ----------
    name : str
    layer : int
        From 0.
    direction : str
        "forward" or "reverse".
    input_size, hidden_size : int
        D and H.
    bias : bool
    dtype : str
        As stored; float16 and bfloat16 are loaded as float32.
    unsupported : str
        Why it cannot be loaded; empty when it can.
    projection : int
        P, the units that the hidden state is projected to; 0 without a projection.
    peephole : bool
    options : Options
        What departs from the plain LSTM, by what the file says.
    merge : str or None
        How the layer's two directions become one, where it has two.
    """

    name: str
    layer: int
    direction: str
    input_size: int
    hidden_size: int
    bias: bool
    dtype: str
    unsupported: str
    projection: int = 0
    peephole: bool = False
    options: Options = PLAIN
    merge: str | None = "concat"

    @property
    def output_size(self) -> int:
        """The number of units of the hidden state: P with a projection, else H."""
        return self.projection or self.hidden_size


@dataclass(frozen=True)
class LSTMInfo:
    """One LSTM of a file.

    Attributes
    ----------
    name : str
        What `lstm_ref.load` takes; empty for the weights of a bare module at the file's top level.
    path : str
        Where it lies in the file, if that is something else than its name.
    format : str
        The file's format, for people.
    parts : tuple of PartInfo
        Every layer and direction, in PyTorch's order: layer by layer, forward before reverse.
    remarks : tuple of str
        What to know or to do besides, as sentences: a state that the layer keeps, what the file leaves open.
    unsupported : str
        Why this LSTM cannot be loaded as a whole; empty when it can.
    assumed : bool
        Whether the file has the weights alone: activations, direction of reading, merge and what is returned are then taken
        to be the library's defaults, with a warning, or what `lstm_ref.load` is told.
    undescribed : bool
        Whether the file has a configuration that leaves this LSTM out, as that of a model of one's own class does. It loads
        only with what `lstm_ref.load` is told.
    """

    name: str
    path: str
    format: str
    parts: tuple[PartInfo, ...]
    remarks: tuple[str, ...] = ()
    unsupported: str = ""
    assumed: bool = False
    undescribed: bool = False

    @property
    def layers(self) -> int:
        """How many layers are stacked."""
        return len({part.layer for part in self.parts})

    @property
    def directions(self) -> tuple[str, ...]:
        """("forward",), ("reverse",) or both."""
        return tuple(sorted({part.direction for part in self.parts}))

    @property
    def input_size(self) -> int:
        """D of the first layer."""
        return self.parts[0].input_size

    @property
    def hidden_size(self) -> int:
        """H of the first layer."""
        return self.parts[0].hidden_size

    @property
    def bias(self) -> bool:
        """Whether the first layer has a bias."""
        return self.parts[0].bias

    @property
    def dtype(self) -> str:
        """The first layer's dtype as stored."""
        return self.parts[0].dtype


@dataclass(frozen=True)
class Found:
    """An LSTM's description, and what its layers are made of.

    Attributes
    ----------
    info : LSTMInfo
    groups : dict of str to Group
        Part's name to its tensors.
    """

    info: LSTMInfo
    groups: dict[str, Group]

    def part(self, name: str) -> LSTMParams:
        """The weights of one part."""
        return _params(self.groups[name].tensors)

    def layers(self, options: Options | None = None, merge: str | None = "concat") -> list[Layer]:
        """The whole LSTM, in the widest dtype that one of its weights is stored in.

        Where the file does not tell how it computes, `options` and `merge` do; what is about the sequence as a whole goes to
        the first layer, and what is about the output to the last.
        """
        by_layer: dict[int, list[str]] = {}
        for part in self.info.parts:
            by_layer.setdefault(part.layer, []).append(part.name)
        layers = []
        for names in by_layer.values():
            weights = {"reverse" if self.groups[name].reverse else "forward": self.part(name) for name in names}
            layers.append(_layer(weights, self.groups[names[0]]))
        if options is not None:
            between = replace(options, return_sequences=True, zero_output_for_mask=False)
            each = [between] * (len(layers) - 1) + [options]
            each = [replace(o, go_backwards=options.go_backwards and k == 0) for k, o in enumerate(each)]
            layers = [Layer(a.forward, a.reverse, merge, o) for a, o in zip(layers, each, strict=True)]
        widest = np.result_type(*(layer.dtype for layer in layers))
        return [layer.astype(widest) for layer in layers]


def _layer(weights: dict[str, LSTMParams], group: Group) -> Layer:
    """The layer of the weights of its directions; `group` is one of them, and says what is the same for both."""
    if len(weights) == 1 and group.options.go_backwards:  # its outputs stay in the order that they were made in
        weights = {"forward": next(iter(weights.values()))}
    widest = np.result_type(*(params.dtype for params in weights.values()))
    there, back = (weights[d].astype(widest) if d in weights else None for d in ("forward", "reverse"))
    return Layer(there, back, group.merge, group.options)


def find_lstms(contents: Contents) -> list[Found]:
    """Every LSTM in the contents, in the file's order."""
    if contents.convention == "torch":
        groups = torch_names.groups(contents)
    elif contents.convention == "onnx":
        groups = onnx_names.groups(contents)
    else:
        groups = keras_names.groups(contents)
    by_lstm: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        by_lstm.setdefault((group.lstm, group.alias), []).append(group)
    return [_found(contents, *key, members) for key, members in by_lstm.items()]


def _found(contents: Contents, name: str, alias: str, groups: list[Group]) -> Found:
    parts: list[PartInfo] = []
    named: dict[str, Group] = {}
    for group in sorted(groups, key=lambda g: (g.layer, g.reverse)):
        dot = "." if name else ""
        part = f"{name}{dot}l{group.layer}{'_reverse' if group.reverse else ''}"
        parts.append(_describe(part, group))
        named[part] = group
    remarks = tuple(dict.fromkeys(remark for group in groups for remark in group.remarks))
    untold = any(group.assumed for group in groups)
    described = bool(contents.config)
    whole = _whole(parts, list(named.values()))
    info = LSTMInfo(
        name, alias, contents.format, tuple(parts), remarks, whole, untold and not described, untold and described
    )
    return Found(info, named)


def _whole(parts: list[PartInfo], groups: list[Group]) -> str:
    """Why parts do not make up a network; empty when they do."""
    told = [p.unsupported if len(parts) == 1 else f"{p.name!r}: {p.unsupported}" for p in parts if p.unsupported]
    told += [group.whole for group in groups if group.whole]
    if told:
        return told[0]
    by_layer: dict[int, dict[str, PartInfo]] = {}
    for part in parts:
        by_layer.setdefault(part.layer, {})[part.direction] = part
    if [*by_layer] != [*range(len(by_layer))]:
        return f"the file has weights of its layers {_numbers([*by_layer])}, and of none between or before them"
    for k, layer in by_layer.items():
        if layer.keys() != by_layer[0].keys():
            return f"its layer 0 has the directions {_words([*by_layer[0]])}, its layer {k} has {_words([*layer])}"
        sizes = {
            (p.input_size, p.hidden_size, p.projection, p.bias, p.peephole, p.options, p.merge) for p in layer.values()
        }
        if len(sizes) > 1:
            return f"the directions of its layer {k} differ in their sizes, their biases or their options"
    for (j, below), (k, above) in pairwise(by_layer.items()):
        width = _width([*below.values()])
        if not next(iter(below.values())).options.return_sequences:
            return f"its layer {j} gives its last output alone, and layer {k} takes a sequence"
        if {p.input_size for p in above.values()} != {width}:
            sizes_above = {p.input_size for p in above.values()}
            return (
                f"its layer {j} gives {width or 'two arrays of'} units, and layer {k} takes {_numbers([*sizes_above])}"
            )
    return ""


def _width(layer: list[PartInfo]) -> int:
    """The units that a layer gives; 0 if it gives the outputs of two directions apart."""
    if len(layer) == 1:
        return layer[0].output_size
    return {"concat": 2 * layer[0].output_size, None: 0}.get(layer[0].merge, layer[0].output_size)


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _words(words: list[str]) -> str:
    return " and ".join(words)


def stacked(chosen: list[Found]) -> tuple[list[Layer], str]:
    """Several LSTMs of a file as the layers of one network, and why they are none; empty when they are.

    That each follows the one before is taken from the file where the file tells, and from the caller otherwise.
    """
    layers: list[Layer] = []
    for below, above in pairwise(chosen):
        after = next(iter(above.groups.values())).after
        names = below.info.name, above.info.name
        if after is not None and (not after or after not in (below.info.name, below.info.path)):
            given = f"the output of {after!r}" if after else "something else"
            return [], f"{names[1]!r} is given {given}, not the output of {names[0]!r} alone"
    for found in chosen:
        layers += found.layers()
    widest = np.result_type(*(layer.dtype for layer in layers))
    layers = [layer.astype(widest) for layer in layers]
    for k, (lower, upper) in enumerate(pairwise(layers)):
        if not lower.options.return_sequences or lower.output_size != upper.input_size:
            gives = f"{lower.output_symbols} with {lower.output_size} units"
            return [], f"layer {k} gives {gives}, and layer {k + 1} takes a sequence of {upper.input_size}"
    return layers, ""


def _describe(name: str, group: Group) -> PartInfo:
    tensors = group.tensors
    D, H = _sizes(tensors)
    bias = any(role in tensors for role in ("bias", "bias_ih", "bias_hh", "B"))
    projection = next(iter(tensors["weight_hr"].shape), 0) if "weight_hr" in tensors else 0
    dtypes = sorted({tensor.dtype for tensor in tensors.values()})
    problem = group.problem
    if unread := [f"its {role} {tensor.problem}" for role, tensor in tensors.items() if tensor.problem]:
        problem = problem or "; ".join(unread)
    if not problem and not set(dtypes) <= WIDENED.keys():
        problem = (
            f"weights of type {', '.join(dtypes)}; only floating-point weights of 16, 32 or 64 bits can be computed"
        )
    direction = "reverse" if group.reverse else "forward"
    return PartInfo(
        name, group.layer, direction, D, H, bias, "+".join(dtypes), problem, projection, "P" in tensors, group.options, group.merge
    )  # fmt: skip


def _sizes(tensors: dict[str, StoredTensor]) -> tuple[int, int]:
    """D and H of a part; 0 for what its tensors do not tell, of which there is then one missing."""
    shapes = {role: tensor.shape for role, tensor in tensors.items() if len(tensor.shape) == 2}
    kernel = shapes.get("kernel", shapes.get("weight_ih", shapes.get("W", (0, 0)))[::-1])
    rows = shapes.get("recurrent_kernel", shapes.get("weight_hh", shapes.get("R", (0, 0)))[::-1])
    return kernel[0], (rows[-1] or kernel[-1]) // 4


def _params(tensors: dict[str, StoredTensor]) -> LSTMParams:
    arrays: dict[str, FloatArray] = {role: as_weights(tensor) for role, tensor in tensors.items()}
    widest = np.result_type(*arrays.values())
    arrays = {role: array.astype(widest, copy=False) for role, array in arrays.items()}
    if "weight_ih" in arrays:
        return from_torch(**arrays)
    if "W" in arrays:
        return from_onnx(**arrays)
    if "bias" in arrays and len(arrays["bias"]) == 2 * arrays["kernel"].shape[1]:
        return from_cudnn_keras(**arrays)
    return LSTMParams(**arrays)
