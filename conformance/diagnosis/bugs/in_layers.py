"""Several layers, both directions, and how their outputs and states are put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.implementations.equations import Equations, Mask, Place, States, Strand
from conformance.implementations.tape import Node
from lstm_ref import Layer, Options


def second(equations: Equations, place: Place) -> bool:
    """Whether a direction is the reverse one of two."""
    layer, direction = place
    return direction == "reverse" and len(equations.case.layers[layer].directions) == 2


@enter(
    "layers",
    "reverse-outputs-not-put-back",
    "The reverse direction's outputs stay in the order in which they were made.",
    "The final states are right; hidden by T = 1.",
    "Turn the reverse direction's outputs round before they are joined with the forward direction's.",
    needs="bidirectional",
)
class OutputsNotPutBack(Equations):
    def put_back(self, strand: Strand, output: Node) -> Node:
        return output if second(self, strand.place) else super().put_back(strand, output)


@enter(
    "layers",
    "reverse-alone-not-put-back",
    "The outputs of a layer that reads from the end alone stay in the order in which they were made.",
    "The final states are right; hidden by T = 1.",
    "Turn the outputs round: a layer of direction reverse gives them in the order of its input, unlike go_backwards.",
    needs="reverse",
)
class AloneNotPutBack(Equations):
    def put_back(self, strand: Strand, output: Node) -> Node:
        return super().put_back(strand, output) if second(self, strand.place) else output


@enter(
    "layers",
    "reverse-alone-reads-forward",
    "A layer that is to read from the end reads from the beginning.",
    "Hidden by T = 1.",
    "Read the input from its end, and give the outputs in the order of the input.",
    needs="reverse",
)
class AloneReadsForward(Equations):
    def turned(self, strand: Strand, x: Node) -> Node:
        turned = super().turned(strand, x)
        return turned if second(self, strand.place) or not strand.reverse else turned[..., ::-1, :]

    def put_back(self, strand: Strand, output: Node) -> Node:
        return super().put_back(strand, output) if second(self, strand.place) else output

    def strand_mask(self, mask: Mask | None, place: Place) -> Mask | None:
        layer, _ = place
        return super().strand_mask(mask, place if second(self, place) else (layer, "forward"))


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
    "reverse-final-state-at-last-step",
    "The reverse direction's final state is taken at T - 1, where it has read one step.",
    "The outputs are right; hidden by T = 1.",
    "Take the state after the last step that was read, which is the input's first.",
    needs="bidirectional",
)
class ReverseStateAtLastStep(Equations):
    def final_of(self, strand: Strand, hs: list[Node], cs: list[Node]) -> tuple[Node, Node]:
        return (hs[0], cs[0]) if second(self, strand.place) else super().final_of(strand, hs, cs)


@enter(
    "layers",
    "last-output-of-reverse-at-last-step",
    "The reverse direction's last output is taken at T - 1, where it has read one step.",
    "Outputs of all steps are right; hidden by T = 1.",
    "Take each direction's output at the step that it reads last: of the reverse direction the first.",
    needs="bidirectional last-output",
)
class ReverseOutputAtLastStep(Equations):
    def last(self, strand: Strand, output: Node) -> Node:
        return output[..., 0, :] if second(self, strand.place) else super().last(strand, output)


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
    "initial-state-of-reverse-ignored",
    "The reverse direction begins with zeros.",
    "Hidden by zero initial states.",
    "Give the reverse direction its own rows of h0 and c0.",
    needs="bidirectional",
)
class ReverseBeginsWithZeros(Equations):
    def initial(self, leaves: list[Node]) -> States:
        nothing = np.zeros((1, 1), bool)
        states = super().initial(leaves)
        return {place: self.tape.select(nothing, s) if second(self, place) else s for place, s in states.items()}


@enter(
    "layers",
    "initial-state-of-reverse-is-forwards",
    "The reverse direction begins with the forward direction's initial state.",
    "Hidden by zero or equal initial states.",
    "Give the reverse direction its own rows of h0 and c0.",
    needs="bidirectional",
)
class ReverseBeginsLikeForward(Equations):
    def initial(self, leaves: list[Node]) -> States:
        states = super().initial(leaves)
        return {place: states.get((place[0], "forward"), state) for place, state in states.items()}


@enter(
    "layers",
    "reverse-has-forward-weights",
    "Both directions have the forward direction's weights.",
    "Hidden by equal weights.",
    "Read the reverse direction's own weights.",
    needs="bidirectional",
)
class SharedWeights(Equations):
    def weights_of(self, place: Place, weights: Mapping[Place, Mapping[str, Node]]) -> Mapping[str, Node]:
        return weights.get((place[0], "forward"), weights[place])


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


class DirectionWithoutGradient(Equations):
    """The input gets no gradient from one of two directions."""

    lost: str

    def turned(self, strand: Strand, x: Node) -> Node:
        turned, (layer, direction) = super().turned(strand, x), strand.place
        lost = direction == self.lost and len(self.case.layers[layer].directions) == 2
        return self.tape.passed(turned, lambda g: None) if lost else turned


@enter(
    "layers", "grad-input-of-reverse-missing", "The input's gradient is the forward direction's alone.",
    "Forward is right, and the last layer's weights have the right gradients.",
    "Add what both directions give to d_x, which is also the d_output of the layer below.", needs="bidirectional",
)  # fmt: skip
class ReverseNotAdded(DirectionWithoutGradient):
    lost = "reverse"


@enter(
    "layers", "grad-input-overwritten-by-reverse", "The input's gradient is the reverse direction's alone.",
    "Forward is right, and the last layer's weights have the right gradients.",
    "Add what both directions give to d_x rather than write one over the other.", needs="bidirectional",
)  # fmt: skip
class ForwardOverwritten(DirectionWithoutGradient):
    lost = "forward"


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


@enter(
    "layers",
    "go-backwards-ignored",
    "go_backwards makes no difference.",
    "Hidden by T = 1.",
    "Read the sequence from its end.",
    needs="backwards",
)
class BackwardsIgnored(Equations):
    def from_the_end(self, options: Options) -> bool:
        return False


@enter(
    "layers",
    "go-backwards-put-back",
    "Outputs of a layer that goes backwards are given in the order of its input.",
    "The final states are right; hidden by T = 1.",
    "With go_backwards, outputs stay in the order in which they were made; ONNX's reverse direction is the one that turns them.",
    needs="backwards",
)
class BackwardsPutBack(Equations):
    def passed_on(self, k: int, output: Node) -> Node:
        options = self.case.layers[k].options
        return output[..., ::-1, :] if options.go_backwards and options.return_sequences else output


@enter(
    "layers",
    "go-backwards-mask-not-turned",
    "A layer that goes backwards reads its mask from the beginning.",
    "Hidden without a mask, or by one that is the same from both ends.",
    "Turn the mask round together with the input.",
    needs="backwards mask",
)
class BackwardsMaskNotTurned(Equations):
    def strand_mask(self, mask: Mask | None, place: Place) -> Mask | None:
        turned = super().strand_mask(mask, place)
        backwards = turned is not None and self.from_the_end(self.case.layers[place[0]].options)
        return turned[:, ::-1] if turned is not None and backwards else turned
