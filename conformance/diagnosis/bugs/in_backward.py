"""The backward pass; the forward pass of these is exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step
from lstm_ref import reorder_gates

NAMES = {"i": "input", "f": "forget", "o": "output"}


def _backward(slug: str, title: str, shows: str, repair: str, family: str = "", **methods: Any) -> None:
    enter("backward", slug, title, shows, repair, family)(type("OtherBackward", (HookableLSTM,), methods))


def _slope(slug: str, title: str, repair: str, family: str, of: str, change: Any, gates: str) -> None:
    """A slope of the sigmoid that is wrong for some gates."""

    class WrongSlope(HookableLSTM):
        def sigmoid_slope(self, gate: str, a: Any, step: Step) -> Any:
            return change(self, a) if gate in gates else super().sigmoid_slope(gate, a, step)

    shows = f"At T=1 the wrong blocks of d_bias are those of {of}."
    enter("backward", slug, title, shows, repair, family)(WrongSlope)


for _gates, _suffix, _of in (("ifo", "", "each gate"), *((g, f"-{g}", f"the {NAMES[g]} gate") for g in "ifo")):
    _slope(
        f"grad-sigmoid-for-derivative{_suffix}", f"Where σ' belongs, σ itself is used, for {_of}.",
        "σ' = a * (1 - a), of the activated gate a.", "grad-sigmoid-for-derivative", _of, lambda self, a: a, _gates,
    )  # fmt: skip
    _slope(
        f"grad-sigmoid-of-activated{_suffix}", f"σ' is taken of the activated gate instead of the logit, for {_of}.",
        "σ' = a * (1 - a) of the activated a; not σ(a) * (1 - σ(a)).", "grad-sigmoid-of-activated", _of,
        lambda self, a: self.sigmoid(a) * (1 - self.sigmoid(a)), _gates,
    )  # fmt: skip
    _slope(
        f"grad-derivative-missing{_suffix}", f"σ' is left out, for {_of}.",
        "Multiply by a * (1 - a).", "grad-output-derivative-missing", _of, lambda self, a: np.ones_like(a), _gates,
    )  # fmt: skip

_backward(
    "grad-tanh-of-activated", "The candidate's slope is 1 - tanh(g)**2 of a g that is tanh already.",
    "At T=1 only the candidate's block of d_bias is wrong.", "1 - g**2, of the activated candidate.",
    tanh_slope=lambda self, g, step: 1 - np.tanh(g) ** 2,
)  # fmt: skip
_backward(
    "grad-candidate-derivative-missing", "The candidate's slope is left out.",
    "At T=1 only the candidate's block of d_bias is wrong; hidden by small logits.", "Multiply by 1 - g**2.",
    tanh_slope=lambda self, g, step: np.ones_like(g),
)  # fmt: skip
_backward(
    "grad-candidate-sigmoid-derivative", "The candidate's slope is g * (1 - g), the sigmoid's.",
    "At T=1 only the candidate's block of d_bias is wrong.", "1 - g**2: the candidate went through tanh.",
    tanh_slope=lambda self, g, step: g * (1 - g),
)  # fmt: skip
_backward(
    "grad-cell-tanh-of-activated", "1 - tanh(tanh(c))**2 instead of 1 - tanh(c)**2.",
    "At T=1 the blocks i, f, c of d_bias are wrong, and d_c0.", "Take tanh once: 1 - np.tanh(c)**2.",
    head_slope=lambda self, step: 1 - np.tanh(np.tanh(step.c_next)) ** 2,
)  # fmt: skip
_backward(
    "grad-cell-tanh-missing", "dc += dh * o, without 1 - tanh(c)**2.", "Hidden by c near 0.",
    "dc += dh * o * (1 - np.tanh(c)**2).", head_slope=lambda self, step: np.ones_like(step.c),
)  # fmt: skip
_backward(
    "grad-output-gate-missing", "dc += dh * (1 - tanh(c)**2), without o.", "Hidden by o near 1.",
    "dc += dh * o * (1 - np.tanh(c)**2).", head_gate=lambda self, step: np.ones_like(step.o),
)  # fmt: skip
_backward(
    "grad-cell-overwritten", "dc = ... where dc += ... belongs: what was carried is lost.",
    "The last step is right unless there is a d_c.", "dc += dh * o * (1 - np.tanh(c)**2).",
    add_cell=lambda self, d_c, local: local,
)  # fmt: skip
_backward(
    "grad-forget-uses-new-cell", "df = dc * c, with the c after the step instead of before it.",
    "At T=1 only the forget block of d_bias is wrong.", "df = dc * c_prev.", cell_of_forget=lambda self, step: step.c_next,
)  # fmt: skip


def _weights_only(order: str) -> Any:
    """Gradients with blocks in another order than the weights have."""
    return lambda self, dW, dU, db: tuple(reorder_gates(a, "ifco", order) for a in (dW, dU, db))


_backward(
    "grad-block-order", "The weights' gradients have their blocks in the order i, f, o, c.",
    "d_x is right; the blocks c and o of the weights' gradients are exchanged.",
    "Concatenate the gates' gradients in the order of the weights' blocks.", write=_weights_only("ifoc"),
)  # fmt: skip


@enter(
    "backward",
    "grad-blocks-mixed",
    "dz has its blocks in the order i, f, o, c while the weights have i, f, c, o.",
    "The blocks c and o are exchanged, and d_x is wrong as well.",
    "Concatenate dz in the order of the weights' blocks.",
)
class BlocksMixed(HookableLSTM):
    def gate_gradients(self, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        return reorder_gates(super().gate_gradients(step, d_h, d_c, carried), "ifco", "ifoc")


_backward(
    "grad-hidden-not-carried", "dh of the later step is not added.", "d_x of the last step is right, earlier ones are not.",
    "Carry dz U^T back to the step before.", carry_hidden=lambda self, dz, U, step: np.zeros_like(step.h),
)  # fmt: skip
_backward(
    "grad-cell-not-carried", "dc of the later step is not added.", "d_x of the last step is right, earlier ones are not.",
    "Carry dc * f back to the step before.", carry_cell=lambda self, d_c, step: np.zeros_like(d_c),
)  # fmt: skip
_backward(
    "grad-cell-carry-misses-forget", "dc is carried back without the factor f.", "Hidden by f near 1.",
    "Carry dc * f.", carry_cell=lambda self, d_c, step: d_c,
)  # fmt: skip
_backward(
    "grad-hidden-misses-cell-path", "dh is carried back from the local dc alone, without what was carried in c.",
    "Hidden by T <= 2 and a loss on the outputs.", "Build dz once, from the whole dc.", carry_local=True,
)  # fmt: skip


def _cotangents(slug: str, title: str, shows: str, repair: str, change: Any) -> None:
    """A bug in what is made of d_output, d_h and d_c."""

    class OtherCotangents(HookableLSTM):
        def cotangents(self, case: Case) -> Any:
            return change(*super().cotangents(case))

    enter("backward", slug, title, shows, repair)(OtherCotangents)


_cotangents(
    "grad-final-cell-ignored", "d_c, the cotangent of the final c, is not used.", "Hidden by losses on the outputs alone.",
    "Begin with dc = d_c.", lambda d_output, d_h, d_c: (d_output, d_h, np.zeros_like(d_c)),
)  # fmt: skip
_cotangents(
    "grad-final-hidden-ignored", "d_h, the cotangent of the final h, is not used.", "Hidden by losses on the outputs alone.",
    "Begin with dh = d_h.", lambda d_output, d_h, d_c: (d_output, np.zeros_like(d_h), d_c),
)  # fmt: skip
_backward(
    "grad-only-last-output", "Only the last step's d_output is used.", "Hidden by losses on the last output.",
    "Add d_output[t] to dh at every step.",
    add_output=lambda self, d_h, d_output, t: d_h + d_output[:, t] * (t == d_output.shape[1] - 1),
)  # fmt: skip
_backward(
    "grad-output-ignored", "d_output is not used.", "Hidden by losses on the final state.", "Add d_output[t] to dh at every step.",
    add_output=lambda self, d_h, d_output, t: d_h,
)  # fmt: skip
_backward(
    "grad-output-overwrites-carry", "dh = d_output[t]: what was carried back is lost.", "The last step is right without a d_h.",
    "dh = dh + d_output[t].", add_output=lambda self, d_h, d_output, t: d_output[:, t],
)  # fmt: skip
_backward(
    "grad-recurrent-uses-new-hidden", "d_recurrent_kernel is built from the h after the step.", "Only d_recurrent_kernel is wrong.",
    "Use the h that the step began with: h[t-1].T @ dz[t].",
    weight_gradients=lambda self, steps, t, dz: (steps[t].x.T @ dz, steps[t].h_next.T @ dz, dz.sum(axis=0)),
)  # fmt: skip
_backward(
    "grad-recurrent-skips-first", "The first step is left out of d_recurrent_kernel.", "Hidden by h0 = 0.",
    "Include the first step, with h0.",
    weight_gradients=lambda self, steps, t, dz: (steps[t].x.T @ dz, steps[t].h.T @ dz * (t > 0), dz.sum(axis=0)),
)  # fmt: skip
_backward(
    "grad-bias-copied", "The forget gate's bias gradient is copied to the candidate's.", "Only d_bias is wrong.",
    "Sum each gate's own dz.",
    write=lambda self, dW, dU, db: (dW, dU, np.concatenate([*np.split(db, 4)[:2], np.split(db, 4)[1], np.split(db, 4)[3]])),
)  # fmt: skip
_backward(
    "grad-bias-of-first-sample", "d_bias is the first sample's.", "Only d_bias is wrong; hidden by B = 1.",
    "Sum dz over the batch.",
    weight_gradients=lambda self, steps, t, dz: (steps[t].x.T @ dz, steps[t].h.T @ dz, dz[0].copy()),
)  # fmt: skip
_backward(
    "grad-weights-not-accumulated", "The weights' gradients are assigned each step, not summed.", "Hidden by T = 1.",
    "dW += ..., not dW = ...", accumulate=lambda self, total, new: new,
)  # fmt: skip
_backward(
    "grad-last-step-only", "The backward pass goes over one step.", "Hidden by T = 1.",
    "Go back over all steps.", backward_times=lambda self, T: [T - 1],
)  # fmt: skip


def _misses(gate: str, place: int) -> None:
    def input_gradient(self: HookableLSTM, dz: Any, W: Any) -> Any:
        kept = [k for k in range(4) if k != place]
        dz_blocks, W_blocks = np.split(dz, 4, axis=1), np.split(W, 4, axis=1)
        return sum(dz_blocks[k] @ W_blocks[k].T for k in kept)

    _backward(
        f"grad-x-misses-gate-{gate}", f"d_x lacks the share of the block {gate}.", "Only d_x is wrong.",
        "Sum the shares of all four gates: dz @ kernel.T.", family="grad-x-misses-gate", input_gradient=input_gradient,
    )  # fmt: skip


for _place, _gate in enumerate("ifco"):
    _misses(_gate, _place)


def _scaled(slug: str, title: str, shows: str, divisor: Any, every: bool) -> None:
    class Scaled(HookableLSTM):
        def __call__(self, case: Any) -> Any:
            result = dict(super().__call__(case))
            names = [n for n in result if n.startswith("d_") and (every or "kernel" in n or "bias" in n)]
            return result | {n: result[n] / result[n].dtype.type(divisor(case)) for n in names}

    enter("backward", slug, title, shows, "Sum over the batch and over time; a mean belongs into the loss.")(Scaled)


_scaled(
    "grad-batch-mean",
    "The weights' gradients are divided by B.",
    "d_x is right; hidden by B = 1.",
    lambda c: len(c.x),
    False,
)
_scaled(
    "grad-time-mean",
    "The weights' gradients are divided by T.",
    "d_x is right; hidden by T = 1.",
    lambda c: c.x.shape[1],
    False,
)
_scaled(
    "grad-all-mean", "Every gradient is divided by B.", "A constant factor; hidden by B = 1.", lambda c: len(c.x), True
)
_scaled(
    "grad-all-mean-over-time", "Every gradient is divided by B * T.", "A constant factor; hidden by B = T = 1.",
    lambda c: len(c.x) * c.x.shape[1], True,
)  # fmt: skip


def _clipped(slug: str, title: str, shows: str, clip: Any) -> None:
    class Clipped(HookableLSTM):
        def write(self, dW: Any, dU: Any, db: Any) -> Any:
            return clip(*super().write(dW, dU, db))

    enter("backward", slug, title, shows, "Leave clipping to the optimizer.", family="grad-clipped")(Clipped)


def _to_norm(most: float, *gradients: Any) -> tuple[Any, ...]:
    """Gradients scaled down together, such that their common Euclidean norm is at most `most`."""
    norm = np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in gradients))
    return tuple(a * a.dtype.type(most / norm) if norm > most else a for a in gradients)


for _most, _suffix in ((1, ""), (5, "-5")):
    _clipped(
        f"grad-clipped{_suffix}", f"The weights' gradients are clipped to [-{_most}, {_most}].", "Only large entries are wrong.",
        lambda *gradients, most=_most: tuple(np.clip(a, -most, most) for a in gradients),
    )  # fmt: skip
_clipped(
    "grad-clipped-norm-5", "The weights' gradients are scaled down together to a norm of 5.",
    "A constant factor, and only where the gradients are large; d_x is right.",
    lambda *gradients: _to_norm(5.0, *gradients),
)  # fmt: skip


@enter(
    "backward",
    "grad-candidate-cached-as-cell",
    "What is cached as the candidate is really the new c.",
    "At T=1 the blocks i and c of d_bias are wrong.",
    "Cache g before c is computed.",
)
class CandidateCachedAsCell(HookableLSTM):
    def gate_gradients(self, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        right, g = step.g, step.c_next
        step.g = g
        dz = super().gate_gradients(step, d_h, d_c, carried)
        step.g = right
        return dz


@enter(
    "backward",
    "grad-precedence",
    "A bracket is missing: carried dc * i + dh * o * (1 - tanh(c)**2) * i * g'.",
    "The candidate's block is wrong; right where nothing is carried in c.",
    "(dc + dh * o * (1 - tanh(c)**2)) * i * g'.",
)
class Precedence(HookableLSTM):
    def gate_gradients(self, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        dz = super().gate_gradients(step, d_h, d_c, carried)
        H = d_h.shape[1]
        dz[:, 2 * H : 3 * H] += carried * self.factor("c", step) * (1 - self.slope("c", step))
        return dz


@enter(
    "backward",
    "grad-finite-difference",
    "d_bias is a numeric gradient, by forward differences.",
    "An error that is smallest at one size of the step and never small.",
    "Differentiate the equations.",
)
class FiniteDifference(HookableLSTM):
    def backward(self, steps: list[Step], d_output: Any, d_h: Any, d_c: Any, W: Any, U: Any) -> Any:
        *gradients, db = super().backward(steps, d_output, d_h, d_c, W, U)
        step = np.sqrt(np.finfo(db.dtype).eps)
        x, h0, c0 = self.inputs(self.case)
        if x.shape[1] > 20 or db.size > 100:  # its author would not wait that long either
            return *gradients, db
        b = self.read(self.case)[2]
        slopes = [
            self._loss(x, h0, c0, W, U, b + step * unit) - self._loss(x, h0, c0, W, U, b)
            for unit in np.eye(b.size, dtype=b.dtype)
        ]
        return *gradients, (np.array(slopes) / step).astype(db.dtype)

    def _loss(self, x: Any, h0: Any, c0: Any, W: Any, U: Any, b: Any) -> Any:
        output, h, c = self.finish(self.forward(x, h0, c0, W, U, b), h0, c0)
        case = self.case
        return (case.d_output * output).sum() + (case.d_h * h).sum() + (case.d_c * c).sum()
