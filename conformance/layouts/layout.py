"""Other people's layouts: weights out of `LSTMParams` into them, arrays likewise, and gradients back.

layout = Layout(gates="ifgo", joined="hx", transposed=True, split=True, axes="tfb")
weights = layout.weights(case.params)
x, h0, c0 = layout.inputs(case)
...
return layout.result(case, output=..., h=..., c=..., d_x=..., weights=(...))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.errors import LayoutError
from lstm_ref import LSTMParams, reorder_gates
from lstm_ref.params import GATES, FloatArray

SEQUENCES = ("output", "d_x")
STATES = ("h", "c", "d_h0", "d_c0")


@dataclass(frozen=True)
class Layout:
    """How an implementation keeps its weights and its arrays.

    Parameters
    ----------
    gates : str
        The order of the gate blocks, as four of the letters i, f, c (or g), o: "ifgo" is PyTorch's.
    joined : str
        "xh" if one matrix acts on [x, h], "hx" if on [h, x]; empty if there are two matrices.
    transposed : bool
        Whether matrices act from the left, (4H, D), rather than from the right, (D, 4H).
    split : bool
        Whether there is one matrix and one bias per gate rather than blocks side by side.
    biases : int
        1, or 2 for one with the kernel and one with the recurrent kernel, which are added.
    axes : str
        The order of a sequence's axes, of b (batch), t (time) and f (features or units): "btf" is
        batch-first, "tbf" time-major, "tfb" time-major with column vectors. States go without t.

    Raises
    ------
    LayoutError
        For anything else.
    """

    gates: str = GATES
    joined: str = ""
    transposed: bool = False
    split: bool = False
    biases: int = 1
    axes: str = "btf"

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", self.gates.replace("g", "c"))
        allowed: tuple[tuple[str, Any, Sequence[Any]], ...] = (
            ("gates", self.gates, ["".join(p) for p in permutations(GATES)]),
            ("joined", self.joined, ["", "xh", "hx"]),
            ("biases", self.biases, [1, 2]),
            ("axes", self.axes, ["".join(p) for p in permutations("btf")]),
        )
        for name, value, choices in allowed:
            if value not in choices:
                shown = ", ".join(map(repr, choices[:6])) + (" and so on" if len(choices) > 6 else "")
                raise LayoutError(f"{name}={value!r} is no layout; it is one of {shown}.")

    def weights(self, params: LSTMParams) -> tuple[Any, ...]:
        """The weights in this layout.

        Returns
        -------
        tuple
            (kernel, recurrent_kernel, bias), or (matrix, bias) if joined; with two biases, both at the
            end, the second zero. With `split`, each is a list of four, in the order of `gates`. A
            missing bias is given as zeros.
        """
        bias = np.zeros(4 * params.hidden_size, params.dtype) if params.bias is None else params.bias
        matrices = [params.kernel, params.recurrent_kernel]
        if self.joined:
            matrices = [np.concatenate(matrices if self.joined == "xh" else matrices[::-1], axis=0)]
        every = [*matrices, bias, *([np.zeros_like(bias)] if self.biases == 2 else [])]
        return tuple(self._out(array) for array in every)

    def _out(self, array: FloatArray) -> Any:
        ordered = reorder_gates(array, GATES, self.gates)
        blocks = np.split(ordered, 4, axis=-1) if self.split else [ordered]
        if self.transposed:
            blocks = [np.ascontiguousarray(block.T) for block in blocks]
        return blocks if self.split else blocks[0]

    def layers(self, case: Case) -> list[dict[str, tuple[Any, ...]]]:
        """Of each layer a mapping from its directions, "forward" before "reverse", to their weights in this layout."""
        return [
            {direction: self.weights(params) for direction, params in layer.directions.items()} for layer in case.layers
        ]

    def gradients_of_layers(self, case: Case, weights: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, FloatArray]:
        """The gradients of all layers' weights, under the case's names, from gradients in the form of `layers`."""
        found: dict[str, FloatArray] = {}
        for k, (layer, of_layer) in enumerate(zip(case.layers, weights, strict=True)):
            for direction, params in layer.directions.items():
                prefix = "" if case.single else f"layers.{k}.{direction}."
                found |= {prefix + name: a for name, a in self.gradients_of(params, *of_layer[direction]).items()}
        return found

    def gradients(self, case: Case, *weights: Any) -> dict[str, FloatArray]:
        """d_kernel, d_recurrent_kernel and d_bias from gradients in this layout.

        Parameters
        ----------
        case : Case
        *weights : arrays, or lists of four arrays
            In the order of `weights`. Trailing ones may be left out. Column vectors serve as biases.
        """
        return self.gradients_of(case.params, *weights)

    def gradients_of(self, params: LSTMParams, *weights: Any) -> dict[str, FloatArray]:
        """The same as `gradients`, for weights that are one of several layers' or directions'."""
        D, H = params.input_size, params.hidden_size
        names = ["matrix"] if self.joined else ["d_kernel", "d_recurrent_kernel"]
        names += ["d_bias", "second bias"][: self.biases]
        if len(weights) > len(names):
            raise LayoutError(
                f"{len(weights)} gradients were given, expected at most {len(names)}: {', '.join(names)}."
            )
        found = {name: self._back(given, "bias" in name) for name, given in zip(names, weights, strict=False)}
        if "matrix" in found:
            rows = D + H
            if found["matrix"].shape != (rows, 4 * H):
                raise LayoutError(
                    f"the joined matrix's gradient stands for shape {found['matrix'].shape}, expected {(rows, 4 * H)}."
                )
            first, second = np.split(found.pop("matrix"), [D if self.joined == "xh" else H], axis=0)
            found["d_kernel"], found["d_recurrent_kernel"] = (first, second) if self.joined == "xh" else (second, first)
        if "second bias" in found:  # of one value mathematically; if they are not, the mean is neither
            found["d_bias"] = (found["d_bias"] + found.pop("second bias")) / 2
        if params.bias is None:
            found.pop("d_bias", None)
        return found

    def _back(self, given: Any, is_bias: bool) -> FloatArray:
        blocks = [np.asarray(block) for block in given] if self.split else [np.asarray(given)]
        if is_bias:
            blocks = [block.reshape(-1) for block in blocks]
        elif self.transposed:
            blocks = [block.T for block in blocks]
        return reorder_gates(np.concatenate(blocks, axis=-1), self.gates)

    def inputs(self, case: Case) -> tuple[FloatArray, FloatArray, FloatArray]:
        """x, h0 and c0 with this layout's axes."""
        return self.sequence(case.x), self.state(case.h0), self.state(case.c0)

    def cotangents(self, case: Case) -> tuple[FloatArray, FloatArray, FloatArray]:
        """d_output, d_h and d_c with this layout's axes."""
        return self.sequence(case.d_output), self.state(case.d_h), self.state(case.d_c)

    def sequence(self, array: FloatArray) -> FloatArray:
        """A (B, T, ...) array with this layout's axes; a view."""
        return array.transpose(["btf".index(axis) for axis in self.axes])

    def state(self, array: FloatArray) -> FloatArray:
        """A (B, H) array with this layout's axes; a view."""
        return array.T if self.axes.index("f") < self.axes.index("b") else array

    def result(self, case: Case, weights: Sequence[Any] = (), **arrays: Any) -> Result:
        """A candidate's result out of arrays in this layout.

        Parameters
        ----------
        case : Case
        weights : sequence
            Gradients of the weights, as `gradients` takes them.
        **arrays
            output, h, c, d_x, d_h0, d_c0, as far as there are any. A list of steps counts as time-major.
        """
        result = self.gradients(case, *weights)
        for name, given in arrays.items():
            array = np.asarray(given)
            if name in SEQUENCES:
                result[name] = array.transpose([self.axes.index(axis) for axis in "btf"])
            elif name in STATES:
                result[name] = self.state(array)
            else:
                raise LayoutError(f"{name!r} is none of {', '.join((*SEQUENCES, *STATES))}.")
        return result


def _changed(case: Case, **fields: Any) -> Case:
    """A copy with other fields; also of what only looks like a case, as in the programs that `repro` prints."""
    changed = copy.copy(case)
    for name, value in fields.items():
        object.__setattr__(changed, name, value)
    return changed


def one_sample_at_a_time(function: Callable[[Case], Result]) -> Callable[[Case], Result]:
    """Make a candidate for batches of one that takes one sample: results are stacked, weights' gradients summed.

    Examples
    --------
    >>> @one_sample_at_a_time
    ... def lstm(case):
    ...     x = case.x[0]  # (T, D)
    ...     return {"output": x[None]}
    """

    def of_batch(case: Case) -> Result:
        results = []
        for b in range(case.sizes[0]):
            rows = {name: getattr(case, name)[b : b + 1] for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
            results.append(function(_changed(case, id=f"{case.id}-sample-{b}", **rows)))
        weights = ("d_kernel", "d_recurrent_kernel", "d_bias")
        return {
            name: np.sum([r[name] for r in results], axis=0, dtype=results[0][name].dtype)
            if name in weights
            else np.concatenate([r[name] for r in results])
            for name in results[0]
            if results[0][name] is not None
        }

    of_batch.__dict__.update(function.__dict__)
    of_batch.__name__ = getattr(function, "__name__", "candidate")
    return of_batch
