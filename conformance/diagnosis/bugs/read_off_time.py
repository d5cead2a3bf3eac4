"""What may be wrong over steps and samples, in what is kept and cut off, and in the precision of what is kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import ARRAYS, NAMES, multiplied, of_cotangents, of_gradients, read_off
from conformance.diagnosis.bugs.read_off_forward import clipped, of_carried, of_inputs, of_logits, of_results
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

# Products of gates that a slope may be taken for, and sizes cut off.

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

# The forward pass.

of_inputs(
    "input-later", "Each step takes the next one's input, the last its own.", "Take x[t] at step t.",
    lambda x, h, c: (np.concatenate([x[:, 1:], x[:, -1:]], axis=1), h, c),
)  # fmt: skip
of_inputs(
    "input-rolled", "Each step takes the input of the one before, the first takes the last one's.", "Take x[t] at step t.",
    lambda x, h, c: (np.roll(x, 1, axis=1), h, c),
)  # fmt: skip
of_inputs(
    "input-reshaped-features", "x is brought to (T, D, B) by reshape instead of transpose.", "Exchange axes with x.transpose.",
    lambda x, h, c: (x.reshape(x.shape[1], x.shape[2], x.shape[0]).transpose(2, 0, 1), h, c),
)  # fmt: skip
of_inputs(
    "input-lagged-from-zero", "Each step takes the input of the one before, the first takes zeros.", "Take x[t] at step t.",
    lambda x, h, c: (_earlier(x), h, c),
)  # fmt: skip
of_results(
    "output-before-gate", "output holds tanh(c), without o.", "Store h.",
    lambda y, h, c, s: (np.stack([np.tanh(t.c_next) for t in s], 1), h, c),
)  # fmt: skip
of_results("final-cell-squashed-by-gate", "o * tanh(c), which is h, scaled once more by o is given as h.", "Give h.",
    lambda y, h, c, s: (y, h * s[-1].o, c))  # fmt: skip
of_results(
    "final-states-averaged", "The final states are the means over the steps.", "Give the last step's.",
    lambda y, h, c, s: (y, np.mean([t.h_next for t in s], 0, dtype=h.dtype), np.mean([t.c_next for t in s], 0, dtype=c.dtype)),
)  # fmt: skip
of_results(
    "final-hidden-averaged", "The final h is the mean of all outputs.", "Give the last one.",
    lambda y, h, c, s: (y, np.mean([t.h_next for t in s], 0, dtype=h.dtype), c),
)  # fmt: skip


def _lagged_candidate(self: Any, up: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    before, self.before = (g if self.t == 0 else self.before), g
    return up(i, f, before, o, c)


read_off(
    "cell", "candidate-lagged", "From the second step on, the candidate is that of the step before.", "Use the step's own g.",
    before=None, cell=_lagged_candidate,
)  # fmt: skip
of_carried(
    "hidden-carried-tanh", "tanh(h) is carried to the next step.", "Carry h itself.", lambda step, h, c: (np.tanh(h), c)
)
of_carried(
    "hidden-carried-without-gate", "tanh(c) is carried as h, without o.", "Carry h itself.",
    lambda step, h, c: (np.tanh(step.c_next), c),
)  # fmt: skip
of_carried("cell-carried-gated", "o * c is carried as c.", "Carry c itself.", lambda step, h, c: (h, step.o * c))
of_carried(
    "hidden-added",
    "The old h is added to the new one as it is carried on.",
    "Carry h itself.",
    lambda step, h, c: (step.h + h, c),
)
of_carried(
    "cell-added",
    "The old c is added to the new one as it is carried on.",
    "Carry c itself.",
    lambda step, h, c: (h, step.c + c),
)
for _gates in ("ifo", "ifco", "o"):
    of_logits(
        f"logits-halved-{_gates}", f"The logits of {', '.join(_gates)} are half of what they should be.", "z = x W + h U + b.",
        lambda self, x, h, c, W, U, b, gates=_gates: {
            gate: -0.5 * (x @ block(W, gate) + h @ block(U, gate) + block(b, gate)) for gate in gates
        },
    )  # fmt: skip


def _layer_norm(z: Any, parts: int) -> Any:
    rows = z.reshape(len(z), parts, -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    return (centred / np.sqrt((centred**2).mean(axis=2, keepdims=True) + 1e-5)).reshape(z.shape).astype(z.dtype)


for _parts, _of in ((1, "all four gates together"), (4, "each gate")):
    read_off(
        "cell", f"logits-normalised-{_parts}", f"The logits are layer-normalised, {_of}.", "Leave the logits as they are.",
        preactivation=lambda self, up, *given, parts=_parts: _layer_norm(up(*given), parts),
    )  # fmt: skip
read_off(
    "cell", "cell-normalised", "The new c is layer-normalised.", "Leave c as it is.",
    cell=lambda self, up, *given: _layer_norm(up(*given), 1),
)  # fmt: skip
for _most in (1.0, 2.0, 3.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0):
    read_off(
        "cell", f"gate-logits-clipped-{_most:g}", f"The gates' logits are clipped to [-{_most:g}, {_most:g}].",
        "Leave the logits as they are.",
        sigmoid=lambda self, up, z, most=_most: up(clipped(z, -most, most)),
    )  # fmt: skip
    read_off(
        "cell", f"all-logits-clipped-{_most:g}", f"All logits, the candidate's too, are clipped to [-{_most:g}, {_most:g}].",
        "Leave the logits as they are.",
        gate=lambda self, up, gate, z, most=_most: up(gate, clipped(z, -most, most)),
    )  # fmt: skip
for _text in ("1e-2", "1e-3", "1e-5", "1e-6", "1e-7", "1e-8", "1e-12"):
    read_off(
        "cell", f"sigmoid-clipped-{_text}", f"The gates are clipped to [{_text}, 1 - {_text}].", "Leave the gates as they are.",
        sigmoid=lambda self, up, z, e=float(_text): clipped(up(z), e, 1 - e),
    )  # fmt: skip
for _most in (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 50.0):
    read_off(
        "cell", f"new-cell-clipped-{_most:g}", f"The new c is clipped to [-{_most:g}, {_most:g}] before h is computed of it.",
        "Leave c as it is.", cell=lambda self, up, *given, most=_most: clipped(up(*given), -most, most),
    )  # fmt: skip


def _tanh_of(form: str) -> Callable[[Any], Any]:
    def ratio(z: Any) -> Any:
        with np.errstate(all="ignore"):
            up, down = (np.exp(z), np.exp(-z)) if form == "exp" else (np.exp(2 * z), 1.0)
            return (up - down) / (up + down)

    return ratio


for _form, _text in (("exp", "(e^z - e^-z) / (e^z + e^-z)"), ("exp2", "(e^2z - 1) / (e^2z + 1)")):
    _tanh = _tanh_of(_form)
    read_off(
        "cell", f"tanh-nan-{_form}", f"tanh is computed as {_text}, which is NaN where that overflows.", "Use np.tanh.",
        candidate=lambda self, up, z, of=_tanh: of(z), squash=lambda self, up, c, of=_tanh: of(c),
    )  # fmt: skip
    read_off(
        "cell", f"candidate-nan-{_form}", f"The candidate's tanh is computed as {_text}, which is NaN where that overflows.",
        "Use np.tanh.", candidate=lambda self, up, z, of=_tanh: of(z),
    )  # fmt: skip


def _padded(self: Any, up: Any, case: Any) -> Any:
    """The outputs of the steps that were not taken are zero."""
    steps, W, U, result = up(case)
    y = result["output"]
    missing = np.zeros((len(y), case.x.shape[1] - y.shape[1], y.shape[2]), y.dtype)
    return steps, W, U, result | {"output": np.concatenate([y, missing], axis=1)}


for _first, _name in ((1, "first"), (0, "last")):

    def cut(self: Any, up: Any, T: int, first: int = _first) -> Any:
        return up(T) if T == 1 else range(first, T - 1 + first)

    read_off(
        "states", f"skips-{_name}-step", f"The {_name} step is left out.", "Take all steps.",
        times=cut,
        run=_padded,
    )  # fmt: skip
for _k in (1, 2, 3, 5, 10):
    read_off(
        "states", f"sequence-truncated-{_k}", f"Only the first {_k} steps are taken.", "Take all steps.",
        times=lambda self, up, T, k=_k: range(min(k, T)),
        run=_padded,
    )  # fmt: skip


# Precision.


def _narrow(a: Any) -> Any:
    """Rounded to float32, and float64 again; all else as it is."""
    if a.dtype != np.float64:
        return a
    with np.errstate(over="ignore"):
        return a.astype(np.float32).astype(np.float64)


read_off(
    "states", "numbers-approximated",
    "Numbers are off by about as much as float32 rounds: something is computed in float32, or approximated, as by an epsilon.",
    "Compute in the inputs' dtype, and add nothing to a denominator or a slope.",
)  # fmt: skip
_PLAIN = "Make arrays with the inputs' dtype: np.zeros(shape, x.dtype)."
of_results(
    "output-narrowed", "output is kept in float32, whatever the inputs' dtype is.", _PLAIN,
    lambda y, h, c, s: (_narrow(y), h, c),
)  # fmt: skip
of_carried(
    "states-narrowed", "h and c are kept in float32, whatever the inputs' dtype is.", _PLAIN,
    lambda step, h, c: (_narrow(h), _narrow(c)),
)  # fmt: skip
read_off(
    "cell", "hidden-narrowed", "Each new h is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    hidden=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
read_off(
    "cell", "cell-narrowed", "Each new c is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    cell=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
read_off(
    "cell", "new-states-narrowed", "Each new h and c is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    cell=lambda self, up, *given: _narrow(up(*given)), hidden=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
for _group, _group_names in {
    "weights": ARRAYS, "x": ("d_x",), "states": ("d_h0", "d_c0"), "every": ("d_x", "d_h0", "d_c0", *ARRAYS),
    **{name[2:].replace("_", "-"): (name,) for name in ARRAYS},
}.items():  # fmt: skip
    of_gradients(
        f"grad-{_group}-narrowed", f"{', '.join(_group_names)}: kept in float32, whatever the inputs' dtype is.", _PLAIN,
        lambda result, case, names=_group_names: {n: _narrow(result[n]) for n in names if n in result},  # type: ignore[misc]  # as above
    )  # fmt: skip


def _quantised(a: Any) -> Any:
    """Eight bits for the whole array, of one scale, symmetric."""
    scale = np.abs(a).max(initial=0) / 127
    return (np.round(a / scale) * scale).astype(a.dtype) if scale > 0 and a.dtype.kind == "f" else a


read_off(
    "weights", "weights-int8", "The kernels are rounded to 8 bits, one scale for each array.", "Use the weights as given.",
    read=lambda self, up, case: tuple(_quantised(a) if n < 2 else a for n, a in enumerate(up(case))),
)  # fmt: skip
read_off(
    "weights", "weights-float16", "The weights are rounded to float16.", "Use the weights as given.",
    read=lambda self, up, case: tuple(
        a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a for a in up(case)
    ),
)  # fmt: skip
