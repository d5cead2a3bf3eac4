"""One gate's gradient: what it is multiplied with, the activation's slope, and which dc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    NAMES,
    OPERANDS,
    RIGHT_FACTOR,
    VALUE,
    as_slug,
    read_off,
)

SLOPES: dict[str, Callable[[Any], Any]] = {
    "{0} * (1 - {0})": lambda a: a * (1 - a), "1 - {0}**2": lambda a: 1 - a**2, "1 - {0}": lambda a: 1 - a,
    "{0}": lambda a: a, "{0}**2": lambda a: a**2, "1 - np.tanh({0})**2": lambda a: 1 - np.tanh(a) ** 2,
    "sigmoid({0}) * (1 - sigmoid({0}))": lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2, "1": np.ones_like,
    "{0} * (1 - {0}**2)": lambda a: a * (1 - a**2), "(1 - {0})**2": lambda a: (1 - a) ** 2,
     "1 - {0} * (1 - {0})": lambda a: 1 - a * (1 - a),
}  # fmt: skip
CATALOGUED = {
    *((gate, form, gate) for gate in "ifo" for form in ("{0}", "1", "sigmoid({0}) * (1 - sigmoid({0}))")),
    *((gate, "sigmoid({0}) * (1 - sigmoid({0}))", "z") for gate in "ifo"), ("c", "1 - np.tanh({0})**2", "z"),
    *(("c", form, "c") for form in ("1", "{0} * (1 - {0})", "1 - np.tanh({0})**2")),
}  # fmt: skip
"""The slopes that the catalogue has already, or that are right in another form."""

for _gate in "ifco":
    for _name, _operand in OPERANDS.items():

        def factor(self: Any, up: Any, gate: str, step: Step, its: str = _gate, of: Any = _operand) -> Any:
            return of(step) if gate == its else up(gate, step)

        if _name != RIGHT_FACTOR[_gate] and (_gate, _name) != ("f", "c"):
            read_off(
                "backward", f"grad-{_gate}-times-{as_slug(_name)}",
                f"The {NAMES[_gate]}'s gradient is built with {_name} in the place of {RIGHT_FACTOR[_gate]}.",
                f"d{VALUE[_gate]} = {'dh' if _gate == 'o' else 'dc'} * {RIGHT_FACTOR[_gate]}.",
                factor=factor,
            )  # fmt: skip
    _right = "1 - g**2" if _gate == "c" else f"{_gate} * (1 - {_gate})"
    for _form, _function in SLOPES.items():
        for _of in "ifcozh" if _form in ("{0} * (1 - {0})", "1 - {0}**2") else _gate + "z":
            _formula = _form.format({"z": f"z_{_gate}", "h": "np.tanh(c)"}.get(_of, VALUE.get(_of)))

            def slope(
                self: Any, up: Any, gate: str, step: Step, its: str = _gate, of: str = _of, function: Any = _function
            ) -> Any:
                if gate != its:
                    return up(gate, step)
                a = {"i": step.i, "f": step.f, "c": step.g, "o": step.o, "h": np.tanh(step.c_next)}.get(of)
                return function(block(step.z, its) if a is None else a)

            if not (_formula == _right or (_form == "1" and _of == "z") or (_gate, _form, _of) in CATALOGUED):
                read_off(
                    "backward", f"grad-{_gate}-slope-{as_slug(_formula)}",
                    f"The slope of the {NAMES[_gate]} is {_formula} in the place of {_right}.", f"Multiply by {_right}.",
                    slope=slope,
                )  # fmt: skip

for _gates in ("i", "f", "c", "ifc"):
    _whose = "dz" if len(_gates) > 1 else f"The {NAMES[_gates]}'s gradient"

    def local(self: Any, up: Any, gate: str, step: Step, d_h: Any, d_c: Any, carried: Any, its: str = _gates) -> Any:
        d_c = self.cell_from_hidden(step, d_h) if gate in its else d_c
        return up(gate, step, d_h, d_c, carried)

    def carried_alone(
        self: Any, up: Any, gate: str, step: Step, d_h: Any, d_c: Any, carried: Any, its: str = _gates
    ) -> Any:
        return up(gate, step, d_h, carried if gate in its else d_c, carried)

    read_off(
        "backward", f"grad-{_gates}-without-carried-cell", f"{_whose} is built without the dc that was carried back.",
        "Use the whole dc: what was carried plus what comes through h.", gate_gradient=local,
    )  # fmt: skip
    read_off(
        "backward", f"grad-{_gates}-without-hidden", f"{_whose} is built of the carried dc alone, without what comes through h.",
        "Use the whole dc: what was carried plus what comes through h.", gate_gradient=carried_alone,
    )  # fmt: skip
