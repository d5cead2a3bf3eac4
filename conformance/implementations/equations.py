"""The forward equations of any case, written once; its gradients are what a tape makes of them.

For row vectors, with s the recurrent activation, a the activation and a' that of the output:

    z = x W + (h * r) U + b,    z_i += p_i * c,   z_f += p_f * c
    i, f, g = s(z_i), s(z_f), a(z_c)       f = 1 - i with coupled gates
    c' = f * c + i * g,                    z_o += p_o * c'
    o = s(z_o),                            h' = (o * a'(c')) P

with r the factors of the recurrent dropout, p the peepholes and P the projection, and every z cut to [-clip, clip], where there are
any. A step that does not count holds h and c.

There is no backward pass here. Which numbers come out depends on what the tape computes with: floats, as here, for bugs, which are
this with one method overridden; intervals, in `conformance.implementations.certified`; random roundings, in
`conformance.judging.roundings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.case import Case, Result
from conformance.implementations.tape import Node, Tape
from lstm_ref import Dropout, Layer, Options

Mask = npt.NDArray[np.bool_]
Place = tuple[int, str]
"""A layer and a direction."""
States = dict[Place, Node]


@dataclass
class Strand:
    """One direction of one layer.

    Attributes
    ----------
    place : tuple
        The layer's number and "forward" or "reverse".
    options : Options
    weights : mapping
        kernel, recurrent_kernel and, where there are any, bias, projection and peephole.
    mask : array (B, T) or None
        In the order in which the steps are taken.
    dropout : Dropout
    """

    place: Place
    options: Options
    weights: Mapping[str, Node]
    mask: Mask | None
    dropout: Dropout

    @property
    def name(self) -> str:
        """Such as ``layers.0.forward``."""
        layer, direction = self.place
        return f"layers.{layer}.{direction}"

    @property
    def reverse(self) -> bool:
        """Whether it reads from the end."""
        return self.place[1] == "reverse"


class Equations:
    """Networks of LSTM layers, whose parts can be overridden.

    Overridden methods call ``super()`` where they change what the method gives, so that several classes can be bases of one.
    """

    @np.errstate(all="ignore")  # the exponential overflows in saturation, where the sigmoid is right all the same
    def __call__(self, case: Case) -> Result:
        """Every quantity of a case, in its dtype."""
        return {name: array[0] for name, array in self.evaluated(case, Tape()).items()}

    def evaluated(self, case: Case, tape: Tape) -> dict[str, Any]:
        """Every quantity of a case by name, in the tape's numbers: arrays (runs, *shape) or (1, *shape)."""
        self.case, self.tape = case, tape
        x, h0, c0 = tape.leaf(case.x), self._leaves(case.h0), self._leaves(case.c0)
        weights = {
            (k, direction): {name: tape.leaf(array) for name, array in params.arrays.items()}
            for k, layer in enumerate(case.layers)
            for direction, params in layer.directions.items()
        }
        output, h, c = self.network(x, self.initial(h0), self.initial(c0), weights)
        output, hs, cs = self.given(output, self.final(h), self.final(c))
        tape.backpropagate(
            [
                (output, case.d_output),
                *zip(hs, self._arrays(case.d_h), strict=True),
                *zip(cs, self._arrays(case.d_c), strict=True),
            ]
        )
        found = {"output": output.value, "d_x": x.cotangent}
        for name, nodes in {"h": hs, "c": cs}.items():
            found |= {self._state_name(name, k): node.value for k, node in enumerate(nodes)}
        for name, nodes in {"d_h0": h0, "d_c0": c0}.items():
            found |= {self._state_name(name, k): node.cotangent for k, node in enumerate(nodes)}
        for (k, direction), of_strand in weights.items():
            prefix = "" if case.single else f"layers.{k}.{direction}."
            found |= {f"{prefix}d_{name}": node.cotangent for name, node in of_strand.items()}
        zeros = (tape.arithmetic.zeros((1, *shape), x.value.dtype) for shape in case.shapes.values())
        return {
            name: zero if found[name] is None else found[name] for name, zero in zip(case.shapes, zeros, strict=True)
        }

    # States, in the form that the case has them in.

    def _arrays(self, states: Any) -> list[npt.NDArray[Any]]:
        """One array for each layer where widths differ, else a single one."""
        return list(states) if isinstance(states, tuple) else [states]

    def _leaves(self, states: Any) -> list[Node]:
        return [self.tape.leaf(array) for array in self._arrays(states)]

    def _state_name(self, name: str, k: int) -> str:
        return name if self.case.uniform else f"layers.{k}.{name}"

    def places(self) -> list[Place]:
        """Whose states follow each other: the directions of the first layer, then those of the second, and so on."""
        return [(k, direction) for k, layer in enumerate(self.case.layers) for direction in layer.directions]

    def initial(self, leaves: list[Node]) -> States:
        """The states that each direction of each layer begins with."""
        places = self.places()
        if self.case.single:
            return {places[0]: leaves[0]}
        if self.case.uniform:
            return {place: leaves[0][:, row] for row, place in enumerate(places)}
        return {
            (k, d): leaves[k][:, row]
            for k, layer in enumerate(self.case.layers)
            for row, d in enumerate(layer.directions)
        }

    def final(self, states: States) -> list[Node]:
        """The states that each direction of each layer ends with, in the case's form."""
        places = self.places()
        if self.case.single:
            return [states[places[0]]]
        if self.case.uniform:
            return [self.tape.stacked([states[place] for place in places], 1)]
        return [
            self.tape.stacked([states[k, d] for d in layer.directions], 1) for k, layer in enumerate(self.case.layers)
        ]

    def given(self, output: Node, h: list[Node], c: list[Node]) -> tuple[Node, list[Node], list[Node]]:
        """What is given to the caller, of outputs and final states."""
        return output, h, c

    # Layers and directions.

    def network(
        self, x: Node, h0: States, c0: States, weights: Mapping[Place, Mapping[str, Node]]
    ) -> tuple[Node, States, States]:
        """The last layer's output, and all final states."""
        mask, h, c = self.mask(), dict[Place, Node](), dict[Place, Node]()
        if mask is not None:
            x = self.tape.select(mask[..., np.newaxis], x)  # what is padded is not looked at, and may be NaN
        for k, layer in enumerate(self.case.layers):
            outputs = {}
            for direction in self.directions(layer):
                place = k, direction
                strand = Strand(
                    place,
                    layer.options,
                    self.weights_of(place, weights),
                    self.strand_mask(mask, place),
                    self.dropout(place),
                )
                outputs[direction], h[place], c[place] = self.strand(strand, x, h0[place], c0[place])
            x = self.passed_on(k, self.merged(layer, [outputs[direction] for direction in layer.directions]))
        return x, h, c

    def directions(self, layer: Layer) -> list[str]:
        """The directions of a layer in the order in which they are computed."""
        return list(layer.directions)

    def mask(self) -> Mask | None:
        """Which steps count, (B, T)."""
        return self.case.mask

    def weights_of(self, place: Place, weights: Mapping[Place, Mapping[str, Node]]) -> Mapping[str, Node]:
        """The weights of one direction of a layer."""
        return weights[place]

    def strand_mask(self, mask: Mask | None, place: Place) -> Mask | None:
        """The mask in the order in which one direction of a layer takes its steps."""
        layer, direction = place
        if mask is None:
            return None
        mask = mask[:, ::-1] if self.from_the_end(self.case.layers[layer].options) else mask
        return mask[:, ::-1] if direction == "reverse" else mask

    def from_the_end(self, options: Options) -> bool:
        """Whether the whole layer goes backwards."""
        return options.go_backwards

    def dropout(self, place: Place) -> Dropout:
        """The factors of one direction of a layer."""
        layer, direction = place
        return self.case.dropout[layer][direction] if self.case.dropout else Dropout()

    def merged(self, layer: Layer, outputs: list[Node]) -> Node:
        """One output of those of all directions."""
        if len(outputs) == 1:
            return outputs[0]
        there, back = outputs
        match layer.merge:
            case "concat":
                return self.joined(there, back)
            case "sum":
                return there + back
            case "mul":
                return there * back
            case "ave":
                return self.averaged(there, back)
            case _:
                return self.tape.stacked(outputs, 1)

    def joined(self, there: Node, back: Node) -> Node:
        """The outputs of both directions, side by side."""
        return self.tape.joined([there, back])

    def averaged(self, there: Node, back: Node) -> Node:
        """Half the sum."""
        return self.tape.halved(there + back)

    def passed_on(self, k: int, output: Node) -> Node:
        """The output of a layer, as it becomes the next one's input, or the network's output."""
        return output

    # One direction of one layer.

    def strand(self, strand: Strand, x: Node, h: Node, c: Node) -> tuple[Node, Node, Node]:
        """Its output, in the order in which the layer gives it, and its final states."""
        x = self.turned(strand, self.dropped_input(strand, x))
        from_x = x @ strand.weights["kernel"]
        if "bias" in strand.weights:
            from_x = from_x + strand.weights["bias"]
        hs, cs = [], []
        for t in range(self.case.x.shape[1]):
            h, c = self.held(strand, t, *self.step(strand, t, from_x[..., t, :], h, c), h, c)
            hs.append(h)
            cs.append(c)
        output = self.shown(strand, self.tape.stacked(hs, -2))
        h, c = self.final_of(strand, hs, cs)
        if not strand.options.return_sequences:
            return self.last(strand, output), h, c
        return self.put_back(strand, output), h, c

    def turned(self, strand: Strand, x: Node) -> Node:
        """The input in the order in which the steps are taken."""
        x = x[..., ::-1, :] if self.from_the_end(strand.options) else x
        return x[..., ::-1, :] if strand.reverse else x

    def dropped_input(self, strand: Strand, x: Node) -> Node:
        """The input times its dropout factors."""
        factors = strand.dropout.input
        if factors is None:
            return x
        return x * self.tape.constant(factors if factors.ndim == 3 else factors[:, np.newaxis])

    def shown(self, strand: Strand, output: Node) -> Node:
        """The outputs with zeros where there is none: before the first step that counts, or at all that do not."""
        if strand.mask is None:
            return output
        there = strand.mask if self.zeroes(strand.options) else np.logical_or.accumulate(strand.mask, axis=1)
        return self.tape.select(there[..., np.newaxis], output)

    def zeroes(self, options: Options) -> bool:
        """Whether the output is zero at all steps that do not count."""
        return options.zero_output_for_mask

    def final_of(self, strand: Strand, hs: list[Node], cs: list[Node]) -> tuple[Node, Node]:
        """The final states, from those after each step that was taken."""
        return hs[-1], cs[-1]

    def last(self, strand: Strand, output: Node) -> Node:
        """The last output, of those in the order in which they were made."""
        return output[..., -1, :]

    def put_back(self, strand: Strand, output: Node) -> Node:
        """The outputs in the order of the input, as the layer reads it."""
        return output[..., ::-1, :] if strand.reverse else output

    def held(self, strand: Strand, t: int, h: Node, c: Node, h_before: Node, c_before: Node) -> tuple[Node, Node]:
        """The states after a step: as they were before it, where it does not count."""
        if strand.mask is None or strand.mask[:, t].all():
            return h, c
        counts = strand.mask[:, t, np.newaxis]
        return self.tape.select(counts, h, h_before), self.tape.select(counts, c, c_before)

    # One step.

    def step(self, strand: Strand, t: int, from_x: Node, h: Node, c: Node) -> tuple[Node, Node]:
        """The states h' and c' after a step, from x W + b of this step and the states before it."""
        z = from_x + self.dropped_state(strand, t, h) @ strand.weights["recurrent_kernel"]
        H = z.value.shape[-1] // 4
        z_i, z_f, z_c, z_o = (z[..., start : start + H] for start in range(0, 4 * H, H))
        if "peephole" in strand.weights:
            z_i, z_f = z_i + self.peephole(strand, "i", c), z_f + self.peephole(strand, "f", c)
        i, f = self.input_and_forget(strand, z_i, z_f)
        c_next = self.cell(strand, i, f, self.candidate(strand, z_c), c)
        if "peephole" in strand.weights:
            z_o = z_o + self.peephole(strand, "o", self.seen_by_o(c, c_next))
        o = self.gate(strand, "o", z_o)
        return self.hidden(strand, o, c_next), c_next

    def dropped_state(self, strand: Strand, t: int, h: Node) -> Node:
        """The hidden state times its dropout factors, on its way to the recurrent kernel."""
        factors = strand.dropout.recurrent
        return h if factors is None else h * self.tape.constant(factors)

    def peephole(self, strand: Strand, gate: str, c: Node) -> Node:
        """What a gate sees of the cell state."""
        return c * strand.weights["peephole"][:, "ifo".index(gate)]

    def seen_by_o(self, c: Node, c_next: Node) -> Node:
        """The cell state that the output gate sees."""
        return c_next

    def input_and_forget(self, strand: Strand, z_i: Node, z_f: Node) -> tuple[Node, Node]:
        """The gates i and f."""
        i = self.gate(strand, "i", z_i)
        return i, self.coupled(i) if strand.options.coupled_gates else self.gate(strand, "f", z_f)

    def coupled(self, i: Node) -> Node:
        """The forget gate that the input gate leaves."""
        return 1 - i

    def cell(self, strand: Strand, i: Node, f: Node, g: Node, c: Node) -> Node:
        """C' = f c + i g."""
        return f * c + i * g

    def gate(self, strand: Strand, gate: str, z: Node) -> Node:
        """A gate."""
        return self.activated(strand, strand.options.recurrent_activation, z, gate)

    def candidate(self, strand: Strand, z: Node) -> Node:
        """What the input gate lets in."""
        return self.activated(strand, strand.options.activation, z, "c")

    def activated(self, strand: Strand, name: str, z: Node, gate: str) -> Node:
        """An activation of what is within the clip."""
        return self.tape.activated(name, self.clipped(strand, z), f"{strand.name}.{gate}")

    def clipped(self, strand: Strand, z: Node) -> Node:
        """Z cut to [-clip, clip]."""
        return z if strand.options.clip is None else self.tape.clipped(z, strand.options.clip)

    def hidden(self, strand: Strand, o: Node, c: Node) -> Node:
        """H' from the output gate and the new cell."""
        return self.projected(strand, o * self.shaped(strand, c))

    def shaped(self, strand: Strand, c: Node) -> Node:
        """The cell on its way out, after its activation."""
        return self.tape.activated(strand.options.of_output, c)

    def projected(self, strand: Strand, h: Node) -> Node:
        """The hidden state after the projection, if there is one."""
        return h @ strand.weights["projection"] if "projection" in strand.weights else h


def compute(case: Case) -> Result:
    """Every quantity of a case, in its dtype."""
    return Equations()(case)
