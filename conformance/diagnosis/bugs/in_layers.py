"""Several layers, and how the outputs of both directions become one."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.implementations.equations import Equations, Place, States, Strand
from conformance.implementations.tape import Node
from lstm_ref import Layer


@enter(
    "layers",
    "concat-halves-exchanged",
    "The output has the reverse direction's half first.",
    "The final states are right.",
    "Join the forward direction's outputs and then the reverse direction's.",
    needs="bidirectional",
)
class HalvesExchanged(Equations):
    def joined(self, there: Node, back: Node) -> Node:
        return super().joined(back, there)


@enter(
    "layers",
    "concat-interleaved",
    "The units of both directions alternate in the output.",
    "The final states are right; hidden by one unit.",
    "Join along the last axis, rather than stack there and reshape.",
    needs="bidirectional",
)
class Interleaved(Equations):
    def joined(self, there: Node, back: Node) -> Node:
        n = there.value.shape[-1]
        return super().joined(there, back)[..., np.arange(2 * n).reshape(2, n).T.ravel()]


@enter(
    "layers",
    "merge-ave-not-halved",
    'merge "ave" gives the sum.',
    "Outputs are twice what they should be.",
    "Halve the sum of both outputs.",
    needs="bidirectional merge",
)
class NotHalved(Equations):
    def averaged(self, there: Node, back: Node) -> Node:
        return there + back


class MergedOtherwise(Equations):
    merge: str
    instead: str | None

    def merged(self, layer: Layer, outputs: list[Node]) -> Node:
        exchanged = len(outputs) == 2 and layer.merge == self.merge
        return super().merged(Layer(layer.forward, layer.reverse, self.instead) if exchanged else layer, outputs)


@enter(
    "layers",
    "merge-mul-adds",
    'merge "mul" gives the sum.',
    "The final states are right.",
    "Multiply the outputs of both directions.",
    needs="bidirectional merge",
)
class MulAdds(MergedOtherwise):
    merge, instead = "mul", "sum"


@enter(
    "layers", "merge-sum-averages", 'merge "sum" gives the mean.', "Outputs are half of what they should be.",
    "Add the outputs of both directions.", needs="bidirectional merge",
)  # fmt: skip
class SumAverages(MergedOtherwise):
    merge, instead = "sum", "ave"


@enter(
    "layers",
    "unmerged-exchanged",
    "Of two outputs the reverse direction's comes first.",
    "The final states are right.",
    "Give the forward direction's output first.",
    needs="bidirectional merge",
)
class UnmergedExchanged(Equations):
    def merged(self, layer: Layer, outputs: list[Node]) -> Node:
        return super().merged(layer, outputs[::-1] if layer.merge is None else outputs)


@enter(
    "layers",
    "states-directions-first",
    "States are in the order of directions, then layers.",
    "Hidden by one layer or one direction, and in the forward pass by zero initial states but for h and c.",
    "Rows of states are layer by layer, and of each layer the forward direction first.",
    needs="stacked bidirectional",
)
class DirectionsFirst(Equations):
    def places(self) -> list[Place]:
        return sorted(super().places(), key=lambda place: place[1])


@enter(
    "layers",
    "final-states-of-last-layer",
    "The final states of the last layer are given for all of them.",
    "The outputs are right.",
    "Keep the final states of every layer.",
    needs="stacked",
)
class StatesOfLastLayer(Equations):
    def final(self, states: States) -> list[Node]:
        last = len(self.case.layers) - 1
        return super().final({(k, d): states[last if self.case.uniform else k, d] for k, d in states})


@enter(
    "layers",
    "initial-states-of-first-layer",
    "Every layer begins with the first one's initial state.",
    "Hidden by zero initial states.",
    "Give each layer its own rows of h0 and c0.",
    needs="stacked",
)
class InitialOfFirstLayer(Equations):
    def initial(self, leaves: list[Node]) -> States:
        states = super().initial(leaves)
        return {(k, d): states[0 if self.case.uniform else k, d] for k, d in states}


@enter(
    "layers",
    "initial-state-from-layer-below",
    "A layer begins with the final state of the one below it.",
    "Hidden by one layer.",
    "Begin with the layer's own rows of h0 and c0.",
    needs="stacked",
)
class InitialFromBelow(Equations):
    def network(self, *given: Any) -> tuple[Node, States, States]:
        self.ends: dict[Place, tuple[Node, Node]] = {}
        return super().network(*given)

    def strand(self, strand: Strand, x: Node, h: Node, c: Node) -> tuple[Node, Node, Node]:
        layer, direction = strand.place
        if layer and self.case.uniform:
            h, c = self.ends[layer - 1, direction]
        output, h, c = super().strand(strand, x, h, c)
        self.ends[strand.place] = h, c
        return output, h, c


@enter(
    "layers",
    "forward-half-passed-on",
    "The next layer gets the forward direction's outputs alone.",
    "Hidden by one layer.",
    "The next layer's input is the output of both directions.",
    needs="stacked bidirectional",
)
class ForwardHalfPassedOn(Equations):
    def passed_on(self, k: int, output: Node) -> Node:
        layer, n = self.case.layers[k], output.value.shape[-1]
        joined = len(layer.directions) == 2 and layer.merge == "concat" and k < len(self.case.layers) - 1
        return self.tape.select(np.arange(n) < n // 2, output) if joined else output


@enter(
    "layers",
    "grad-output-overwritten",
    "The memory of an inner layer's d_output is its d_x, too: the forward direction writes over what the reverse one is to read.",
    "Hidden by fewer than three layers: the first and the last one have memory of their own.",
    "Give d_x of each layer memory of its own, or run both directions before it is written.",
    needs="stacked bidirectional",
)
class OutputGradientOverwritten(Equations):
    """The forward direction is computed last, so that its gradients come first."""

    def directions(self, layer: Layer) -> list[str]:
        return super().directions(layer)[::-1]

    def inner(self, strand: Strand) -> bool:
        k = strand.place[0]
        joined = len(self.case.layers[k].directions) == 2 and self.case.layers[k].merge == "concat"
        return 0 < k < len(self.case.layers) - 1 and joined

    def turned(self, strand: Strand, x: Node) -> Node:
        def written(g: Any) -> Any:
            self.memory = g
            return g

        forward = self.inner(strand) and not strand.reverse
        return super().turned(strand, self.tape.passed(x, written) if forward else x)

    def put_back(self, strand: Strand, output: Node) -> Node:
        output, n = super().put_back(strand, output), output.value.shape[-1]
        fits = strand.reverse and self.inner(strand) and self.case.layers[strand.place[0]].input_size == 2 * n
        return self.tape.passed(output, lambda g: self.memory[..., n:]) if fits else output
