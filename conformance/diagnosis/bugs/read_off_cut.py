"""What may be cut off or clipped on the way back, and other cotangents than those given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    FACTORS,
    NAMES,
    as_slug,
    as_word,
    by_factor,
    multiplied,
    noting,
    of_cotangents,
    of_gradients,
    read_off,
)

MOST = (0.1, 0.25, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""To what people clip."""
LEAVE = "Leave clipping to the optimizer."


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
        "backward", f"grad-hidden-carry-scaled-{as_word(_by)}", f"The dh carried back is multiplied by {_by:g}.", "Carry dz @ U.T.",
        carry_hidden=lambda self, up, *given, by=_by: by_factor(up(*given), by),
    )  # fmt: skip
    read_off(
        "backward", f"grad-cell-carry-scaled-{as_word(_by)}", f"The dc carried back is multiplied by {_by:g}.", "Carry dc * f.",
        carry_cell=lambda self, up, *given, by=_by: by_factor(up(*given), by),
    )  # fmt: skip
    if _by not in (-1.0, 0.5, 2.0):
        for _name in ("d_x", "d_h0", "d_c0", *ARRAYS):
            of_gradients(
                f"grad-{as_slug(_name.removeprefix('d_').replace('_', '-'))}-scaled-{as_word(_by)}",
                f"{_name} is multiplied by {_by:g}.",
                "Take out the factor.", multiplied((_name,), lambda case, by=_by: by),  # type: ignore[misc]  # as above
            )  # fmt: skip


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
            "backward", f"grad-{_place}-clipped-{as_word(_most)}", f"{_title} to [-{_most:g}, {_most:g}].", LEAVE,
            **{_method: lambda self, up, *given, most=_most: np.clip(up(*given), -most, most)},
        )  # fmt: skip
    if _most not in (1.0, 5.0):
        read_off(
            "backward", f"grad-clipped-{as_word(_most)}", f"The weights' gradients are clipped to [-{_most:g}, {_most:g}].", LEAVE,
            write=lambda self, up, *gradients, most=_most: tuple(np.clip(a, -most, most) for a in up(*gradients)),
        )  # fmt: skip
    for _name in ("d_x", "d_h0", "d_c0"):
        of_gradients(
            f"grad-{_name[2:]}-clipped-{as_word(_most)}", f"{_name} is clipped to [-{_most:g}, {_most:g}].", LEAVE,
            lambda result, case, name=_name, most=_most: {name: np.clip(result[name], -most, most)},  # type: ignore[misc]  # as above
        )  # fmt: skip

    def late(self: Any, up: Any, gate: str, step: Step, d_h: Any, *rest: Any, most: float = _most) -> Any:
        return up(gate, step, np.clip(d_h, -most, most), *rest)

    read_off(
        "backward", f"grad-o-hidden-clipped-{as_word(_most)}", f"For do alone, dh is clipped to [-{_most:g}, {_most:g}].", LEAVE,
        gate_gradient=late,
    )  # fmt: skip
    if _most != 5.0:

        def to_norm(self: Any, up: Any, *gradients: Any, most: float = _most) -> Any:
            written = up(*gradients)
            norm = float(np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in written)))
            return tuple(by_factor(a, most / norm) for a in written) if norm > most else written

        read_off(
            "backward", f"grad-clipped-norm-{as_word(_most)}",
            f"The weights' gradients are scaled down together to a norm of {_most:g}.",
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
