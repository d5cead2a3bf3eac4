"""Slopes of other gates, gradients cut off or decayed."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    NAMES,
    multiplied,
    of_gradients,
    read_off,
)

for _gate in "ifco":
    for _one, _other in permutations("ifgo", 2):

        def mixed(self: Any, up: Any, gate: str, step: Step, its: str = _gate, a: str = _one, b: str = _other) -> Any:
            return getattr(step, a) * (1 - getattr(step, b)) if gate == its else up(gate, step)

        read_off(
            "backward", f"grad-{_gate}-slope-{_one}-times-1-minus-{_other}",
            f"The slope of the {NAMES[_gate]} is {_one} * (1 - {_other}).",
            f"Multiply by {'1 - g**2' if _gate == 'c' else f'{_gate} * (1 - {_gate})'}.", slope=mixed,
        )  # fmt: skip
read_off(
    "backward", "grad-hidden-added-to-cell", "dh is added to dc as it is, without o * (1 - np.tanh(c)**2).",
    "dc += dh * o * (1 - np.tanh(c)**2).", cell_from_hidden=lambda self, up, step, d_h: d_h,
)  # fmt: skip
for _most in (1.0, 5.0):

    def each_to_norm(result: Any, case: Any, most: float = _most) -> Any:
        norms = {n: float(np.sqrt((result[n].astype(np.float64) ** 2).sum())) for n in ARRAYS if n in result}
        return {n: result[n] * result[n].dtype.type(most / norm) for n, norm in norms.items() if norm > most}

    of_gradients(
        f"grad-each-clipped-norm-{_most:g}", f"Each of the weights' gradients is scaled down to a norm of {_most:g}.",
        "Leave clipping to the optimizer.", each_to_norm,
    )  # fmt: skip
for _decay in (0.1, 0.01, 1e-3, 1e-4, 1e-5):

    def decayed(result: Any, case: Any, by: float = _decay) -> Any:
        p = case.params
        weights = {"d_kernel": p.kernel, "d_recurrent_kernel": p.recurrent_kernel}
        return {n: result[n] + result[n].dtype.type(by) * w for n, w in weights.items() if n in result}

    of_gradients(
        f"grad-weight-decay-{_decay:g}", f"{_decay:g} times the weights is added to their gradients.",
        "Leave weight decay to the optimizer.", decayed,
    )  # fmt: skip
for _array in ARRAYS:
    of_gradients(
        f"grad-time-mean-{_array[2:].replace('_', '-')}", f"{_array} is divided by T.", "Sum over time; a mean belongs into the loss.",
        multiplied((_array,), lambda case: 1 / case.x.shape[1]),
    )  # fmt: skip
