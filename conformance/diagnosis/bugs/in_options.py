"""Other equations of one step: coupled gates, clip, activations."""

from __future__ import annotations

from conformance.diagnosis.bugs.entry import enter
from conformance.implementations.equations import Equations, Strand
from conformance.implementations.tape import Node

# Coupled gates.


@enter(
    "options",
    "coupled-gates-ignored",
    "The forget gate is computed with its own weights.",
    "The first cell state is right if c0 is zero.",
    "With coupled gates, f = 1 - i.",
    needs="coupled",
)
class CoupledIgnored(Equations):
    def input_and_forget(self, strand: Strand, z_i: Node, z_f: Node) -> tuple[Node, Node]:
        return self.gate(strand, "i", z_i), self.gate(strand, "f", z_f)


@enter(
    "options",
    "coupled-gates-of-forget",
    "i is 1 - f, rather than f = 1 - i.",
    "Everything is wrong.",
    "With coupled gates, the input gate is computed and the forget gate is what it leaves.",
    needs="coupled",
)
class CoupledOfForget(Equations):
    def input_and_forget(self, strand: Strand, z_i: Node, z_f: Node) -> tuple[Node, Node]:
        if not strand.options.coupled_gates:
            return super().input_and_forget(strand, z_i, z_f)
        f = self.gate(strand, "f", z_f)
        return self.coupled(f), f


@enter(
    "options",
    "grad-coupled-gate-missing",
    "The input gate gets no gradient through the forget gate.",
    "Forward is right; hidden by T = 1 with a zero c0.",
    "d_i gets -d_f.",
    needs="coupled",
)
class GradCoupledMissing(Equations):
    def coupled(self, i: Node) -> Node:
        return self.tape.passed(super().coupled(i), lambda g: None)


# Clip.


@enter(
    "options",
    "clip-ignored",
    "The clip makes no difference.",
    "Hidden by small arguments.",
    "Cut the arguments of gates and candidate to [-clip, clip].",
    needs="clip",
)
class ClipIgnored(Equations):
    def clipped(self, strand: Strand, z: Node) -> Node:
        return z


@enter(
    "options",
    "clip-after-activation",
    "What the activations give is cut, rather than what they are given.",
    "Hidden by a clip of 1 or more.",
    "Cut the arguments of gates and candidate to [-clip, clip].",
    needs="clip",
)
class ClipAfter(Equations):
    def activated(self, strand: Strand, name: str, z: Node, gate: str) -> Node:
        return Equations.clipped(self, strand, super().activated(strand, name, z, gate))

    def clipped(self, strand: Strand, z: Node) -> Node:
        return z


@enter(
    "options",
    "clip-of-cell",
    "The cell state is cut, rather than the arguments of the gates.",
    "Hidden by a large clip.",
    "Cut the arguments of gates and candidate to [-clip, clip]; cell_clip of other libraries is another option.",
    needs="clip",
)
class ClipOfCell(Equations):
    def cell(self, strand: Strand, i: Node, f: Node, g: Node, c: Node) -> Node:
        return Equations.clipped(self, strand, super().cell(strand, i, f, g, c))

    def clipped(self, strand: Strand, z: Node) -> Node:
        return z


@enter(
    "options",
    "clip-above-alone",
    "Arguments are cut at the clip and not at its negative.",
    "Hidden by positive arguments.",
    "Cut the arguments to [-clip, clip].",
    needs="clip",
)
class ClipAbove(Equations):
    def clipped(self, strand: Strand, z: Node) -> Node:
        return self.tape.select(z.value[0] < 0, z, super().clipped(strand, z))


@enter(
    "options",
    "grad-clip-ignored",
    "Arguments that were cut get a gradient as if they were not.",
    "Forward is right; hidden by small arguments.",
    "Beyond the clip the slope is zero.",
    needs="clip",
)
class GradClipIgnored(Equations):
    def clipped(self, strand: Strand, z: Node) -> Node:
        return self.tape.valued(super().clipped(strand, z), gradient=z)


# Activations.


class OtherActivations(Equations):
    """Gates and candidate have other activations than they are to have."""

    instead: dict[str, str]

    def activated(self, strand: Strand, name: str, z: Node, gate: str) -> Node:
        return super().activated(strand, self.instead.get(name, name), z, gate)


@enter(
    "options", "hard-sigmoid-of-other-keras", "hard_sigmoid is that of the other Keras.",
    "Hidden by small arguments, near which both are alike.",
    "Keras 3: clip(z / 6 + 0.5, 0, 1); Keras 2: clip(0.2 * z + 0.5, 0, 1).", needs="activations",
)  # fmt: skip
class OtherKeras(OtherActivations):
    instead = {"hard_sigmoid": "hard_sigmoid_keras2", "hard_sigmoid_keras2": "hard_sigmoid"}  # noqa: RUF012 - read only


@enter(
    "options", "sigmoid-for-hard-sigmoid", "The sigmoid stands for hard_sigmoid.", "Hidden by small arguments.",
    "Use the activation that the model names.", needs="activations",
)  # fmt: skip
class SigmoidForHard(OtherActivations):
    instead = dict.fromkeys(("hard_sigmoid", "hard_sigmoid_keras2"), "sigmoid")


@enter(
    "options",
    "candidate-activation-ignored",
    "The candidate is tanh, whatever activation there is to be.",
    "Hidden by small arguments, where several activations are alike.",
    "Use the activation that the model names.",
    needs="activations",
)
class CandidateStaysTanh(Equations):
    def candidate(self, strand: Strand, z: Node) -> Node:
        return self.activated(strand, "tanh", z, "c")


@enter(
    "options",
    "output-activation-stays-tanh",
    "The cell's activation on its way out is tanh, whatever it is to be.",
    "The cell state is right after one step.",
    "Without an output activation of its own, the cell has the candidate's.",
    needs="activations",
)
class OutputStaysTanh(Equations):
    def shaped(self, strand: Strand, c: Node) -> Node:
        return self.tape.activated("tanh", c)


@enter(
    "options",
    "output-activation-is-candidates",
    "The cell's activation on its way out is the candidate's, though it has one of its own.",
    "Hidden if it has none of its own.",
    "Use the output activation where there is one.",
    needs="activations",
)
class OutputIsCandidates(Equations):
    def shaped(self, strand: Strand, c: Node) -> Node:
        return self.tape.activated(strand.options.activation, c)
