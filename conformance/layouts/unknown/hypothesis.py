"""One layout in full: the weights that it gives, its words, its `Layout` and its lines of Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.layouts.layout import Layout
from conformance.layouts.unknown.biases import Convention, GateBias
from conformance.layouts.unknown.forms import PLAIN, SPLIT, Arrays
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.roles import Matrices
from lstm_ref import LSTMParams
from lstm_ref.params import GATES, FloatArray

Four = tuple[int, int, int, int]

GATE_WORDS = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}

ORDER_OF = {"ifco": "PyTorch's and Keras", "iofc": "ONNX", "icfo": "TensorFlow 1"}


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A layout that might be the right one.

    Attributes
    ----------
    reading : Reading
    matrices : Matrices
    kernel, recurrent : tuple of 4 int
        For the gates i, f, c, o: which block is that gate's.
    bias : Convention, or tuple of 4 GateBias
    bias_blocks : tuple of 4 int
        The same for a stacked bias.
    forget : bool
        Whether 1 is added to the forget gate's bias.
    """

    reading: Reading
    matrices: Matrices
    kernel: Four
    recurrent: Four
    bias: Convention | tuple[GateBias, ...]
    bias_blocks: Four
    forget: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in use."""
        if isinstance(self.bias, Convention):
            return self.matrices.names + tuple(part.name for part in self.bias.parts)
        return self.matrices.names + tuple(name for gate in self.bias for name in gate.names)

    @property
    def rank(self) -> tuple[int, ...]:
        """Of several that load the same weights, the one of the lowest rank is named."""
        if isinstance(self.bias, Convention):
            usual = ("sum", "one", "none", "double").index(self.bias.kind) if self.bias.parts else 2
        else:
            usual = 3 if self.bias[0].double else 2 - len(self.bias[0].names)
        return (self.forget, self.matrices.rank, usual, *self.kernel, *self.recurrent)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The narrowest of float32 and float64 that holds every array in use."""
        narrow = all(self.arrays[name].dtype in (np.float16, np.float32) for name in self.names)
        return np.dtype(np.float32) if narrow else np.dtype(np.float64)

    @property
    def arrays(self) -> Arrays:
        """All arrays by name."""
        return self.matrices.kernel.arrays

    def bias_values(self) -> FloatArray | None:
        """(4H,) in the order i, f, c, o."""
        H = self.matrices.H
        bias: FloatArray | None = None
        if not isinstance(self.bias, Convention):
            bias = np.concatenate([gate.values(self.arrays) for gate in self.bias]).astype(self.dtype)
        elif self.bias.parts:
            bias = self.bias.blocks(self.arrays, H)[list(self.bias_blocks)].ravel().astype(self.dtype)
        if self.forget:
            bias = np.zeros(4 * H, self.dtype) if bias is None else bias
            bias[H : 2 * H] += 1
        return bias

    def params(self) -> LSTMParams:
        """The weights."""
        one, other = self.matrices.values
        kernel = np.concatenate([one[k] for k in self.kernel], axis=1).astype(self.dtype)
        recurrent = np.concatenate([other[k] for k in self.recurrent], axis=1).astype(self.dtype)
        return LSTMParams(kernel, recurrent, self.bias_values())

    def order(self, blocks: Four) -> str:
        """The gates in the order in which they are stored."""
        return "".join(GATES[blocks.index(position)] for position in range(4))

    def layout(self) -> Layout | None:
        """What `conformance.Layout` can say of it; None if it is arranged in a way that has no name there."""
        both = [blocks for blocks in (self.matrices.kernel, self.matrices.recurrent) if blocks]
        if any(blocks.form.stacking not in (PLAIN, SPLIT) for blocks in both):
            return None
        if len({blocks.form.left for blocks in both}) > 1:
            return None
        split = both[0].split
        if split != isinstance(self.bias, tuple) and not self._without_bias:
            return None
        if isinstance(self.bias, Convention) and any(part.interleaved for part in self.bias.parts):
            return None
        if isinstance(self.bias, Convention):
            two = self.bias.kind == "sum"
        else:
            two = len(self.bias[0].names) == 2
        axes = self.reading.axes if len(self.reading.axes) == 3 else "btf"
        order = self.order(self.kernel)
        return Layout(order, self.matrices.joined, both[0].form.left, split, 2 if two else 1, axes)

    def beyond_layout(self) -> list[str]:
        """What `layout` leaves out."""
        left_out = []
        if self.forget:
            left_out.append("1 is added to the forget gate's bias")
        if isinstance(self.bias, Convention):
            if self.bias.kind == "double":
                left_out.append("the bias is counted twice")
            if self.bias.parts and self.bias.parts[0].half is not None:
                left_out.append(f"the bias is {self._bias_words()}")
        elif self.bias[0].double:
            left_out.append("the biases are counted twice")
        return left_out

    @property
    def _without_bias(self) -> bool:
        return isinstance(self.bias, Convention) and not self.bias.parts

    def words(self) -> dict[str, str]:
        """What it says about each question, in plain words."""
        m = self.matrices
        said: dict[str, str] = {}
        for role, blocks in (("kernel", m.kernel), ("recurrent kernel", m.recurrent)):
            if blocks is not None:
                what = "both kernels" if m.joined else role
                named = repr(blocks.names[0]) if not blocks.split else ""
                joined = {"": "", "xh": ", on [x, h]", "hx": ", on [h, x]"}[m.joined]
                said[what] = ", ".join(filter(None, (named, blocks.form.words))) + joined
        if not m.kernel.split:
            said["gates"] = self._order_words(self.kernel)
        else:
            for position, gate in enumerate(GATES):
                used = [m.kernel.names[self.kernel[position]]]
                if m.recurrent is not None:
                    used.append(m.recurrent.names[self.recurrent[position]])
                said[f"{GATE_WORDS[gate]} gate"] = ", ".join(map(repr, used))
        said["bias"] = self._bias_words()
        said["axes of x"] = _axes_words(self.reading.axes)
        return said

    def _order_words(self, blocks: Four) -> str:
        order = self.order(blocks)
        whose = f", {ORDER_OF[order]}'s order" if order in ORDER_OF else ""
        return f"{' '.join(order)} ({', '.join(GATE_WORDS[gate] for gate in order)}){whose}"

    def _bias_words(self) -> str:
        forget = ", and 1 is added to the forget gate's" if self.forget else ""
        if not isinstance(self.bias, Convention):
            each = [" + ".join(map(repr, gate.names)) for gate in self.bias]
            double = ", each counted twice" if self.bias[0].double else ""
            return f"{', '.join(f'{gate} {names}' for gate, names in zip(GATES, each, strict=True))}{double}{forget}"
        parts = [part.words for part in self.bias.parts]
        text = {
            "none": "none",
            "one": parts[0] if parts else "",
            "double": f"twice {parts[0]}" if parts else "",
            "sum": " plus ".join(parts),
        }[self.bias.kind]
        if self.bias.parts and self.bias.parts[0].interleaved:
            text += ", the four gates of each unit side by side"
        if self.bias.parts and self.bias_blocks != self.kernel:
            text += f", in the order {' '.join(self.order(self.bias_blocks))}"
        return text + forget


def _axes_words(axes: str) -> str:
    letters = {"b": "B", "t": "T", "f": "D"}
    shape = f"({', '.join(letters[axis] for axis in axes)}{',' if len(axes) == 1 else ''})"
    said = {"btf": "batch-first", "tbf": "time-major"}.get(axes, "")
    if len(axes) < 3:
        said = "one step of one sequence" if axes == "f" else "one step" if "b" in axes else "one sequence"
    return f"{shape}, {said}" if said else shape
