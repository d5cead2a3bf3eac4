"""Steps that do not count, and sequences of different lengths."""

from __future__ import annotations

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.in_directions import second
from conformance.implementations.equations import Equations, Mask, Place, Strand
from conformance.implementations.tape import Node
from lstm_ref import Options


@enter(
    "masks",
    "mask-ignored",
    "The mask makes no difference.",
    "Hidden if every step counts.",
    "Where a step does not count, keep the state.",
    needs="mask",
)
class MaskIgnored(Equations):
    def mask(self) -> Mask | None:
        return None


@enter(
    "masks",
    "padding-changes-state",
    "Padded steps change h and c; the mask is used for the outputs alone.",
    "Hidden by right padding where only outputs are looked at.",
    "Keep h and c where a step does not count: h = where(mask, h_new, h).",
    needs="mask",
)
class PaddingChangesState(Equations):
    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        return h, c


@enter(
    "masks",
    "padding-changes-cell",
    "Padded steps keep h and change c.",
    "Hidden by right padding where only outputs and h are looked at.",
    "Keep c, too, where a step does not count.",
    needs="mask",
)
class PaddingChangesCell(Equations):
    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        return super().held(strand, t, h, c, h_before, c_before)[0], c


@enter(
    "masks",
    "reverse-starts-in-padding",
    "The reverse direction reads the padding before it comes to the last step of a shorter sequence.",
    "The forward direction is right; hidden if all sequences are of one length.",
    "Begin at each sequence's own last step, or hold the state while the padding is read.",
    needs="mask bidirectional",
)
class ReverseReadsPadding(Equations):
    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        return (h, c) if second(self, strand.place) else super().held(strand, t, h, c, h_before, c_before)


@enter(
    "masks",
    "reverse-mask-not-turned",
    "The reverse direction reads the mask from the beginning.",
    "The forward direction is right; hidden by a mask that is the same from both ends.",
    "Turn the mask round together with the input.",
    needs="mask bidirectional",
)
class ReverseMaskNotTurned(Equations):
    def strand_mask(self, mask: Mask | None, place: Place) -> Mask | None:
        return super().strand_mask(mask, (place[0], "forward") if second(self, place) else place)


@enter(
    "masks",
    "mask-late",
    "The mask acts one step late.",
    "Hidden if every step counts.",
    "Step t is masked by mask[:, t].",
    needs="mask",
)
class MaskLate(Equations):
    def mask(self) -> Mask | None:
        mask = super().mask()
        return None if mask is None else mask[:, [0, *range(mask.shape[1] - 1)]]


@enter(
    "masks",
    "mask-early",
    "The mask acts one step early.",
    "Hidden if every step counts.",
    "Step t is masked by mask[:, t].",
    needs="mask",
)
class MaskEarly(Equations):
    def mask(self) -> Mask | None:
        mask = super().mask()
        return None if mask is None else mask[:, [*range(1, mask.shape[1]), -1]]


@enter(
    "masks",
    "mask-inverted",
    "The mask is taken as true where a step does not count.",
    "Everything is wrong.",
    "True means that a step counts; padding masks of attention layers are the other way round.",
    needs="mask",
)
class MaskInverted(Equations):
    def mask(self) -> Mask | None:
        mask = super().mask()
        return None if mask is None else ~mask


@enter(
    "masks",
    "mask-of-first-layer-alone",
    "Only the first layer gets the mask.",
    "Hidden by one layer.",
    "Give the mask to every layer.",
    needs="mask stacked",
)
class MaskOfFirstLayer(Equations):
    def strand_mask(self, mask: Mask | None, place: Place) -> Mask | None:
        return None if place[0] else super().strand_mask(mask, place)


@enter(
    "masks",
    "masked-output-not-zeroed",
    "Masked steps repeat the output before them, though they are to give zeros.",
    "The final states are right.",
    "With zero_output_for_mask, the output is zero where a step does not count.",
    needs="mask zero-output",
)
class OutputNotZeroed(Equations):
    def zeroes(self, options: Options) -> bool:
        return False


@enter(
    "masks",
    "masked-output-zeroed",
    "Masked steps give zeros, though they are to repeat the output before them.",
    "The final states are right.",
    "Unless zero_output_for_mask is set, the output of a masked step is that of the step before it.",
    needs="mask",
)
class OutputZeroed(Equations):
    def zeroes(self, options: Options) -> bool:
        return True


@enter(
    "masks",
    "output-before-first-step-is-h0",
    "Before the first step that counts, the output is the initial state.",
    "Hidden by right padding, and by zero initial states.",
    "Before the first step that counts, there is no output to repeat: give zeros.",
    needs="mask",
)
class OutputIsInitialState(Equations):
    def shown(self, strand: Strand, output: Node) -> Node:
        return super().shown(strand, output) if self.zeroes(strand.options) else output


@enter(
    "masks",
    "grad-mask-ignored",
    "The backward pass goes through masked steps as if they counted.",
    "Forward is right.",
    "Where a step does not count, pass d_h and d_c on to the step before it as they are.",
    needs="mask",
)
class GradMaskIgnored(Equations):
    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        h_held, c_held = super().held(strand, t, h, c, h_before, c_before)
        return self.tape.valued(h_held, gradient=h), self.tape.valued(c_held, gradient=c)


@enter(
    "masks",
    "grad-held-state-lost",
    "What comes back to a masked step is lost, rather than passed on to the step before it.",
    "Forward is right; hidden by left padding.",
    "Where a step does not count, pass d_h and d_c on to the step before it as they are.",
    needs="mask",
)
class GradHeldLost(Equations):
    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        lost = (self.tape.passed(state, lambda g: None) for state in (h_before, c_before))
        return super().held(strand, t, h, c, *lost)


@enter(
    "masks",
    "grad-zeroed-output-counted",
    "The cotangents of outputs that were set to zero are counted.",
    "Forward is right; hidden by a loss that is masked, too.",
    "Set d_output to zero where the output was.",
    needs="mask zero-output",
)
class GradZeroedCounted(Equations):
    def shown(self, strand: Strand, output: Node) -> Node:
        shown = super().shown(strand, output)
        return self.tape.valued(shown, gradient=output) if self.zeroes(strand.options) else shown


@enter(
    "masks",
    "packed-order-not-undone",
    "Samples are sorted by length and given back in that order.",
    "Hidden if they are sorted already, as with two samples of which the first is longer.",
    "Put samples back into the caller's order: output[order] = sorted_output.",
    needs="mask",
)
class PackedOrderKept(Equations):
    def given(self, output: Node, h: list[Node], c: list[Node]) -> tuple[Node, list[Node], list[Node]]:
        if self.case.mask is None:
            return output, h, c
        order = np.argsort(-self.case.mask.sum(axis=1), kind="stable")
        rows = (..., order, slice(None))
        steps = (slice(None),) * self.case.layers[-1].options.return_sequences
        return output[..., order, *steps, :], [state[rows] for state in h], [state[rows] for state in c]
