"""What may be wrong over steps and samples, and in what the backward pass remembers of the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    of_cotangents,
    of_gradients,
    read_off,
)
from conformance.diagnosis.probes import samples

# Steps.


def _later(a: Any) -> Any:
    """Each step has the next one's, the last has zeros."""
    return np.concatenate([a[:, 1:], np.zeros_like(a[:, :1])], axis=1)


def _earlier(a: Any) -> Any:
    """Each step has the one before's, the first has zeros."""
    return np.concatenate([np.zeros_like(a[:, :1]), a[:, :-1]], axis=1)


of_cotangents(
    "grad-output-shifted-later", "Each step takes the d_output of the step after.", "Add d_output[t] to dh at step t.",
    lambda y, h, c: (_later(y), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-rolled", "Each step takes the d_output of the step after, the last one that of the first.",
    "Add d_output[t] to dh at step t.", lambda y, h, c: (np.roll(y, -1, axis=1), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-last-skipped", "The last step's d_output is not used.", "Add d_output[t] to dh at every step.",
    lambda y, h, c: (np.concatenate([y[:, :-1], np.zeros_like(y[:, :1])], axis=1), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-first-skipped", "The first step's d_output is not used.", "Add d_output[t] to dh at every step.",
    lambda y, h, c: (np.concatenate([np.zeros_like(y[:, :1]), y[:, 1:]], axis=1), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-summed", "Each step takes the sum of all steps' d_output.", "Add d_output[t] to dh at step t.",
    lambda y, h, c: (np.broadcast_to(y.sum(axis=1, keepdims=True), y.shape), h, c),
)  # fmt: skip
of_cotangents(
    "grad-output-twice", "d_output is added twice.", "Add d_output[t] to dh once.", lambda y, h, c: (2 * y, h, c)
)
of_cotangents(
    "grad-final-hidden-into-last-output", "d_h is used twice.", "Begin with dh = d_h, and add it once.",
    lambda y, h, c: (np.concatenate([y[:, :-1], y[:, -1:] + h[:, None]], axis=1), h, c),
)  # fmt: skip
MOVED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("later", "the step after, the last has zeros", _later), ("earlier", "the step before, the first has zeros", _earlier),
    ("rolled-later", "the step after, the last has the first's", lambda a: np.roll(a, -1, axis=1)),
    ("rolled-earlier", "the step before, the first has the last's", lambda a: np.roll(a, 1, axis=1)),
    ("summed-back", "all steps from it on, summed", lambda a: np.cumsum(a[:, ::-1], axis=1)[:, ::-1]),
    ("summed-on", "all steps up to it, summed", lambda a: np.cumsum(a, axis=1)),
    ("total", "all steps, summed", lambda a: np.broadcast_to(a.sum(axis=1, keepdims=True), a.shape)),
    ("last-only", "the last step at every step", lambda a: np.broadcast_to(a[:, -1:], a.shape)),
    ("first-only", "the first step at every step", lambda a: np.broadcast_to(a[:, :1], a.shape)),
    ("last-step-alone", "its own at the last step, zeros elsewhere", lambda a: np.concatenate([0 * a[:, :-1], a[:, -1:]], axis=1)),
    ("first-step-alone", "its own at the first step, zeros elsewhere", lambda a: np.concatenate([a[:, :1], 0 * a[:, 1:]], axis=1)),
)  # fmt: skip
for _name, _text, _change in MOVED:
    of_gradients(
        f"grad-x-{_name}", f"d_x has at each step that of {_text}.", "d_x[t] = dz[t] @ W.T, stored at t.",
        lambda result, case, change=_change: {"d_x": change(result["d_x"])},  # type: ignore[misc]  # a default binds the loop's value
    )  # fmt: skip


def _last_carries(slug: str, title: str, repair: str, h: bool = False, c: bool = False) -> None:
    """A bug in what is given as d_h0 and d_c0, of what was there at the first step before it was carried."""

    def add_cell(self: Any, up: Any, d_c: Any, local: Any) -> Any:
        self.seen_c = up(d_c, local)
        return self.seen_c

    def add_output(self: Any, up: Any, d_h: Any, d_output: Any, t: int) -> Any:
        self.seen_h = up(d_h, d_output, t)
        return self.seen_h

    def backward(self: Any, up: Any, *given: Any) -> Any:
        d_x, d_h, d_c, *weights = up(*given)
        return (
            d_x, self.seen_h if h and self.seen_h is not None else d_h,
            self.seen_c if c and np.shape(self.seen_c) == d_c.shape else d_c, *weights,
        )  # fmt: skip

    read_off(
        "backward",
        slug,
        title,
        repair,
        seen_h=None,
        seen_c=None,
        add_cell=add_cell,
        add_output=add_output,
        backward=backward,
    )


_last_carries(
    "grad-initial-cell-before-forget", "d_c0 is the first step's dc, which was not carried through f.", "d_c0 = dc * f.",
    c=True,
)  # fmt: skip
_last_carries(
    "grad-initial-hidden-before-carry", "d_h0 is the first step's dh, which was not carried through the gates.", "d_h0 = dz @ U.T.",
    h=True,
)  # fmt: skip
_last_carries(
    "grad-initial-states-before-carry", "d_h0 and d_c0 are the first step's dh and dc, which were not carried back from it.",
    "d_h0 = dz @ U.T; d_c0 = dc * f.", h=True, c=True,
)  # fmt: skip
for _name, _start, _end in (("first", 1, 0), ("last", 0, 1)):

    def skipping(self: Any, up: Any, T: int, start: int = _start, end: int = _end) -> Any:
        return list(reversed(range(start, T - end)))

    read_off(
        "backward", f"grad-skips-{_name}-step", f"The backward pass leaves out the {_name} step.", "Go back over all steps.",
        backward_times=skipping,
    )  # fmt: skip
read_off(
    "backward", "grad-forward-in-time", "The backward pass goes from the first step to the last.",
    "Go from the last step to the first.", backward_times=lambda self, up, T: list(range(T)),
)  # fmt: skip


def _running(places: tuple[int, ...], slug: str, title: str) -> None:
    """Weights' gradients to which every step adds the sums so far once more."""

    def accumulate(self: Any, up: Any, old: Any, new: Any) -> Any:
        if self.array not in places:
            return up(old, new)
        if not hasattr(self, "running"):
            self.running = {}
        self.running[self.array] = self.running.get(self.array, 0 * new) + new
        return up(old, self.running[self.array])

    def backward(self: Any, up: Any, *given: Any) -> Any:
        self.running = {}
        return up(*given)

    read_off("backward", slug, title, "Add each step's own share.", accumulate=accumulate, backward=backward)


for _place, _array in enumerate(ARRAYS):
    _running(
        (_place,),
        f"grad-{_array[2:].replace('_', '-')}-running",
        f"To {_array} every step adds what the later ones gave once more.",
    )
_running(
    (0, 1, 2), "grad-weights-running", "To the weights' gradients every step adds what the later ones gave once more."
)


def _summed_dz(self: Any, up: Any, step: Step, d_h: Any, d_c: Any, carried: Any) -> Any:
    dz = up(step, d_h, d_c, carried)
    self.dz = dz if step.t == len(self.case.x[0]) - 1 else self.dz + dz
    return self.dz


read_off(
    "backward", "grad-logits-running", "dz is summed over the steps where each step's own belongs.", "dz = ..., not dz += ...",
    dz=0.0, gate_gradients=_summed_dz,
)  # fmt: skip

# What the backward pass remembers of the forward pass.


def _remembered(slug: str, title: str, repair: str, change: Callable[[list[Step]], None]) -> None:
    def backward(self: Any, up: Any, steps: list[Step], *given: Any) -> Any:
        steps = [Step(**vars(step)) for step in steps]
        change(steps)
        return up(steps, *given)

    read_off("backward", slug, title, repair, backward=backward)


def _remember(slug: str, title: str, names: dict[str, str], of: Callable[[list[Step], int], Step]) -> None:
    """Each step has these of another step."""

    def change(steps: list[Step]) -> None:
        taken = [{name: getattr(of(steps, n), source) for name, source in names.items()} for n in range(len(steps))]
        for step, values in zip(steps, taken, strict=True):
            vars(step).update(values)

    _remembered(slug, title, "Cache each step's own, as copies.", change)


_LAST, _FIRST = (lambda steps, n: steps[-1]), (lambda steps, n: steps[0])
_OLDER, _NEWER = (lambda steps, n: steps[max(n - 1, 0)]), (lambda steps, n: steps[min(n + 1, len(steps) - 1)])
_ALL = ("x", "h", "c", "i", "f", "g", "o", "c_next", "h_next", "z")
for _name, _names in {
    "cell": {"c": "c_next", "c_next": "c_next"}, "old-cell": {"c": "c_next"}, "new-cell": {"c_next": "c_next"},
    "hidden": {"h": "h_next"}, "gates": {n: n for n in "ifgo"}, "everything": {n: n for n in _ALL},
}.items():  # fmt: skip
    _remember(
        f"grad-cache-last-{_name}",
        f"The backward pass has the last step's {_name.replace('-', ' ')} at every step.",
        _names,
        _LAST,
    )
for _name, _source in (("c", "cell"), ("h", "hidden")):
    _remember(
        f"grad-cache-initial-{_source}", f"The backward pass has {_name}0 as the old {_name} of every step.",
        {_name: _name}, _FIRST,
    )  # fmt: skip
    _remember(
        f"grad-cache-older-{_source}",
        f"The backward pass has the old {_name} of one step too early.",
        {_name: _name},
        _OLDER,
    )


def _last_cell(steps: list[Step]) -> None:
    for step in steps[1:]:
        step.c = steps[-1].c_next


_remembered(
    "grad-cache-last-cell-after-first", "From the second step on, the backward pass has the final c as the old c.",
    "Cache each step's own, as copies.",
    _last_cell,
)  # fmt: skip
for _name, _value in (("i", "i"), ("f", "f"), ("g", "g"), ("o", "o")):
    _remember(
        f"grad-cache-later-{_name}",
        f"The backward pass has at each step the {_value} of the step after.",
        {_name: _name},
        _NEWER,
    )
    _remember(
        f"grad-cache-earlier-{_name}",
        f"The backward pass has at each step the {_value} of the step before.",
        {_name: _name},
        _OLDER,
    )


def _zero_old(name: str) -> Callable[[list[Step]], None]:
    def change(steps: list[Step]) -> None:
        setattr(steps[0], name, np.zeros_like(getattr(steps[0], name)))

    return change


for _name in ("h", "c"):
    _remembered(
        f"grad-initial-{_name}-taken-as-zero", f"The backward pass has zeros in the place of {_name}0.", "Use the given state.",
        _zero_old(_name),
    )  # fmt: skip

# Samples, one after the other.


def _each(function: Callable[..., Any], *steps: Step) -> Step:
    """A step of what a function makes of each of these steps' arrays."""
    arrays = {name: function(*(vars(step)[name] for step in steps)) for name in vars(steps[0]) if name != "t"}
    return Step(**arrays, t=steps[0].t)


def _by_sample(slug: str, title: str, keeps: tuple[bool, bool]) -> None:
    """The carried gradients of one sample are left over for the next one."""

    def backward(self: Any, up: Any, steps: list[Step], d_output: Any, d_h: Any, d_c: Any, W: Any, U: Any) -> Any:
        case, found, left = self.case, [], [0.0 * d_h[:1], 0.0 * d_c[:1]]
        for b in range(len(d_h)):
            rows = [_each(lambda a, b=b: a[b : b + 1], step) for step in steps]
            self.case = samples(case, b, b + 1)
            one = up(rows, d_output[b : b + 1], d_h[b : b + 1] + left[0], d_c[b : b + 1] + left[1], W, U)
            left = [one[n] if keep else 0 * one[n] for n, keep in zip((1, 2), keeps, strict=True)]
            found.append(one)
        self.case = case
        states = [np.concatenate([one[n] for one in found]) for n in range(3)]
        return (*states, *(sum(one[n] for one in found) for n in range(3, 6)))

    read_off("backward", slug, title, "Begin each sample with its own d_h and d_c.", backward=backward)


_by_sample(
    "grad-hidden-left-over", "Of dh, what was carried back of one sample is left over for the next.", (True, False)
)
_by_sample(
    "grad-cell-left-over", "Of dc, what was carried back of one sample is left over for the next.", (False, True)
)
_by_sample("grad-states-left-over", "What was carried back of one sample is left over for the next.", (True, True))


def _sequential(slug: str, title: str, keeps: tuple[bool, bool]) -> None:
    """Samples are run one after the other, each from where the last one ended."""

    def forward(self: Any, up: Any, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        rows, state = [], (h[:1], c[:1])
        for n in range(len(x)):
            own = (h[n : n + 1], c[n : n + 1])
            start = tuple(s if keep and n else o for s, o, keep in zip(state, own, keeps, strict=True))
            rows.append(up(x[n : n + 1], *start, W, U, b))
            state = self.carried(rows[-1][-1])
        return [_each(lambda *a: np.concatenate(a), *at_once) for at_once in zip(*rows, strict=True)]

    read_off("states", slug, title, "Begin each sample with its own h0 and c0.", forward=forward)


_sequential("hidden-left-over", "Each sample begins with the h that the one before it ended with.", (True, False))
_sequential("cell-left-over", "Each sample begins with the c that the one before it ended with.", (False, True))
_sequential("states-left-over", "Each sample begins with the state that the one before it ended with.", (True, True))
