"""The cell's equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step, block


def _sigmoid(slug: str, title: str, shows: str, repair: str, function: Any, family: str = "") -> None:
    class OtherSigmoid(HookableLSTM):
        def sigmoid(self, z: Any) -> Any:
            return function(z).astype(z.dtype)

    enter("cell", slug, title, shows, repair, family)(OtherSigmoid)


_sigmoid(
    "hard-sigmoid-keras3", "The gates are clip(z/6 + 1/2, 0, 1), Keras 3's hard sigmoid.",
    "Gates are exactly 0 or 1 beyond 3.", "Use 1 / (1 + exp(-z)).", lambda z: np.clip(z / 6 + 0.5, 0, 1),
)  # fmt: skip
_sigmoid(
    "hard-sigmoid-keras2", "The gates are clip(0.2 z + 1/2, 0, 1), Keras 2's hard sigmoid, its LSTM's default before 2.3.",
    "Gates are exactly 0 or 1 beyond 2.5.", "Use 1 / (1 + exp(-z)), or keep to it if the model was trained with it.",
    lambda z: np.clip(0.2 * z + 0.5, 0, 1),
)  # fmt: skip
_sigmoid(
    "gates-tanh", "The gates are tanh(z).", "Gates are negative half of the time.", "Use 1 / (1 + exp(-z)).", np.tanh
)
_sigmoid(
    "sigmoid-overflow", "1 / (1 + exp(-z)) overflows, with a warning, for large negative z.",
    "Only in saturation: a RuntimeWarning below -709, in float32 below -88.",
    "Silence the overflow with numpy.errstate(over='ignore'), as exp may be infinite there, or use a stable form.",
    lambda z: 1 / (1 + np.exp(-z)),
)  # fmt: skip
_sigmoid(
    "sigmoid-nan", "exp(z) / (1 + exp(z)) is NaN for large z.", "Only in saturation: NaN beyond 709, in float32 beyond 88.",
    "Use 1 / (1 + exp(-z)).", lambda z: np.exp(z) / (1 + np.exp(z)),
)  # fmt: skip
for _epsilon in ("1e-3", "1e-4", "1e-5"):
    _sigmoid(
        f"sigmoid-epsilon-{_epsilon}", f"{_epsilon} is added to the sigmoid's denominator, against a division by zero.",
        "A small relative error everywhere, which loose tolerances let pass.",
        "Leave it out: 1 + exp(-z) is never 0.",
        lambda z, e=float(_epsilon): 1 / (1 + np.exp(np.minimum(-z, 80)) + e), family="sigmoid-epsilon",
    )  # fmt: skip

_sigmoid(
    "sigmoid-clipped", "The gates are clipped to [1e-4, 1 - 1e-4], as if against a logarithm of 0.",
    "Only where a gate is shut or open beyond a logit of 9.2; such a small error adds up over a long sequence.",
    "Leave the gates as they are: nothing takes a logarithm of them.",
    lambda z: np.clip(1 / (1 + np.exp(np.minimum(-z, 80))), 1e-4, 1 - 1e-4),
)  # fmt: skip


def _cell(slug: str, title: str, shows: str, repair: str, **methods: Any) -> None:
    enter("cell", slug, title, shows, repair)(type("OtherCell", (HookableLSTM,), methods))


_cell(
    "cell-output-tanh-missing", "h = o * c, without tanh.", "c is right at the first step and h is not; |h| may exceed 1.",
    "h = o * np.tanh(c).", squash=lambda self, c: c,
)  # fmt: skip
_cell(
    "candidate-sigmoid", "The candidate goes through the sigmoid instead of tanh.", "The candidate is never negative.",
    "g = np.tanh(z_c).", candidate=lambda self, z: self.sigmoid(z),
)  # fmt: skip
_cell(
    "candidate-linear", "The candidate has no activation.", "c grows beyond what i and f allow.",
    "g = np.tanh(z_c).", candidate=lambda self, z: z,
)  # fmt: skip
_cell(
    "candidate-added", "c = f * c + (i + g).", "c is wrong from the first step on.",
    "c = f * c + i * g.", cell=lambda self, i, f, g, o, c: f * c + (i + g),
)  # fmt: skip
_cell(
    "input-forget-swapped", "c = f * g + i * c.", "c is wrong from the first step on; hidden by i = f.",
    "c = f * c + i * g: the forget gate is on the old cell state.", cell=lambda self, i, f, g, o, c: f * g + i * c,
)  # fmt: skip
_cell(
    "coupled-gates", "The forget gate is 1 - i.", "The weights of f have no effect.",
    "Compute f from its own block of the weights.", cell=lambda self, i, f, g, o, c: (1 - i) * c + i * g,
)  # fmt: skip
_cell(
    "forget-ignored", "c = c + i * g, without a forget gate.", "c is wrong where it was not zero; hidden by c0 = 0 and T = 1.",
    "c = f * c + i * g.", cell=lambda self, i, f, g, o, c: c + i * g,
)  # fmt: skip
_cell(
    "cell-not-carried", "c = i * g: what was in the cell is lost.", "Hidden by c0 = 0 and T = 1.",
    "c = f * c + i * g.", cell=lambda self, i, f, g, o, c: i * g,
)  # fmt: skip
_cell(
    "hidden-not-carried", "Every step sees h0 instead of the last step's h.", "The first step is right; hidden by T = 1.",
    "Pass h on to the next step.", carried=lambda self, step: (step.h, step.c_next),
)  # fmt: skip
_cell(
    "output-uses-old-cell", "h = o * tanh(c before the step).", "c is right at the first step and h is not.",
    "Compute c first, and h from the new one.", hidden=lambda self, o, c_next, c, z: o * self.squash(c),
)  # fmt: skip


@enter(
    "cell",
    "output-peephole",
    "The output gate sees the new cell state as well.",
    "c is right at the first step and h is not.",
    "Compute o from x and h alone.",
)
class OutputPeephole(HookableLSTM):
    def hidden(self, o: Any, c_next: Any, c: Any, z: Any) -> Any:
        return self.gate("o", block(z, "o") + c_next) * self.squash(c_next)


@enter(
    "cell",
    "hidden-mutated-midstep",
    "The output gate is computed from the new h, which i, f and c have changed already.",
    "Hidden by a zero recurrent kernel.",
    "Compute all four gates from the same h, then write the new one.",
)
class HiddenMutated(HookableLSTM):
    def step(self, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Step:
        step = super().step(x, h, c, W, U, b)
        H = h.shape[1]
        step.o = self.gate("o", (x @ W + step.h_next @ U + b)[:, 3 * H :])
        step.h_next = step.o * self.squash(step.c_next)
        return step
