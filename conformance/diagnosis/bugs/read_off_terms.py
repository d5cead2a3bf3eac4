"""Terms of one gate's gradient that may be taken for others, copied, or scaled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    FACTORS,
    NAMES,
    OPERANDS,
    RIGHT_FACTOR,
    VALUE,
    as_slug,
    as_word,
    read_off,
)

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
            "backward", f"grad-{_gate}-scaled-{as_word(_by)}", f"{_d} is multiplied by {_by:g}.", "Take out the factor.",
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
