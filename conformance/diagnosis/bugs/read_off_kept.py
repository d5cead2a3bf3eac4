"""How h and c are kept: late, overwritten, scaled or rounded; and results that are brought into shape by reshape."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    as_word,
    by_factor,
    of_gradients,
    read_off,
)
from conformance.diagnosis.bugs.read_off_forward import of_carried, of_logits, of_results


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
        f"output-scaled-{as_word(_by)}", f"output is h times {_by:.3g}.", "Store h.",
        lambda y, h, c, s, by=_by: (by_factor(y, by), h, c),
    )  # fmt: skip
    read_off(
        "cell", f"hidden-scaled-{as_word(_by)}", f"h is multiplied by {_by:g}.", "h = o * np.tanh(c).",
        hidden=lambda self, up, *given, by=_by: by_factor(up(*given), by),
    )  # fmt: skip
    read_off(
        "cell", f"cell-scaled-{as_word(_by)}", f"The new c is multiplied by {_by:g}.", "c = f * c + i * g.",
        cell=lambda self, up, *given, by=_by: by_factor(up(*given), by),
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
