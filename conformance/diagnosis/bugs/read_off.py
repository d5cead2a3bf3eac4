"""What may stand in each place of the backward pass beyond the catalogue's bugs: read off a candidate, one place at a time.

These are not known from anywhere and nothing is promised about them; they are what is tried when no catalogued bug fits a place.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step, block
from lstm_ref import reorder_gates

NAMES = {"i": "input gate", "f": "forget gate", "c": "candidate", "o": "output gate"}
OPERANDS: dict[str, Callable[[Step], Any]] = {
    "1": lambda s: np.ones_like(s.i), "i": lambda s: s.i, "f": lambda s: s.f, "g": lambda s: s.g, "o": lambda s: s.o,
    "c_prev": lambda s: s.c, "c": lambda s: s.c_next, "np.tanh(c_prev)": lambda s: np.tanh(s.c),
    "np.tanh(c)": lambda s: np.tanh(s.c_next), "h_prev": lambda s: s.h, "h": lambda s: s.h_next,
}  # fmt: skip
SLOPES: dict[str, Callable[[Any], Any]] = {
    "{0} * (1 - {0})": lambda a: a * (1 - a), "1 - {0}**2": lambda a: 1 - a**2, "1 - {0}": lambda a: 1 - a,
    "{0}": lambda a: a, "{0}**2": lambda a: a**2, "1 - np.tanh({0})**2": lambda a: 1 - np.tanh(a) ** 2,
    "sigmoid({0}) * (1 - sigmoid({0}))": lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2, "1": np.ones_like,
    "{0} * (1 - {0}**2)": lambda a: a * (1 - a**2), "(1 - {0})**2": lambda a: (1 - a) ** 2,
     "1 - {0} * (1 - {0})": lambda a: 1 - a * (1 - a),
}  # fmt: skip
RIGHT_FACTOR = {"i": "g", "f": "c_prev", "c": "i", "o": "np.tanh(c)"}
CATALOGUED = {
    *((gate, form, gate) for gate in "ifo" for form in ("{0}", "1", "sigmoid({0}) * (1 - sigmoid({0}))")),
    *((gate, "sigmoid({0}) * (1 - sigmoid({0}))", "z") for gate in "ifo"), ("c", "1 - np.tanh({0})**2", "z"),
    *(("c", form, "c") for form in ("1", "{0} * (1 - {0})", "1 - np.tanh({0})**2")),
}  # fmt: skip
"""The slopes that the catalogue has already, or that are right in another form."""
VALUE = {"i": "i", "f": "f", "c": "g", "o": "o"}
OUTPUT_OF = "dc += dh * o * (1 - np.tanh(c)**2)"

TWICE = {
    "grad-initial-h-taken-as-zero", "grad-f-for-c-in-bias", "grad-c-also-times-g", "grad-o-also-times-o", "grad-bias-of-first-step",
    "grad-cache-initial-hidden", "grad-cache-older-hidden", "grad-recurrent-kernel-of-step-before", "grad-hidden-cut-at-start",
    "grad-cell-cut-at-start", "grad-c-slope-g-times-1-minus-i",
    *(f"all-logits-clipped-{most}" for most in (15, 20, 30, 50)),
}  # fmt: skip
"""What the loops below and beside would enter a second time, as something else that is the same function."""


def read_off(group: str, slug: str, title: str, repair: str, **methods: Any) -> None:
    """Enter methods that are given, after `self`, what else would be called in their place."""
    if slug in TWICE:
        return
    kind = type("ReadOff", (HookableLSTM,), {})
    for name, method in methods.items():
        setattr(kind, name, _over(kind, name, method) if callable(method) else method)
    enter(group, slug, title, "It was read off the numbers.", repair, read_off=True)(kind)


def _over(kind: type[HookableLSTM], name: str, method: Callable[..., Any]) -> Any:
    return lambda self, *given: method(self, getattr(super(kind, self), name), *given)


def as_slug(text: str) -> str:
    """A formula as a part of a slug."""
    text = f"square of {text[1:-4]}" if text.startswith("(1 - ") else text
    for sign, word in (("np.", ""), ("**2", " squared "), ("*", " times "), ("-", " minus "), ("+", " plus ")):
        text = text.replace(sign, word)
    return "-".join("".join(a if a.isalnum() else " " for a in text).split())


# One gate's gradient: what it is multiplied with, the activation's slope, and which dc.

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

# What reaches c through h, and what is carried back.

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


def noting(self: Any, up: Any, step: Step, d_h: Any) -> Any:
    """Remember the step for what is called after."""
    self.now = step
    return up(step, d_h)


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

# Sums over samples and steps, array by array.

ARRAYS = ("d_kernel", "d_recurrent_kernel", "d_bias")
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


def of_gradients(slug: str, title: str, repair: str, change: Callable[[dict[str, Any], Any], dict[str, Any]]) -> None:
    """A bug in the finished gradients."""

    class Finished(HookableLSTM):
        def __call__(self, case: Any) -> Any:
            result = dict(super().__call__(case))
            return result | change(result, case)

    enter("backward", slug, title, "It was read off the numbers.", repair, read_off=True)(Finished)


def multiplied(names: tuple[str, ...], by: Callable[[Any], float]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Some gradients times what is made of the case."""
    return lambda result, case: {n: result[n] * result[n].dtype.type(by(case)) for n in names if n in result}


STATES = ("d_x", "d_h0", "d_c0")
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


def of_cotangents(slug: str, title: str, repair: str, change: Any) -> None:
    read_off("backward", slug, title, repair, cotangents=lambda self, up, case: change(*up(case)))


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
