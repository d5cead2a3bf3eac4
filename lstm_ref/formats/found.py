"""The LSTMs among a file's named tensors: which tensors belong together, and as what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lstm_ref.formats import keras_names, torch_names
from lstm_ref.formats.group import Group
from lstm_ref.formats.stored import WIDENED, Contents, StoredTensor, as_weights
from lstm_ref.params import FloatArray, LSTMParams, from_cudnn_keras, from_torch


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
    """

    name: str
    layer: int
    direction: str
    input_size: int
    hidden_size: int
    bias: bool
    dtype: str
    unsupported: str


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
    """

    name: str
    path: str
    format: str
    parts: tuple[PartInfo, ...]

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

    @property
    def unsupported(self) -> str:
        """Why this LSTM cannot be loaded as a whole; empty when it can."""
        if len(self.parts) > 1:
            return f"{self.layers} layers and {len(self.directions)} directions: load one of its parts"
        if self.parts[0].direction == "reverse":
            return (
                f"it runs backwards in time: load its part {self.parts[0].name!r}, and flip x and the output yourself"
            )
        return self.parts[0].unsupported


@dataclass(frozen=True)
class Found:
    """An LSTM's description and, per part name, the function that reads its weights."""

    info: LSTMInfo
    read: dict[str, Callable[[], LSTMParams]]


def find_lstms(contents: Contents) -> list[Found]:
    """Every LSTM in the contents, in the file's order."""
    if contents.convention == "torch":
        groups = torch_names.groups(contents)
    else:
        groups = keras_names.groups(contents)
    by_lstm: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        by_lstm.setdefault((group.lstm, group.alias), []).append(group)
    return [_found(contents, *key, members) for key, members in by_lstm.items()]


def _found(contents: Contents, name: str, alias: str, groups: list[Group]) -> Found:
    parts: list[PartInfo] = []
    read: dict[str, Callable[[], LSTMParams]] = {}
    for group in sorted(groups, key=lambda g: (g.layer, g.reverse)):
        dot = "." if name else ""
        part = f"{name}{dot}l{group.layer}{'_reverse' if group.reverse else ''}"
        parts.append(_describe(part, group))
        read[part] = partial(_params, group.tensors)
    return Found(LSTMInfo(name, alias, contents.format, tuple(parts)), read)


def _describe(name: str, group: Group) -> PartInfo:
    tensors = group.tensors
    if "weight_ih" in tensors:
        rows, D = tensors["weight_ih"].shape
        H = rows // 4
        bias = "bias_ih" in tensors or "bias_hh" in tensors
    else:
        (D, _), H = tensors["kernel"].shape, tensors["recurrent_kernel"].shape[0]
        bias = "bias" in tensors
    dtypes = sorted({tensor.dtype for tensor in tensors.values()})
    problem = group.problem
    if not problem and not set(dtypes) <= WIDENED.keys():
        problem = (
            f"weights of type {', '.join(dtypes)}; only floating-point weights of 16, 32 or 64 bits can be computed"
        )
    return PartInfo(name, group.layer, "reverse" if group.reverse else "forward", D, H, bias, "+".join(dtypes), problem)


def _params(tensors: dict[str, StoredTensor]) -> LSTMParams:
    arrays: dict[str, FloatArray] = {role: as_weights(tensor) for role, tensor in tensors.items()}
    widest = "float64" if any(a.dtype == "float64" for a in arrays.values()) else "float32"
    arrays = {role: array.astype(widest, copy=False) for role, array in arrays.items()}
    if "weight_ih" in arrays:
        return from_torch(**arrays)
    if "bias" in arrays and len(arrays["bias"]) == 2 * arrays["kernel"].shape[1]:
        return from_cudnn_keras(**arrays)
    return LSTMParams(**arrays)
