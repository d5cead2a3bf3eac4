"""An ONNX file with one LSTM as an implementation: its own graph, with a case's weights in place of its own.

What the node's options are, `lstm_ref.load` reads. Which inputs and outputs of the graph are x, the states and the outputs, is
followed through nodes that only arrange axes; how the axes of an output come, one run on sizes that are all different tells.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

import lstm_ref
from conformance.case import Case, Result
from conformance.errors import CandidateError
from conformance.implementations.by_layer import joined, parts
from conformance.implementations.onnx import SILENT, refusal_by_evaluator
from conformance.implementations.onnx import refusal as refusal_by_runtime
from conformance.implementations.onnx_weights import with_weights
from lstm_ref import Layer, LSTMParams
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray

ENGINES = ("onnxruntime", "evaluator")
PROBED = {"b": 3, "t": 5, "x": 7, "u": 11}
"""The sizes of the run that tells axes apart."""
STATES = {5: "h0", 6: "c0"}
"""The place of a state among the node's inputs."""
TURNED = ("Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice")
"""Nodes that an input may go through before it comes to the LSTM."""
ARRANGED = (*TURNED, "Reshape")
"""Nodes that an output may go through behind it."""
Array = np.ndarray[Any, Any]


class Graph:
    """A graph with one LSTM, and how it is given a case.

    Parameters
    ----------
    path : Path
    engine : str
        One of `ENGINES`.

    Attributes
    ----------
    layer : Layer
        What the file's LSTM is.
    without : frozenset of str
        What a case must not have, or what the graph does not give, as `conformance.candidate` has it.
    masks : bool
        Whether the lengths of the rows are an input.

    Raises
    ------
    CandidateError
        If it is no such graph, or cannot be followed.
    LSTMError
        If it cannot be read.
    """

    def __init__(self, path: Path, engine: str) -> None:
        if engine not in ENGINES:
            raise CandidateError(f"onnx:{path}: there is no engine {engine!r}; write one of {', '.join(ENGINES)}.")
        if not path.is_file():
            raise CandidateError(f"there is no file {path}.")
        self.path, self.engine = path, engine
        self.model = onnx.load(path)
        nodes = [node for node in self.model.graph.node if node.op_type == "LSTM"]
        if len(nodes) != 1:
            raise CandidateError(
                f"{path} has {len(nodes)} LSTM nodes in its main graph, expected one: of several layers, export one at a time."
            )
        (self.layer,) = lstm_ref.load(path).layers
        self.node = nodes[0]
        self.made = {name: node for node in self.model.graph.node for name in node.output}
        self.stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        self.given = [value.name for value in self.model.graph.input if value.name not in self.stored]
        self.batch_first = any(each.name == "layout" and each.i for each in self.node.attribute)
        self.inputs = self._inputs()
        self.masks = self._input(4) in self.given
        if reason := self._refusal_by_engine(self.probe):
            raise CandidateError(f"{path}: {reason}.")
        self.outputs = self._outputs()
        lacking = {name for name in ("h0", "c0") if name not in self.inputs}
        lacking |= {name for name in ("output", "h", "c") if name not in self.outputs}
        lacking |= {"bias"} if self.layer.params.bias is None else set()
        lacking |= {"float64"} if engine == "onnxruntime" else set()
        self.without = frozenset(lacking)

    def _input(self, number: int) -> str:
        return str(self.node.input[number]) if number < len(self.node.input) else ""

    def _constant(self, name: str) -> list[int] | None:
        if name in self.stored:
            return [int(n) for n in self.stored[name].reshape(-1)]
        node = self.made.get(name)
        if node is None or node.op_type != "Constant":
            return None
        return [int(n) for n in onnx.numpy_helper.to_array(node.attribute[0].t).reshape(-1)]

    def _inputs(self) -> dict[str, tuple[str, list[Any]]]:
        """Of x and the states, the graph's input and what it goes through, the last first; a state of zeros has none."""
        found = {}
        for number, ours in {0: "x", **STATES}.items():
            name, through = self._input(number), []
            while name in self.made and self.made[name].op_type in TURNED:
                through.append(self.made[name])
                name = through[-1].input[0]
            if name in self.given:
                found[ours] = name, through
            elif ours == "x" or any(
                given in self.given for given in self._sources(self._input(number)) - {found["x"][0]}
            ):
                what = f"a node {self.made[name].op_type}" if name in self.made else f"{name!r}"
                raise CandidateError(
                    f"{self.path}: between the graph's inputs and the LSTM's {ours} stands {what}, expected nodes that only turn axes: "
                    f"{', '.join(TURNED)}."
                )
        if strange := set(self.given) - {name for name, _ in found.values()} - {self._input(4)}:
            raise CandidateError(
                f"{self.path}: its inputs {', '.join(sorted(strange))} are none of the LSTM's; nobody knows what to give them."
            )
        return found

    def _sources(self, name: str) -> set[str]:
        """Every value that one is made of."""
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current and current not in seen:
                seen.add(current)
                todo += self.made[current].input if current in self.made else []
        return seen

    def _outputs(self) -> dict[str, tuple[str, str]]:
        """Of the outputs and final states, the graph's output and its axes: of d, t, b and u."""
        names = {theirs: ours for theirs, ours in zip(self.node.output, ("output", "h", "c"), strict=False) if theirs}
        ends: dict[str, str] = {}
        for value in self.model.graph.output:
            name = value.name
            while name in self.made and self.made[name].op_type in ARRANGED:
                name = self.made[name].input[0]
            if name in names:
                ends.setdefault(names[name], value.name)
        if not ends:
            raise CandidateError(
                f"{self.path}: none of its outputs is the LSTM's own: behind it they go through other nodes than {', '.join(ARRANGED)}."
            )
        try:
            given = dict(zip(ends, self._run(self.probe, list(ends.values())), strict=True))
        except Exception as error:
            raise CandidateError(
                f"{self.path} does not run with B=3, T=5, D=7, H=11: sizes of its own are fixed in it. "
                f"Export it with open ones, as with dynamic_shapes in PyTorch. {_line(error)}"
            ) from error
        return {ours: (name, self._axes(ours, given[ours].shape)) for ours, name in ends.items()}

    @cached_property
    def probe(self) -> Case:
        """A case of such a layer, of sizes that are all different."""
        B, T, D, H = PROBED.values()
        rng = np.random.default_rng(0)

        def drawn(params: LSTMParams) -> LSTMParams:
            sizes = {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,), "peephole": (3, H)}
            return LSTMParams(**{name: rng.normal(size=sizes[name]).astype(np.float32) for name in params.arrays})

        both = {name: drawn(params) for name, params in self.layer.directions.items()}
        layer = Layer(both.get("forward"), both.get("reverse"), self.layer.merge, self.layer.options)
        shape = (B, H) if len(both) == 1 else (2, B, H)
        arrays = {
            "x": (B, T, D),
            "h0": shape,
            "c0": shape,
            "d_output": layer.output_shape(B, T),
            "d_h": shape,
            "d_c": shape,
        }
        zeros: dict[str, Any] = {name: np.zeros(size, np.float32) for name, size in arrays.items()}
        options = layer.options if len(both) == 1 else PLAIN
        return Case("probe", np.dtype("float32"), params=layer.params, options=options, layers=(layer,), **zeros)

    def _axes(self, ours: str, shape: tuple[int, ...]) -> str:
        directions = len(self.layer.directions)
        sizes = {PROBED["t"]: "t", PROBED["b"]: "b", PROBED["u"]: "u", 2 * PROBED["u"]: "du", 1: ""}
        sizes |= {2: "d"} if directions == 2 else {}
        axes = " ".join(sizes.get(n, "?") for n in shape)
        letters = sorted(axes.replace(" ", ""))
        if letters != sorted(("d" if directions == 2 else "") + "b" + "u" + ("t" if ours == "output" else "")):
            raise CandidateError(
                f"{self.path}: with B=3, T=5, D=7, H=11 its output for {ours} has the shape {shape}, whose axes cannot be told."
            )
        return axes

    def refusal(self, case: Case) -> str:
        """Why the graph is not given a case; empty if it is."""
        if len(case.layers) != 1:
            return "it has one layer"
        theirs, layer = self.layer, case.layers[0]
        if [*theirs.directions] != [*layer.directions]:
            return f"its LSTM is {_direction(theirs)}"
        if len(layer.directions) == 2 and layer.merge not in ("concat", None):
            return "ONNX's LSTM gives both directions as they are"
        options = replace(theirs.options, zero_output_for_mask=layer.options.zero_output_for_mask)
        if options != layer.options:
            told = ", ".join(f"{name}={value}" for name, value in options.departures.items())
            return f"its LSTM has {told or 'no options'}"
        if (theirs.params.peephole is None) != (layer.params.peephole is None):
            return "its LSTM has no peepholes" if theirs.params.peephole is None else "its LSTM has peepholes"
        if case.mask is not None and not self.masks:
            return "sequence_lens is no input of it"
        return self._refusal_by_engine(case)

    def _refusal_by_engine(self, case: Case) -> str:
        return refusal_by_runtime(case) if self.engine == "onnxruntime" else refusal_by_evaluator(case)

    def compute(self, case: Case) -> Result:
        """Output and final states of a case, as far as the graph gives them."""
        arrays = self._run(case, [name for name, _ in self.outputs.values()])
        given = {}
        for (ours, (_, axes)), array in zip(self.outputs.items(), arrays, strict=True):
            given[ours] = _ordered(array, axes, len(case.layers[0].directions))
        states: dict[str, FloatArray] = {name: given[name][:, 0] for name in ("h", "c") if name in given}
        named: dict[str, FloatArray] = {}
        if "output" in given:
            of_directions = [*given["output"].swapaxes(1, 2)]  # (B, T, H)
            both = np.stack(of_directions) if case.layers[0].merge is None else np.concatenate(of_directions, axis=-1)
            named["output"] = of_directions[0] if len(of_directions) == 1 else both
        return joined(case, named, [states])

    def _run(self, case: Case, names: list[str]) -> list[FloatArray]:
        zeros = [number for number, ours in STATES.items() if ours not in self.inputs]
        made = with_weights(self.model, case, names, self.layer.params.bias is not None, zeros, self._input(4))
        (part,) = parts(case)
        feeds = {"x": case.x if self.batch_first else case.x.swapaxes(0, 1)}
        feeds |= {"h0": part.h0, "c0": part.c0}
        inputs = {}
        for ours, (name, through) in self.inputs.items():
            array = feeds[ours].swapaxes(0, 1) if self.batch_first and ours != "x" else feeds[ours]
            for node in through:
                array = self._undone(node, array)
            inputs[name] = np.ascontiguousarray(array)
        if self.masks:
            B, T, _, _ = case.sizes
            inputs[self._input(4)] = (np.full(B, T) if case.mask is None else case.mask.sum(axis=1)).astype(np.int32)
        with np.errstate(all="ignore"):  # the evaluator's sigmoid overflows in saturation, and is right
            if self.engine == "evaluator":
                return list(ReferenceEvaluator(made).run(names, inputs))
            options = onnxruntime.SessionOptions()
            options.log_severity_level = SILENT
            options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
            session = onnxruntime.InferenceSession(made.SerializeToString(), options, ["CPUExecutionProvider"])
            return list(session.run(names, inputs))

    def _whole(self, node: Any) -> bool:
        """Whether a Slice cuts all directions of the state of a stack that has one layer."""
        starts, ends = (self._constant(name) for name in node.input[1:3])
        steps = self._constant(node.input[4]) if len(node.input) > 4 else [1]
        return starts == [0] and steps == [1] and ends is not None and min(ends) >= len(self.layer.directions)

    def _undone(self, node: Any, array: Array) -> Array:
        """What a node was given, from what it gave."""
        if node.op_type == "Identity" or (node.op_type == "Slice" and self._whole(node)):
            return array
        attributes = {each.name: list(each.ints) for each in node.attribute}
        if node.op_type == "Transpose":
            return array.transpose(np.argsort(attributes.get("perm", [*range(array.ndim)][::-1])))
        if node.op_type == "Slice":
            raise CandidateError(
                f"{self.path}: its node {node.name or node.op_type} cuts off a part of what the LSTM is given."
            )
        axes = attributes.get("axes") or (self._constant(node.input[1]) if len(node.input) > 1 else None)
        if axes is None:
            raise CandidateError(
                f"{self.path}: which axes its node {node.name or node.op_type} leaves out is not said."
            )
        return np.expand_dims(array, tuple(axes)) if node.op_type == "Squeeze" else array.squeeze(tuple(axes))


def _ordered(array: FloatArray, axes: str, directions: int) -> FloatArray:
    """An output as (directions, T, B, H), with T = 1 for a state."""
    lengths = [n for n, word in zip(array.shape, axes.split(" "), strict=True) for _ in word[:1]]
    shape: list[int] = []
    for n, word in zip(lengths, axes.split(), strict=True):
        shape += [directions, n // directions] if word == "du" else [n]
    letters = "".join(axes.split())
    full = array.reshape(shape)
    for letter in "dt":
        if letter not in letters:
            full, letters = full[np.newaxis], letter + letters
    return full.transpose([letters.index(letter) for letter in "dtbu"])


def _direction(layer: Layer) -> str:
    return "bidirectional" if len(layer.directions) == 2 else "of the forward direction" if layer.forward else "reverse"


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


@cache
def opened(spec: str) -> Graph:
    """The graph that a candidate's name ``onnx:FILE`` or ``onnx:FILE:ENGINE`` names."""
    name = spec.removeprefix("onnx:")
    file, _, engine = name.rpartition(":")
    return Graph(Path(file), engine) if file and not Path(name).is_file() else Graph(Path(name), ENGINES[0])
