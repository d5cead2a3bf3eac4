"""What networks multiply by beyond kernels: projections, peepholes, dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.implementations.equations import Equations, Place, Strand
from conformance.implementations.tape import Node
from lstm_ref import Dropout


def _lost(g: Any) -> None:
    """No gradient."""


def _swapped(g: Any) -> Any:
    return g.swapaxes(-1, -2).reshape(g.shape)


# Projection.


@enter(
    "variants",
    "projection-before-output-gate",
    "The projection is applied before the output gate, whose first units then gate it.",
    "The cell state is right after one step.",
    "h' = (o * tanh(c')) @ projection.",
    needs="projection",
)
class ProjectionFirst(Equations):
    def hidden(self, strand: Strand, o: Node, c: Node) -> Node:
        if "projection" not in strand.weights:
            return super().hidden(strand, o, c)
        projected = self.projected(strand, self.shaped(strand, c))
        return o[..., : projected.value.shape[-1]] * projected


@enter(
    "variants",
    "projection-not-recurrent",
    "The next step gets the first units of h as it was before the projection.",
    "Hidden by T = 1.",
    "The projected h is both the output and what the next step gets.",
    needs="projection",
)
class ProjectionNotRecurrent(Equations):
    def projected(self, strand: Strand, h: Node) -> Node:
        self.before = h
        return super().projected(strand, h)

    def dropped_state(self, strand: Strand, t: int, h: Node) -> Node:
        if t and "projection" in strand.weights:
            h = self.before[..., : h.value.shape[-1]]
        return super().dropped_state(strand, t, h)


@enter(
    "variants",
    "projection-tanh",
    "The projection is followed by tanh.",
    "Hidden by small hidden states.",
    "h' = (o * tanh(c')) @ projection, and nothing after it.",
    needs="projection",
)
class ProjectionTanh(Equations):
    def projected(self, strand: Strand, h: Node) -> Node:
        projected = super().projected(strand, h)
        return self.tape.activated("tanh", projected) if "projection" in strand.weights else projected


class OtherGradient(Equations):
    """A weight's gradient is lost, or another."""

    weight: str
    change: Any

    def weights_of(self, place: Place, weights: Any) -> Any:
        found = dict(super().weights_of(place, weights))
        if self.weight in found:
            found[self.weight] = self.tape.passed(found[self.weight], self.change)
        return found


@enter(
    "variants", "grad-projection-missing", "The projection gets no gradient.", "Everything else is right.",
    "d_projection is the sum over all steps of (o * tanh(c'))^T d_h'.", needs="projection",
)  # fmt: skip
class GradProjectionMissing(OtherGradient):
    weight, change = "projection", staticmethod(_lost)


@enter(
    "variants", "grad-projection-transposed", "The projection's gradient is transposed and reshaped.",
    "Everything else is right.", "d_projection has the shape of the projection, (H, P), without a reshape.",
    needs="projection",
)  # fmt: skip
class GradProjectionTransposed(OtherGradient):
    weight, change = "projection", staticmethod(_swapped)


# Peepholes.


@enter(
    "variants",
    "peepholes-ignored",
    "The peepholes make no difference.",
    "Hidden by zero peepholes.",
    "Add p * c to the arguments of the gates.",
    needs="peephole",
)
class PeepholesIgnored(Equations):
    def peephole(self, strand: Strand, gate: str, c: Node) -> Node:
        return self.tape.select(np.zeros((1, 1), bool), super().peephole(strand, gate, c))


@enter(
    "variants",
    "peephole-of-old-cell-for-o",
    "The output gate sees the cell state before the step.",
    "The cell state is right after one step.",
    "The output gate sees the new cell state: z_o + p_o * c'.",
    needs="peephole",
)
class OldCellForO(Equations):
    def seen_by_o(self, c: Node, c_next: Node) -> Node:
        return c


@enter(
    "variants",
    "peephole-order-iof",
    "The peepholes of f and o are exchanged.",
    "Hidden by equal peepholes.",
    "The peepholes are of the gates i, f and o, in this order; ONNX's P has i, o, f.",
    needs="peephole",
)
class PeepholeOrder(Equations):
    def peephole(self, strand: Strand, gate: str, c: Node) -> Node:
        return super().peephole(strand, {"i": "i", "f": "o", "o": "f"}[gate], c)


@enter(
    "variants",
    "grad-through-peephole-missing",
    "The cell state gets no gradient through the peepholes.",
    "Forward and d_peephole of the last step are right; hidden by T = 1 but for d_c0.",
    "d_c gets p_i * d_z_i and p_f * d_z_f, d_c' gets p_o * d_z_o.",
    needs="peephole",
)
class GradThroughPeephole(Equations):
    def peephole(self, strand: Strand, gate: str, c: Node) -> Node:
        return super().peephole(strand, gate, self.tape.passed(c, _lost))


@enter(
    "variants", "grad-peephole-missing", "The peepholes get no gradient.", "Everything else is right.",
    "d_peephole is the sum over steps and samples of d_z_i * c, d_z_f * c and d_z_o * c'.", needs="peephole",
)  # fmt: skip
class GradPeepholeMissing(OtherGradient):
    weight, change = "peephole", staticmethod(_lost)


# Dropout.


@enter(
    "variants",
    "dropout-ignored",
    "The dropout factors make no difference.",
    "Hidden at a rate of zero.",
    "Multiply the input and the hidden state by the factors.",
    needs="dropout",
)
class DropoutIgnored(Equations):
    def dropout(self, place: Place) -> Dropout:
        return Dropout()


@enter(
    "variants",
    "dropout-redrawn",
    "Factors that all steps share are drawn anew at each.",
    "Hidden by T = 1.",
    "Draw the factors once for a sequence.",
    needs="dropout",
)
class DropoutRedrawn(Equations):
    def dropped_input(self, strand: Strand, x: Node) -> Node:
        factors = strand.dropout.input
        if factors is not None and factors.ndim == 2:
            drawn = [np.roll(factors, t, axis=(0, 1)) for t in range(self.case.x.shape[1])]
            strand = replace(strand, dropout=Dropout(np.stack(drawn, axis=1), strand.dropout.recurrent))
        return super().dropped_input(strand, x)

    def dropped_state(self, strand: Strand, t: int, h: Node) -> Node:
        factors = strand.dropout.recurrent
        if factors is not None:
            strand = replace(strand, dropout=Dropout(None, np.roll(factors, t, axis=(0, 1))))
        return super().dropped_state(strand, t, h)


@enter(
    "variants",
    "dropout-on-output",
    "The recurrent factors multiply the hidden state itself, and so the output.",
    "Hidden by factors of 1.",
    "Multiply h on its way to the recurrent kernel; the output is h without the factors.",
    needs="dropout",
)
class DropoutOnOutput(Equations):
    def dropped_state(self, strand: Strand, t: int, h: Node) -> Node:
        return h if t else super().dropped_state(strand, t, h)

    def projected(self, strand: Strand, h: Node) -> Node:
        return super().dropped_state(strand, 0, super().projected(strand, h))


@enter(
    "variants",
    "dropout-of-reverse-not-turned",
    "The reverse direction meets the input's factors in the order of its own steps.",
    "Hidden if all steps share the factors.",
    "Multiply the input by the factors before it is turned round.",
    needs="dropout bidirectional stacked",
)
class DropoutNotTurned(Equations):
    def dropped_input(self, strand: Strand, x: Node) -> Node:
        factors = strand.dropout.input
        if strand.reverse and factors is not None and factors.ndim == 3:
            strand = replace(strand, dropout=Dropout(factors[:, ::-1], strand.dropout.recurrent))
        return super().dropped_input(strand, x)


@enter(
    "variants",
    "grad-dropout-ignored",
    "The gradients are those without dropout.",
    "Forward is right, and the weights' gradients are nearly.",
    "Multiply d_x and d_h by the same factors as x and h.",
    needs="dropout",
)
class GradDropoutIgnored(Equations):
    def dropped_input(self, strand: Strand, x: Node) -> Node:
        return self.tape.valued(super().dropped_input(strand, x), gradient=x)

    def dropped_state(self, strand: Strand, t: int, h: Node) -> Node:
        return self.tape.valued(super().dropped_state(strand, t, h), gradient=h)
