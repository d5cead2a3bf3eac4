"""Terms that may be taken for others, scaled or cut off: of the gates' gradients, of what is carried, of the sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    NAMES,
    OPERANDS,
    RIGHT_FACTOR,
    VALUE,
    as_slug,
    multiplied,
    noting,
    of_cotangents,
    of_gradients,
    read_off,
)
from conformance.diagnosis.bugs.read_off_forward import of_carried, of_logits, of_results

MOST = (0.1, 0.25, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""To what people clip."""
FACTORS = (0.1, 0.25, 0.5, 0.8, 0.9, 1.5, 2.0, 4.0, -1.0)
"""What people multiply with."""
LEAVE = "Leave clipping to the optimizer."


def _word(number: float) -> str:
    """A number as a part of a slug."""
    return f"{number:g}".replace(".", "p").replace("-", "minus-")


# One gate's gradient.

for _gate in "ifco":
    _d = f"d{VALUE[_gate]}"
    for _name, _operand in OPERANDS.items():

        def factor(self: Any, up: Any, gate: str, step: Step, its: str = _gate, of: Any = _operand) -> Any:
            return up(gate, step) * of(step) if gate == its else up(gate, step)

        if _name != "1":
            read_off(
                "backward", f"grad-{_gate}-also-times-{as_slug(_name)}", f"{_d} has the factor {_name} as well.",
                f"{_d} = {'dh' if _gate == 'o' else 'dc'} * {RIGHT_FACTOR[_gate]} and the slope.", factor=factor,
            )  # fmt: skip
    for _by in FACTORS:

        def scaled(
            self: Any,
            up: Any,
            gate: str,
            step: Step,
            d_h: Any,
            d_c: Any,
            carried: Any,
            its: str = _gate,
            by: float = _by,
        ) -> Any:
            dz = up(gate, step, d_h, d_c, carried)
            return dz * dz.dtype.type(by) if gate == its else dz

        read_off(
            "backward", f"grad-{_gate}-scaled-{_word(_by)}", f"{_d} is multiplied by {_by:g}.", "Take out the factor.",
            gate_gradient=scaled,
        )  # fmt: skip
    for _other in "ifco".replace(_gate, ""):
        _copied = f"dz of the {NAMES[_other]} is taken for that of the {NAMES[_gate]}"

        def copied(dz: Any, to: str, of: str) -> Any:
            blocks = {gate: block(dz, gate) for gate in "ifco"}
            return np.concatenate([blocks[of if gate == to else gate] for gate in "ifco"], axis=-1)

        def everywhere(self: Any, up: Any, *given: Any, to: str = _gate, of: str = _other) -> Any:
            return copied(up(*given), to, of)

        def into_x(self: Any, up: Any, dz: Any, W: Any, to: str = _gate, of: str = _other) -> Any:
            return up(copied(dz, to, of), W)

        def into_h(self: Any, up: Any, dz: Any, U: Any, step: Step, to: str = _gate, of: str = _other) -> Any:
            return up(copied(dz, to, of), U, step)

        def through(self: Any, up: Any, dz: Any, U: Any, step: Step, to: str = _gate, of: str = _other) -> Any:
            return up(dz, copied(U, to, of), step)

        read_off("backward", f"grad-{_other}-for-{_gate}", f"{_copied}.", "Use its own.", gate_gradients=everywhere)
        read_off(
            "backward", f"grad-{_other}-for-{_gate}-in-x", f"In d_x, {_copied}.", "Use its own.", input_gradient=into_x
        )
        read_off(
            "backward",
            f"grad-{_other}-for-{_gate}-in-h",
            f"In the dh carried back, {_copied}.",
            "Use its own.",
            carry_hidden=into_h,
        )
        read_off(
            "backward", f"grad-through-{_other}-for-{_gate}",
            f"dh is carried back through the recurrent block of the {NAMES[_other]} in the place of the {NAMES[_gate]}'s.",
            "Use its own.", carry_hidden=through,
        )  # fmt: skip
        for _nth, _arrays in {**{name: (n,) for n, name in enumerate(ARRAYS)}, "the kernels": (0, 1)}.items():

            def into(
                self: Any, up: Any, steps: Any, t: int, dz: Any, to: str = _gate, of: str = _other, into: Any = _arrays
            ) -> Any:
                right, wrong = up(steps, t, dz), up(steps, t, copied(dz, to, of))
                return tuple(wrong[n] if n in into else right[n] for n in range(3))

            read_off(
                "backward", f"grad-{_other}-for-{_gate}-in-{as_slug(_nth.removeprefix('d_').replace('_', '-'))}",
                f"In {_nth}, {_copied}.", "Use its own.", weight_gradients=into,
            )  # fmt: skip


def _other_cotangent(gates: str, slug: str, title: str, of: Callable[..., Any]) -> None:
    def gate_gradient(self: Any, up: Any, gate: str, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
        if gate not in gates:
            return up(gate, step, d_h, d_c, carried)
        return up(gate, step, *of(d_h, d_c, carried), carried)

    read_off("backward", slug, title, "do comes from dh; di, df and dg come from dc.", gate_gradient=gate_gradient)


_other_cotangent("o", "grad-o-of-cell", "do is built of dc in the place of dh.", lambda h, c, carried: (c, c))
for _gate in ("i", "f", "c", "ifc"):
    _other_cotangent(
        _gate, f"grad-{_gate}-of-hidden", f"{', '.join('d' + VALUE[g] for g in _gate)}: built of dh in the place of dc.",
        lambda h, c, carried: (h, h),
    )  # fmt: skip

# What is carried back, and cut off on the way.


def _cut(slug: str, title: str, carries: str, where: Callable[[Step], bool]) -> None:
    def carry_hidden(self: Any, up: Any, dz: Any, U: Any, step: Step) -> Any:
        dh = up(dz, U, step)
        return 0 * dh if where(step) else dh

    def carry_cell(self: Any, up: Any, d_c: Any, step: Step) -> Any:
        dc = up(d_c, step)
        return 0 * dc if where(step) else dc

    methods: dict[str, Any] = {}
    if "h" in carries:
        methods["carry_hidden"] = carry_hidden
    if "c" in carries:
        methods["carry_cell"] = carry_cell
    read_off("backward", slug, title, "Carry dh and dc back through every step.", **methods)


for _carries, _both in (("h", "dh"), ("c", "dc"), ("hc", "dh and dc")):
    _what = {"h": "hidden", "c": "cell", "hc": "states"}[_carries]
    _verb = "is" if len(_carries) == 1 else "are"
    _cut(
        f"grad-{_what}-cut-between-steps", f"{_both} {_verb} cut between the steps; only to the initial state it goes.", _carries,
        lambda step: step.t > 0,
    )  # fmt: skip
    _cut(
        f"grad-{_what}-cut-at-start",
        f"{_both} {_verb} not carried to the initial state.",
        _carries,
        lambda step: step.t == 0,
    )
    for _k in (2, 3, 4, 5, 8, 10):
        _cut(
            f"grad-{_what}-cut-every-{_k}", f"{_both} {_verb} cut every {_k} steps: backpropagation is truncated.", _carries,
            lambda step, k=_k: step.t > 0 and step.t % k == 0,  # type: ignore[misc]  # a default binds the loop's value
        )  # fmt: skip
for _by in FACTORS:
    read_off(
        "backward", f"grad-hidden-carry-scaled-{_word(_by)}", f"The dh carried back is multiplied by {_by:g}.", "Carry dz @ U.T.",
        carry_hidden=lambda self, up, *given, by=_by: _by_factor(up(*given), by),
    )  # fmt: skip
    read_off(
        "backward", f"grad-cell-carry-scaled-{_word(_by)}", f"The dc carried back is multiplied by {_by:g}.", "Carry dc * f.",
        carry_cell=lambda self, up, *given, by=_by: _by_factor(up(*given), by),
    )  # fmt: skip
    if _by not in (-1.0, 0.5, 2.0):
        for _name in ("d_x", "d_h0", "d_c0", *ARRAYS):
            of_gradients(
                f"grad-{as_slug(_name.removeprefix('d_').replace('_', '-'))}-scaled-{_word(_by)}", f"{_name} is multiplied by {_by:g}.",
                "Take out the factor.", multiplied((_name,), lambda case, by=_by: by),  # type: ignore[misc]  # as above
            )  # fmt: skip


def _by_factor(a: Any, by: float) -> Any:
    return a * a.dtype.type(by)


def _kept(slug: str, title: str, repair: str, **methods: Any) -> None:
    """What needs the step after, which the backward pass came from."""

    def carry_cell(self: Any, up: Any, d_c: Any, step: Step) -> Any:
        self.whole = d_c
        return up(d_c, step)

    def add_cell(self: Any, up: Any, d_c: Any, local: Any) -> Any:
        return up(d_c, local)

    read_off(
        "backward", slug, title, repair, **({"whole": None, "carry_cell": carry_cell, "add_cell": add_cell} | methods)
    )


read_off(
    "backward", "grad-cell-carry-own-forget", "dc of a step takes the later step's dc times its own f, not times the later one's.",
    "Carry dc * f of the step that it comes from.", now=None, cell_from_hidden=noting,
    add_cell=lambda self, up, d_c, local: up(d_c if self.now is None else d_c * self.now.f, local),
    carry_cell=lambda self, up, d_c, step: up(d_c, step) if step.t == 0 or self.now is None else d_c,
)  # fmt: skip
read_off(
    "backward", "grad-cell-carry-earlier-forget", "dc is carried back times the f of the step before.", "Carry dc * f of its own step.",
    ran=None,
    backward=lambda self, up, steps, *given: _with(self, "ran", steps, lambda: up(steps, *given)),
    carry_cell=lambda self, up, d_c, step: up(d_c, step) if not self.ran else d_c * self.ran[max(step.t - 1, 0)].f,
)  # fmt: skip
read_off(
    "backward", "grad-cell-carry-later-forget", "dc is carried back times the f of the step after.", "Carry dc * f of its own step.",
    ran=None,
    backward=lambda self, up, steps, *given: _with(self, "ran", steps, lambda: up(steps, *given)),
    carry_cell=lambda self, up, d_c, step: up(d_c, step) if not self.ran else d_c * self.ran[min(step.t + 1, len(self.ran) - 1)].f,
)  # fmt: skip


def _remembering(self: Any, up: Any, step: Step, *given: Any) -> Any:
    self.dz = up(step, *given)
    return self.dz


read_off(
    "backward", "grad-cell-carry-of-forget-gradient", "dc is carried back as df * c_prev in the place of dc * f.", "Carry dc * f.",
    dz=None, gate_gradients=_remembering,
    carry_cell=lambda self, up, d_c, step: up(d_c, step) if self.dz is None else block(self.dz, "f") * step.c,
)  # fmt: skip
read_off(
    "backward", "grad-cell-carry-of-forget-factor", "dc is carried back as dc * c_prev**2 in the place of dc * f.", "Carry dc * f.",
    carry_cell=lambda self, up, d_c, step: d_c * step.c**2,
)  # fmt: skip


def _with(holder: Any, name: str, value: Any, run: Callable[[], Any]) -> Any:
    setattr(holder, name, value)
    return run()


for _most in MOST:
    for _place, _method, _title in (
        ("logits", "gate_gradients", "dz is clipped"), ("hidden-carry", "carry_hidden", "The dh carried back is clipped"),
        ("cell-carry", "carry_cell", "The dc carried back is clipped"),
        ("hidden", "add_output", "dh is clipped at each step, d_output added,"),
        ("cell", "add_cell", "dc is clipped at each step"),
    ):  # fmt: skip
        read_off(
            "backward", f"grad-{_place}-clipped-{_word(_most)}", f"{_title} to [-{_most:g}, {_most:g}].", LEAVE,
            **{_method: lambda self, up, *given, most=_most: np.clip(up(*given), -most, most)},
        )  # fmt: skip
    if _most not in (1.0, 5.0):
        read_off(
            "backward", f"grad-clipped-{_word(_most)}", f"The weights' gradients are clipped to [-{_most:g}, {_most:g}].", LEAVE,
            write=lambda self, up, *gradients, most=_most: tuple(np.clip(a, -most, most) for a in up(*gradients)),
        )  # fmt: skip
    for _name in ("d_x", "d_h0", "d_c0"):
        of_gradients(
            f"grad-{_name[2:]}-clipped-{_word(_most)}", f"{_name} is clipped to [-{_most:g}, {_most:g}].", LEAVE,
            lambda result, case, name=_name, most=_most: {name: np.clip(result[name], -most, most)},  # type: ignore[misc]  # as above
        )  # fmt: skip

    def late(self: Any, up: Any, gate: str, step: Step, d_h: Any, *rest: Any, most: float = _most) -> Any:
        return up(gate, step, np.clip(d_h, -most, most), *rest)

    read_off(
        "backward", f"grad-o-hidden-clipped-{_word(_most)}", f"For do alone, dh is clipped to [-{_most:g}, {_most:g}].", LEAVE,
        gate_gradient=late,
    )  # fmt: skip
    if _most != 5.0:

        def to_norm(self: Any, up: Any, *gradients: Any, most: float = _most) -> Any:
            written = up(*gradients)
            norm = float(np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in written)))
            return tuple(_by_factor(a, most / norm) for a in written) if norm > most else written

        read_off(
            "backward", f"grad-clipped-norm-{_word(_most)}", f"The weights' gradients are scaled down together to a norm of {_most:g}.",
            LEAVE, write=to_norm,
        )  # fmt: skip

# d_output, d_x and the initial states.

of_cotangents(
    "grad-output-averaged", "Each step takes the mean of all steps' d_output.", "Add d_output[t] to dh at step t.",
    lambda y, h, c: (np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape).astype(y.dtype), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-over-time", "d_output is divided by T.", "Add d_output[t] to dh as it is.",
    lambda y, h, c: (y / y.dtype.type(y.shape[1]), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-over-batch", "d_output is divided by B.", "Add d_output[t] to dh as it is.",
    lambda y, h, c: (y / y.dtype.type(len(y)), h, c),
)  # fmt: skip
of_cotangents(
    "grad-last-output-everywhere", "Every step takes the last one's d_output.", "Add d_output[t] to dh at step t.",
    lambda y, h, c: (np.broadcast_to(y[:, -1:], y.shape), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-into-cell", "d_h is used for d_c as well.", "Begin with dc = d_c.", lambda y, h, c: (y, h, c + h)
)
of_gradients(
    "grad-initial-hidden-with-output", "d_h0 has the first step's d_output added to it.", "d_h0 = dz @ U.T of the first step.",
    lambda result, case: {"d_h0": result["d_h0"] + case.d_output[:, 0]},
)  # fmt: skip
read_off(
    "backward", "grad-joined-cut-otherwise",
    "The gradient of [x, h] is cut as if it were [h, x]: dh takes its first H, d_x its last D.", "Cut it where x ends.",
    input_gradient=lambda self, up, dz, W: np.concatenate([up(dz, W), dz @ self.U.T], axis=1)[:, -len(W) :],
    backward=lambda self, up, steps, d_output, d_h, d_c, W, U: _with(
        self, "U", U, lambda: _with(self, "W", W, lambda: up(steps, d_output, d_h, d_c, W, U))
    ),
    carry_hidden=lambda self, up, dz, U, step: np.concatenate([dz @ self.W.T, up(dz, U, step)], axis=1)[:, : len(U)],
)  # fmt: skip
read_off(
    "backward", "grad-joined-cut-hx", "The gradient of [h, x] is cut as if it were [x, h]: d_x takes its first D, dh its last H.",
    "Cut it where h ends.",
    input_gradient=lambda self, up, dz, W: np.concatenate([dz @ self.U.T, up(dz, W)], axis=1)[:, : len(W)],
    backward=lambda self, up, steps, d_output, d_h, d_c, W, U: _with(
        self, "U", U, lambda: _with(self, "W", W, lambda: up(steps, d_output, d_h, d_c, W, U))
    ),
    carry_hidden=lambda self, up, dz, U, step: np.concatenate([up(dz, U, step), dz @ self.W.T], axis=1)[:, -len(U) :],
)  # fmt: skip
for _name, _part in (("last", slice(-1, None)), ("first", slice(0, 1))):

    def one_unit(self: Any, up: Any, dz: Any, W: Any, part: slice = _part) -> Any:
        return dz[:, part] @ W[:, part].T

    read_off(
        "backward", f"grad-x-of-{_name}-column",
        f"d_x has the share of the {_name} of the 4H columns alone: the others are overwritten.",
        "Sum over all columns: dz @ W.T.", input_gradient=one_unit,
    )  # fmt: skip
for _gate in "ifco":

    def alone(self: Any, up: Any, dz: Any, W: Any, gate: str = _gate) -> Any:
        return block(dz, gate) @ block(W, gate).T

    def hidden_alone(self: Any, up: Any, dz: Any, U: Any, step: Step, gate: str = _gate) -> Any:
        return block(dz, gate) @ block(U, gate).T

    read_off(
        "backward", f"grad-x-of-{_gate}-alone", f"d_x has the share of the {NAMES[_gate]} alone: the others are overwritten.",
        "Sum the shares of all four gates.", input_gradient=alone,
    )  # fmt: skip
    read_off(
        "backward", f"grad-hidden-carry-of-{_gate}-alone", f"dh is carried back with the share of the {NAMES[_gate]} alone.",
        "Sum the shares of all four gates.", carry_hidden=hidden_alone,
    )  # fmt: skip

# The weights' sums.


def _product(slug: str, title: str, repair: str, place: int, of: Callable[[list[Step], int, Any], Any]) -> None:
    """One of the weights' gradients, of a step, built otherwise."""

    def weight_gradients(self: Any, up: Any, steps: list[Step], t: int, dz: Any) -> Any:
        found = list(up(steps, t, dz))
        found[place] = of(steps, t, dz)
        return tuple(found)

    read_off("backward", slug, title, repair, weight_gradients=weight_gradients)


for _nth_array, _name, _letter, _times_dz in (
    (0, "kernel", "x", "x[t].T @ dz[t]"),
    (1, "recurrent-kernel", "h", "h[t-1].T @ dz[t]"),
):
    _d = ARRAYS[_nth_array]
    _product(
        f"grad-{_name}-reversed-pairs", f"{_d} pairs the {_letter} of one end with the dz of the other.", f"{_times_dz}.", _nth_array,
        lambda steps, t, dz, a=_letter: getattr(steps[len(steps) - 1 - t], a).T @ dz,  # type: ignore[misc]  # as above
    )  # fmt: skip
    _product(
        f"grad-{_name}-of-sums", f"{_d} is the product of sums over the batch, not the sum of products.", f"{_times_dz}.", _nth_array,
        lambda steps, t, dz, a=_letter: np.outer(getattr(steps[t], a).sum(axis=0), dz.sum(axis=0)),  # type: ignore[misc]  # as above
    )  # fmt: skip
    _product(
        f"grad-{_name}-of-means", f"{_d} is the product of means over the batch, not the sum of products.", f"{_times_dz}.", _nth_array,
        lambda steps, t, dz, a=_letter: np.outer(getattr(steps[t], a).mean(axis=0), dz.mean(axis=0)).astype(dz.dtype),  # type: ignore[misc]
    )  # fmt: skip
    _product(
        f"grad-{_name}-of-last-{_letter}", f"{_d} is built from the last step's {_letter} at every step.", f"{_times_dz}.", _nth_array,
        lambda steps, t, dz, a=_letter: getattr(steps[-1], a).T @ dz,  # type: ignore[misc]
    ) if _nth_array else None  # fmt: skip
    for _by, _side in ((-1, "before"), (1, "after")):
        _product(
            f"grad-{_name}-of-step-{_side}", f"{_d} pairs each dz with the {_letter} of the step {_side} it.",
            f"{_times_dz}.", _nth_array,
            lambda steps, t, dz, a=_letter, by=_by: getattr(steps[min(max(t + by, 0), len(steps) - 1)], a).T @ dz,  # type: ignore[misc]
        )  # fmt: skip
    _product(
        f"grad-{_name}-skips-first-step", f"The first step is left out of {_d}.", f"{_times_dz}, of every step.", _nth_array,
        lambda steps, t, dz, a=_letter: (getattr(steps[t], a).T @ dz) * (t > 0),  # type: ignore[misc]
    ) if _nth_array == 0 else None  # fmt: skip


def _flattened(self: Any, up: Any, steps: list[Step], *given: Any) -> Any:
    """The rows of x in the order of time, those of dz in the order of samples."""
    B, T = steps[0].x.shape[0], len(steps)
    rows = np.stack([step.x for step in steps]).reshape(T * B, -1).reshape(B, T, -1)
    return up([Step(**{**vars(step), "x": rows[:, t]}) for t, step in enumerate(steps)], *given)


def _flattened_otherwise(self: Any, up: Any, steps: list[Step], *given: Any) -> Any:
    """The rows of x in the order of samples, those of dz in the order of time."""
    B, T = steps[0].x.shape[0], len(steps)
    rows = np.stack([step.x for step in steps], axis=1).reshape(B * T, -1).reshape(T, B, -1)
    return up([Step(**{**vars(step), "x": rows[t]}) for t, step in enumerate(steps)], *given)


for _slug_end, _pairing, _one, _two in (
    ("", _flattened, "time", "samples"),
    ("-otherwise", _flattened_otherwise, "samples", "time"),
):
    read_off(
        "backward", f"grad-kernel-time-and-batch-mixed{_slug_end}",
        f"d_kernel pairs rows of x in the order of {_one} with rows of dz in that of {_two}.",
        "Bring both into the same order before they are flattened.", backward=_pairing,
    )  # fmt: skip
_product(
    "grad-bias-skips-first-step", "The first step is left out of d_bias.", "Sum dz over all steps.", 2,
    lambda steps, t, dz: dz.sum(axis=0) * (t > 0),
)  # fmt: skip
_product(
    "grad-bias-of-first-step", "d_bias is the first step's alone.", "Sum dz over all steps.", 2,
    lambda steps, t, dz: dz.sum(axis=0) * (t == 0),
)  # fmt: skip
_product(
    "grad-recurrent-kernel-rolled", "d_recurrent_kernel has the last step's h in the place of h0.", "h[t-1].T @ dz[t].", 1,
    lambda steps, t, dz: (steps[t].h if t else steps[-1].h_next).T @ dz,
)  # fmt: skip
for _gate in "ifco":
    _product(
        f"grad-bias-of-{_gate}-for-all", f"In d_bias, every gate has that of the {NAMES[_gate]}.", "Sum each gate's own dz.", 2,
        lambda steps, t, dz, gate=_gate: np.tile(block(dz, gate).sum(axis=0), 4),  # type: ignore[misc]  # as above
    )  # fmt: skip
of_gradients(
    "grad-bias-over-everything", "Each entry of d_bias is the sum of all.", "Sum over the batch alone.",
    lambda result, case: {"d_bias": np.full_like(result["d_bias"], result["d_bias"].sum())} if "d_bias" in result else {},
)  # fmt: skip
for _gates in ("i", "f", "c", "o", "ifco"):

    def over_units(result: Any, case: Any, gates: str = _gates) -> Any:
        if "d_bias" not in result:
            return {}
        blocks = {gate: block(result["d_bias"], gate) for gate in "ifco"}
        summed = {gate: np.full_like(a, a.sum()) if gate in gates else a for gate, a in blocks.items()}
        return {"d_bias": np.concatenate([summed[gate] for gate in "ifco"])}

    of_gradients(
        f"grad-bias-over-units-{_gates}", f"d_bias is summed over the units as well, for {', '.join(_gates)}.",
        "Sum over the batch alone.",
        over_units,
    )  # fmt: skip

# The forward pass.


def _older_hidden(self: Any, up: Any, x: Any, h: Any, *given: Any) -> Any:
    older, self.older = (h if self.t == 0 else self.older), h
    return up(x, older, *given)


read_off(
    "cell", "hidden-lagged", "The logits see the h of one step too early.", "z = x W + h U + b, with the last step's h.",
    older=None, preactivation=_older_hidden,
)  # fmt: skip


def _in_place(self: Any, up: Any, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Step:
    """Unit by unit, h is overwritten while later units still read it."""
    seen, H = h.copy(), h.shape[1]
    found = None
    for unit in range(H):
        step = up(x, seen, c, W, U, b)
        found = {k: v.copy() for k, v in vars(step).items() if k != "t"} if found is None else found
        for name in ("i", "f", "g", "o", "c_next", "h_next"):
            found[name][:, unit] = getattr(step, name)[:, unit]
        for place in range(4):
            found["z"][:, place * H + unit] = step.z[:, place * H + unit]
        seen = seen.copy()
        seen[:, unit] = found["h_next"][:, unit]
    return Step(**{**(found or {}), "h": h})


read_off(
    "cell", "hidden-overwritten-unit-by-unit", "h is overwritten unit by unit, while the later units' gates still read it.",
    "Compute all gates from the old h, then write the new one.", step=_in_place,
)  # fmt: skip
of_carried(
    "hidden-mixed-over-batch", "h is mixed half and half with its mean over the batch.", "Give each sample its own h.",
    lambda step, h, c: (0.5 * (h + h.mean(axis=0, keepdims=True)), c),
)  # fmt: skip
for _by in (0.5, 0.8, 0.9, 1 / 0.9, 1 / 0.8, 2.0):
    of_results(
        f"output-scaled-{_word(_by)}", f"output is h times {_by:.3g}.", "Store h.",
        lambda y, h, c, s, by=_by: (_by_factor(y, by), h, c),
    )  # fmt: skip
    read_off(
        "cell", f"hidden-scaled-{_word(_by)}", f"h is multiplied by {_by:g}.", "h = o * np.tanh(c).",
        hidden=lambda self, up, *given, by=_by: _by_factor(up(*given), by),
    )  # fmt: skip
    read_off(
        "cell", f"cell-scaled-{_word(_by)}", f"The new c is multiplied by {_by:g}.", "c = f * c + i * g.",
        cell=lambda self, up, *given, by=_by: _by_factor(up(*given), by),
    )  # fmt: skip
for _decimals in (2, 3, 4, 5, 6, 8):
    read_off(
        "cell", f"hidden-rounded-{_decimals}", f"h is rounded to {_decimals} decimals.", "Keep h as it is.",
        hidden=lambda self, up, *given, decimals=_decimals: _rounded(up(*given), decimals),
    )  # fmt: skip
    read_off(
        "cell", f"cell-rounded-{_decimals}", f"c is rounded to {_decimals} decimals.", "Keep c as it is.",
        cell=lambda self, up, *given, decimals=_decimals: _rounded(up(*given), decimals),
    )  # fmt: skip


def _rounded(a: Any, decimals: int) -> Any:
    return np.round(a, decimals) if a.dtype.kind == "f" else a


of_results(
    "output-reshaped", "output has time and batch exchanged by reshape instead of transpose.", "Use y.transpose(1, 0, 2).",
    lambda y, h, c, s: (y.transpose(1, 0, 2).reshape(y.shape), h, c),
)  # fmt: skip
of_gradients(
    "grad-x-mixed-over-time", "d_x has time and batch exchanged by reshape instead of transpose.", "Use d_x.transpose(1, 0, 2).",
    lambda result, case: {"d_x": result["d_x"].transpose(1, 0, 2).reshape(result["d_x"].shape)},
)  # fmt: skip
of_gradients(
    "grad-recurrent-kernel-reshaped", "d_recurrent_kernel is brought into shape by reshape where a transpose was meant.", "Use dU.T.",
    lambda result, case: {"d_recurrent_kernel": result["d_recurrent_kernel"].T.reshape(result["d_recurrent_kernel"].shape)},
)  # fmt: skip
of_gradients(
    "grad-kernel-reshaped", "d_kernel is brought into shape by reshape where a transpose was meant.", "Use dW.T.",
    lambda result, case: {"d_kernel": result["d_kernel"].T.reshape(result["d_kernel"].shape)},
)  # fmt: skip
of_gradients(
    "grad-recurrent-kernel-transposed", "Each block of d_recurrent_kernel is transposed.", "h.T @ dz, not dz.T @ h.",
    lambda result, case: {
        "d_recurrent_kernel": np.concatenate([a.T for a in np.split(result["d_recurrent_kernel"], 4, axis=1)], axis=1)
    },
)  # fmt: skip
of_logits(
    "hidden-added-twice", "h reaches the gates twice.", "z = x W + h U + b.",
    lambda self, x, h, c, W, U, b: {gate: h @ block(U, gate) for gate in "ifco"},
)  # fmt: skip
