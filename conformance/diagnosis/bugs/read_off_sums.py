"""The weights' gradients as sums over samples and steps, and what is made of finished gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    NAMES,
    STATES,
    as_slug,
    multiplied,
    of_cotangents,
    of_gradients,
    read_off,
)
from lstm_ref import reorder_gates

SHARES: dict[str, tuple[str, Callable[..., Any]]] = {
    "mean": ("is averaged over the batch", lambda new, a, dz, last: new / new.dtype.type(len(dz))),
    "of-first-sample": ("is the first sample's alone", lambda new, a, dz, last: _product(a[:1], dz[:1])),
    "of-last-sample": ("is the last sample's alone", lambda new, a, dz, last: _product(a[-1:], dz[-1:])),
    "of-last-step": ("is the last step's alone", lambda new, a, dz, last: new if last else 0 * new),
}


def _product(a: Any, dz: Any) -> Any:
    return a.T @ dz if a.size else dz.sum(axis=0)


def _one_array(place: int, name: str) -> None:
    def weight_gradients(self: Any, up: Any, steps: list[Step], t: int, dz: Any, change: Any) -> Any:
        new = list(up(steps, t, dz))
        a = (steps[t].x, steps[t].h, np.zeros((len(dz), 0)))[place]
        new[place] = change(new[place], a, dz, t == len(steps) - 1)
        return tuple(new)

    def assigned(self: Any, up: Any, old: Any, new: Any) -> Any:
        return new if self.array == place else up(old, new)

    for slug, (text, change) in SHARES.items():
        if (name, slug) != ("d_bias", "of-first-sample"):
            read_off(
                "backward", f"grad-{name[2:].replace('_', '-')}-{slug}", f"{name} {text}.", "Sum over samples and steps.",
                weight_gradients=lambda self, up, steps, t, dz, change=change: weight_gradients(self, up, steps, t, dz, change),
            )  # fmt: skip
    read_off(
        "backward", f"grad-{name[2:].replace('_', '-')}-assigned", f"{name} is assigned each step, not summed.",
        "Sum over the steps: +=, not =.", accumulate=assigned,
    )  # fmt: skip


for _nth, _gradient in enumerate(ARRAYS):
    _one_array(_nth, _gradient)
for _sample, _part in (("first", slice(0, 1)), ("last", slice(-1, None))):
    read_off(
        "backward", f"grad-weights-of-{_sample}-sample", f"The weights' gradients are the {_sample} sample's alone.",
        "Sum over the batch.",
        weight_gradients=lambda self, up, steps, t, dz, part=_part: (
            steps[t].x[part].T @ dz[part], steps[t].h[part].T @ dz[part], dz[part].sum(axis=0)
        ),
    )  # fmt: skip
read_off(
    "backward", "grad-recurrent-uses-initial-hidden", "d_recurrent_kernel is built from h0 at every step.", "Use h[t-1].T @ dz[t].",
    weight_gradients=lambda self, up, steps, t, dz: (steps[t].x.T @ dz, steps[0].h.T @ dz, dz.sum(axis=0)),
)  # fmt: skip
read_off(
    "backward", "grad-recurrent-uses-older-hidden", "d_recurrent_kernel is built from the h of one step too early.",
    "Use h[t-1].T @ dz[t].",
    weight_gradients=lambda self, up, steps, t, dz: (steps[t].x.T @ dz, steps[max(t - 1, 0)].h.T @ dz, dz.sum(axis=0)),
)  # fmt: skip
for _end, _step in (("first", 0), ("last", -1)):
    read_off(
        "backward", f"grad-kernel-uses-{_end}-input", f"d_kernel is built from the {_end} step's x at every step.",
        "Use x[t].T @ dz[t].",
        weight_gradients=lambda self, up, steps, t, dz, of=_step: (steps[of].x.T @ dz, steps[t].h.T @ dz, dz.sum(axis=0)),
    )  # fmt: skip
for _k in (2, 3, 4, 5, 10):

    def cut(self: Any, up: Any, T: int, k: int = _k) -> Any:
        return list(reversed(range(T)))[:k]

    read_off(
        "backward", f"grad-truncated-{_k}", f"The backward pass goes over the last {_k} steps.", "Go back over all steps.",
        backward_times=cut,
    )  # fmt: skip

# What is made of the finished gradients.

for _order in ("".join(order) for order in permutations("ifco") if "".join(order) != "ifco"):
    _blocks, _join = (
        f"blocks in the order {', '.join(_order)}",
        "Concatenate the gates' gradients in the order of the weights' blocks.",
    )
    for _nth, _array in enumerate(ARRAYS):
        read_off(
            "backward", f"grad-{_array[2:].replace('_', '-')}-block-order-{_order}", f"{_array} alone has its {_blocks}.", _join,
            write=lambda self, up, dW, dU, db, order=_order, nth=_nth: tuple(
                reorder_gates(a, "ifco", order) if n == nth else a for n, a in enumerate((dW, dU, db))
            ),
        )  # fmt: skip
    if _order != "ifoc":
        read_off(
            "backward", f"grad-block-order-{_order}", f"The weights' gradients have their {_blocks}.", _join,
            write=lambda self, up, dW, dU, db, order=_order: tuple(reorder_gates(a, "ifco", order) for a in (dW, dU, db)),
        )  # fmt: skip
        read_off(
            "backward", f"grad-blocks-mixed-{_order}", f"dz has its {_blocks}, the weights have i, f, c, o.",
            "Concatenate dz in the order of the weights' blocks.",
            gate_gradients=lambda self, up, *given, order=_order: reorder_gates(up(*given), "ifco", order),
        )  # fmt: skip
_SCALED: dict[str, tuple[str, ...]] = {name: (name,) for name in (*STATES, *ARRAYS)}
_SCALED |= {"every gradient": (*STATES, *ARRAYS), "each gradient of the weights": ARRAYS}
for _name, _names in _SCALED.items():
    for _word, _by in (("twice", 2.0), ("half", 0.5), ("minus", -1.0), ("zero times", 0.0)):
        of_gradients(
            f"grad-{as_slug(_word)}-{as_slug(_name.removeprefix('d_'))}", f"{_name} is {_word} what it should be.",
            "Take out the factor.",
            multiplied(_names, lambda case, by=_by: by),  # type: ignore[misc]  # a default binds the loop's value
        )  # fmt: skip
    if _name in STATES:
        of_gradients(
            f"grad-mean-{as_slug(_name.removeprefix('d_'))}", f"{_name} is divided by B.", "A mean belongs into the loss.",
            multiplied(_names, lambda case: 1 / len(case.x)),
        )  # fmt: skip
for _name in ARRAYS:
    for _place, _gate in enumerate("ifco"):

        def emptied(result: Any, case: Any, name: str = _name, place: int = _place) -> Any:
            if name not in result:
                return {}
            array = result[name].copy()
            H = array.shape[-1] // 4
            array[..., place * H : (place + 1) * H] = 0
            return {name: array}

        of_gradients(
            f"grad-{as_slug(_name[2:])}-misses-gate-{_gate}", f"The block {_gate} of {_name} is zero.",
            f"Give the {NAMES[_gate]}'s gradient as well.", emptied,
        )  # fmt: skip
of_gradients(
    "grad-initial-states-swapped", "d_h0 and d_c0 are exchanged.", "Give d_h0, then d_c0.",
    lambda result, case: {"d_h0": result["d_c0"], "d_c0": result["d_h0"]},
)  # fmt: skip
of_gradients(
    "grad-x-reversed", "d_x is in reverse order.", "The backward pass goes from the last step to the first: store at t.",
    lambda result, case: {"d_x": np.ascontiguousarray(result["d_x"][:, ::-1])},
)  # fmt: skip
of_cotangents(
    "grad-final-states-swapped",
    "d_h and d_c are exchanged.",
    "Begin with dh = d_h and dc = d_c.",
    lambda y, h, c: (y, c, h),
)
of_cotangents(
    "grad-output-shifted", "Each step takes the d_output of the step before.", "Add d_output[t] to dh at step t.",
    lambda y, h, c: (np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-reversed",
    "d_output is taken in reverse order.",
    "Add d_output[t] to dh at step t.",
    lambda y, h, c: (y[:, ::-1], h, c),
)
read_off(
    "backward", "grad-final-cell-every-step", "d_c is added to dc at every step.", "Begin with dc = d_c, and add it once.",
    carry_cell=lambda self, up, d_c, step: up(d_c, step) + self.case.d_c * (step.t > 0),
)  # fmt: skip
read_off(
    "backward", "grad-final-hidden-every-step", "d_h is added to dh at every step.", "Begin with dh = d_h, and add it once.",
    carry_hidden=lambda self, up, dz, U, step: up(dz, U, step) + self.case.d_h * (step.t > 0),
)  # fmt: skip
