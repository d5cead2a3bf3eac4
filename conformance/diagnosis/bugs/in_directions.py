"""Layers that read from the end, alone or in both directions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.implementations.equations import Equations, Mask, Place, States, Strand
from conformance.implementations.tape import Node
from lstm_ref import Options


def second(equations: Equations, place: Place) -> bool:
    """Whether a direction is the reverse one of two."""
    layer, direction = place
    return direction == "reverse" and len(equations.case.layers[layer].directions) == 2


@enter(
    "directions",
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
    "directions",
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
    "directions",
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
    "directions",
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
    "directions",
    "reverse-final-h-is-last-output",
    "The reverse direction's final h is its output at T - 1, where it has read one step; its c is right.",
    "The outputs are right; hidden by T = 1.",
    "Take h after the last step that was read: the reverse direction's output at 0.",
    family="reverse-final-state-at-last-step",
    needs="bidirectional",
)
class ReverseHiddenAtLastStep(Equations):
    def final_of(self, strand: Strand, hs: list[Node], cs: list[Node]) -> tuple[Node, Node]:
        return (hs[0], cs[-1]) if second(self, strand.place) else super().final_of(strand, hs, cs)


@enter(
    "directions",
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
    "directions",
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
    "directions",
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
    "directions",
    "reverse-has-forward-weights",
    "Both directions have the forward direction's weights.",
    "Hidden by equal weights.",
    "Read the reverse direction's own weights.",
    needs="bidirectional",
)
class SharedWeights(Equations):
    def weights_of(self, place: Place, weights: Mapping[Place, Mapping[str, Node]]) -> Mapping[str, Node]:
        return weights.get((place[0], "forward"), weights[place])


class DirectionWithoutGradient(Equations):
    """The input gets no gradient from one of two directions."""

    lost: str

    def turned(self, strand: Strand, x: Node) -> Node:
        turned, (layer, direction) = super().turned(strand, x), strand.place
        lost = direction == self.lost and len(self.case.layers[layer].directions) == 2
        return self.tape.passed(turned, lambda g: None) if lost else turned


@enter(
    "directions", "grad-input-of-reverse-missing", "The input's gradient is the forward direction's alone.",
    "Forward is right, and the last layer's weights have the right gradients.",
    "Add what both directions give to d_x, which is also the d_output of the layer below.", needs="bidirectional",
)  # fmt: skip
class ReverseNotAdded(DirectionWithoutGradient):
    lost = "reverse"


@enter(
    "directions", "grad-input-overwritten-by-reverse", "The input's gradient is the reverse direction's alone.",
    "Forward is right, and the last layer's weights have the right gradients.",
    "Add what both directions give to d_x rather than write one over the other.", needs="bidirectional",
)  # fmt: skip
class ForwardOverwritten(DirectionWithoutGradient):
    lost = "forward"


@enter(
    "directions",
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
    "directions",
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
    "directions",
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
