"""The products that the weights' gradients are summed of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    NAMES,
    of_gradients,
    read_off,
)


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
