"""One layout in full: the weights that it gives, its words, its `Layout` and its lines of Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.layouts.layout import Layout
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.stacks import Matrices, Stack
from lstm_ref import LSTMParams
from lstm_ref.params import GATES

Four = tuple[int, ...]

GATE_WORDS = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}

ORDER_OF = {"ifco": "PyTorch's and Keras", "iofc": "ONNX", "icfo": "TensorFlow 1"}

AXES_WORDS = {"btf": "batch-first", "tbf": "time-major", "f": "one step of one sequence"}
AXES_WORDS |= {"bf": "one step", "fb": "one step", "tf": "one sequence", "ft": "one sequence"}


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A layout that might be the right one.

    Attributes
    ----------
    arrays : mapping
        All arrays as they were given.
    reading : Reading
    matrices : Matrices
    bias : Stack
    kernel, recurrent, bias_blocks : tuple of 4 int
        For the gates i, f, c, o: which block is that gate's.
    forget : bool
        Whether 1 is added to the forget gate's bias.
    """

    arrays: Mapping[str, np.ndarray[Any, Any]]
    reading: Reading
    matrices: Matrices
    bias: Stack
    kernel: Four
    recurrent: Four
    bias_blocks: Four
    forget: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays in use."""
        return self.matrices.names + self.bias.names

    @property
    def rank(self) -> tuple[int, ...]:
        """Of several that load the same weights, the one of the lowest rank is named."""
        return (self.forget, self.matrices.rank, self.bias.rank, *self.kernel, *self.recurrent)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The narrowest of float32 and float64 that holds every array in use."""
        narrow = all(self.arrays[name].dtype in (np.float16, np.float32) for name in self.names)
        return np.dtype(np.float32) if narrow else np.dtype(np.float64)

    def params(self) -> LSTMParams:
        """The weights."""
        stacks, H = (self.matrices.kernel, self.matrices.recurrent, self.bias), self.reading.sizes[3]
        ordered = zip(stacks, (self.kernel, self.recurrent, self.bias_blocks), strict=True)
        kernel, recurrent, bias = (
            np.concatenate(stack.values[[*k]], axis=-1).astype(self.dtype) for stack, k in ordered
        )
        bias[H : 2 * H] += self.forget
        return LSTMParams(kernel, recurrent, None if self.bias.form == "none" and not self.forget else bias)

    def order(self, blocks: Four) -> str:
        """The gates in the order in which they are stored."""
        return "".join(GATES[blocks.index(position)] for position in range(4))

    def layout(self) -> Layout | None:
        """What `conformance.Layout` can say of it; None if it is arranged in a way that has no name there."""
        matrices, bias = self.matrices, self.bias
        if any(stack.rank > 1 for stack in matrices.both.values()) or bias.by_unit:
            return None
        if matrices.kernel.left != matrices.recurrent.left or (
            bias.form != "none" and bias.split != matrices.kernel.split
        ):
            return None
        two = bias.form in ("sum", "halves")
        axes = self.reading.axes if len(self.reading.axes) == 3 else "btf"
        kernel = matrices.kernel
        return Layout(self.order(self.kernel), matrices.joined, kernel.left, kernel.split, 2 if two else 1, axes)

    def beyond_layout(self) -> list[str]:
        """What `layout` leaves out."""
        said = {
            "1 is added to the forget gate's bias": self.forget,
            "the bias is counted twice": self.bias.form == "double",
            f"the bias is {self.bias.words}": self.bias.form == "halves",
        }
        return [words for words, so in said.items() if so]

    def words(self) -> dict[str, str]:
        """What it says about each question, in plain words."""
        m = self.matrices
        joined = f", on [{', '.join(m.joined)}]" if m.joined else ""
        said = {name: stack.words + joined for name, stack in m.both.items()}
        if not m.kernel.split:
            order = self.order(self.kernel)
            whose = f", {ORDER_OF[order]}'s order" if order in ORDER_OF else ""
            said["gates"] = f"{' '.join(order)} ({', '.join(GATE_WORDS[gate] for gate in order)}){whose}"
        else:
            orders = (self.kernel, self.recurrent)
            for gate, *blocks in zip(GATES, *orders, strict=True):
                parts = [stack.parts[k] for stack, k in zip(m.both.values(), blocks, strict=False)]
                said[f"{GATE_WORDS[gate]} gate"] = ", ".join(part.words for part in parts)
        said["bias"] = self._bias_words()
        axes = self.reading.axes
        shape = ", ".join({"b": "B", "t": "T", "f": "D"}[axis] for axis in axes) + ("," if len(axes) == 1 else "")
        said["axes of x"] = f"({shape})" + (f", {AXES_WORDS[axes]}" if axes in AXES_WORDS else "")
        return said

    def _bias_words(self) -> str:
        text = self.bias.words
        if self.bias.split:
            parts = [self.bias.parts[k] for k in self.bias_blocks]
            text = ", ".join(f"{gate} {part.words}" for gate, part in zip(GATES, parts, strict=True))
        elif self.bias.form != "none" and self.bias_blocks != self.kernel:
            text += f", in the order {' '.join(self.order(self.bias_blocks))}"
        return text + (", and 1 is added to the forget gate's" if self.forget else "")

    def code(self, load: str = "") -> str:
        """Lines of Python that make `lstm_ref.LSTMParams`, with their imports.

        Parameters
        ----------
        load : str
            What to read ``arrays`` with; without it, they have to be there: a mapping of names to arrays as given.
        """
        lines = [f"arrays = {load}"] if load else []
        if any(self.arrays[name].dtype != self.dtype for name in self.names):
            listed = ", ".join(map(repr, dict.fromkeys(self.names)))
            lines.append(f"arrays = {{name: arrays[name].astype({self.dtype.name!r}) for name in ({listed})}}")
        lines.append(f"kernel = {self._code(self.matrices.kernel, self.kernel)}")
        lines.append(f"recurrent_kernel = {self._code(self.matrices.recurrent, self.recurrent)}")
        bias, H = self._code(self.bias, self.bias_blocks), self.reading.sizes[3]
        if self.forget:
            start = f"np.zeros({4 * H}, {self.dtype.name!r})" if bias == "None" else f"np.array({bias})"
            lines += [f"bias = {start}", f"bias[{H}:{2 * H}] += 1  # the forget gate's"]
        else:
            lines.append(f"bias = {bias}")
        lines.append("params = lstm_ref.LSTMParams(kernel, recurrent_kernel, bias)")
        modules = {"np": "import numpy as np", "conformance": "import conformance", "lstm_ref": "import lstm_ref"}
        imports = [line for name, line in modules.items() if any(f"{name}." in line for line in lines)]
        return "\n".join([*imports, "", *lines]) + "\n"

    def _code(self, stack: Stack, blocks: Four) -> str:
        """Python for the blocks side by side in the order i, f, c, o."""
        order = self.order(blocks)
        if stack.split:
            return f"np.concatenate([{', '.join(stack.parts[k].code for k in blocks)}], axis=-1)"
        code = stack.parts[0].code
        return code if order == GATES or stack.form == "none" else f"lstm_ref.reorder_gates({code}, {order!r})"
