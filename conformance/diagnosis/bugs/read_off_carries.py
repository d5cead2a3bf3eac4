"""What reaches c through h, and what is carried back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step
from conformance.diagnosis.bugs.read_off import (
    NAMES,
    OPERANDS,
    OUTPUT_OF,
    as_slug,
    noting,
    read_off,
)

HEADS: dict[str, Callable[[Step], Any]] = {
    "1 - c**2": lambda s: 1 - s.c_next**2, "1 - np.tanh(c_prev)**2": lambda s: 1 - np.tanh(s.c) ** 2,
    "1 - h**2": lambda s: 1 - s.h_next**2,
    "1 - np.tanh(c)": lambda s: 1 - np.tanh(s.c_next), "(1 - np.tanh(c))**2": lambda s: (1 - np.tanh(s.c_next)) ** 2,
     "np.tanh(c)": lambda s: np.tanh(s.c_next),
    "1 - np.tanh(h)**2": lambda s: 1 - np.tanh(s.h_next) ** 2, "1 - g**2": lambda s: 1 - s.g**2, "c": lambda s: s.c_next,
    "c * (1 - c)": lambda s: s.c_next * (1 - s.c_next), "1 - c_prev**2": lambda s: 1 - s.c**2, "o": lambda s: s.o,
    "np.tanh(c) * (1 - np.tanh(c))": lambda s: np.tanh(s.c_next) * (1 - np.tanh(s.c_next)),
    "o * (1 - o)": lambda s: s.o * (1 - s.o),
}  # fmt: skip
for _name, _operand in HEADS.items():
    read_off(
        "backward", f"grad-cell-slope-{as_slug(_name)}", f"dc is built with {_name} in the place of 1 - np.tanh(c)**2.",
        f"{OUTPUT_OF}.", head_slope=lambda self, up, step, of=_operand: of(step),
    )  # fmt: skip
for _name in ("i", "f", "g", "np.tanh(c)", "h"):
    read_off(
        "backward", f"grad-cell-times-{as_slug(_name)}", f"dc is built with {_name} in the place of o.", f"{OUTPUT_OF}.",
        head_gate=lambda self, up, step, of=OPERANDS[_name]: of(step),
    )  # fmt: skip
read_off(
    "backward", "grad-cell-slope-on-carry", "dc = (dc + dh * o) * (1 - np.tanh(c)**2): the slope is on what was carried as well.",
    f"{OUTPUT_OF}.", now=None,
    cell_from_hidden=noting,
    add_cell=lambda self, up, d_c, local: up(d_c if self.now is None else d_c * self.head_slope(self.now), local),
)  # fmt: skip
read_off(
    "backward", "grad-hidden-not-into-cell", "dh reaches the output gate alone: nothing of it is added to dc.", f"{OUTPUT_OF}.",
    cell_from_hidden=lambda self, up, step, d_h: np.zeros_like(d_h),
)  # fmt: skip
for _name in ("i", "g", "o", "c", "c_prev", "np.tanh(c)"):
    read_off(
        "backward", f"grad-cell-carry-times-{as_slug(_name)}", f"dc is carried back times {_name} in the place of f.", "Carry dc * f.",
        carry_cell=lambda self, up, d_c, step, of=OPERANDS[_name]: d_c * of(step),
    )  # fmt: skip
read_off(
    "backward", "grad-cell-carry-squared-forget", "dc is carried back times f twice.", "Carry dc * f.",
    carry_cell=lambda self, up, d_c, step: d_c * step.f**2,
)  # fmt: skip


def _two_carries(slug: str, title: str, repair: str, **methods: Any) -> None:
    """What needs the parts of dc, which `add_cell` sees, where it is carried."""

    def add_cell(self: Any, up: Any, d_c: Any, local: Any) -> Any:
        self.parts = d_c, local
        return up(d_c, local)

    read_off("backward", slug, title, repair, parts=None, add_cell=add_cell, **methods)


_two_carries(
    "grad-cell-carry-local", "Only the step's own dc is carried back; what was carried to it is not.", "Carry (dc_next + dc) * f.",
    carry_cell=lambda self, up, d_c, step: up(d_c, step) if self.parts is None else self.parts[1] * step.f,
)  # fmt: skip
_two_carries(
    "grad-cell-carry-unmended", "Only the dc that was carried is carried on; what comes through h at the step is not.",
    "Carry (dc_next + dc) * f.", carry_cell=lambda self, up, d_c, step: up(d_c, step) if self.parts is None else self.parts[0] * step.f,
)  # fmt: skip
read_off(
    "backward", "grad-hidden-carry-untransposed", "dh is carried back through U's blocks instead of their transposes.",
    "Carry dz @ U.T.",
    carry_hidden=lambda self, up, dz, U, step: sum(
        d @ u for d, u in zip(np.split(dz, 4, axis=1), np.split(U, 4, axis=1), strict=True)
    ),
)  # fmt: skip


def _own_hidden(self: Any, up: Any, d_h: Any, d_output: Any, t: int) -> Any:
    self.own = up(d_h, d_output, t)
    return self.own


read_off(
    "backward", "grad-hidden-carry-added", "The dh of the later step is carried back itself, beside dz U^T.", "Carry dz @ U.T alone.",
    own=0.0, add_output=_own_hidden, carry_hidden=lambda self, up, dz, U, step: up(dz, U, step) + self.own,
)  # fmt: skip
for _place, _gate in enumerate("ifco"):

    def without_gate(self: Any, up: Any, dz: Any, U: Any, step: Step, place: int = _place) -> Any:
        dz = dz.copy()
        dz[:, place * len(U) : (place + 1) * len(U)] = 0
        return up(dz, U, step)

    read_off(
        "backward", f"grad-hidden-carry-misses-gate-{_gate}", f"dh is carried back without the share of the {NAMES[_gate]}.",
        "Sum the shares of all four gates: dz @ U.T.", carry_hidden=without_gate,
    )  # fmt: skip
