"""What may stand in each place of the forward pass beyond the catalogue's bugs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import Step, block
from conformance.diagnosis.bugs.read_off import NAMES, VALUE, as_slug, read_off


def _sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def clipped(a: Any, low: float, high: float) -> Any:
    """Of complex numbers too, with which derivatives are taken: a clipped one has none."""
    return np.where(a.real < low, low, np.where(a.real > high, high, a)).astype(a.dtype)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": _sigmoid, "tanh": np.tanh, "linear": lambda z: z, "relu": lambda z: z * (z.real > 0),
    "hard_sigmoid, clip(z/6 + 1/2)": lambda z: clipped(z / 6 + 0.5, 0, 1),
    "hard_sigmoid, clip(0.2z + 1/2)": lambda z: clipped(0.2 * z + 0.5, 0, 1),
    "clip(z, -1, 1)": lambda z: clipped(z, -1, 1),
    "1 - sigmoid(z)": lambda z: 1 - _sigmoid(z), "sigmoid(2z)": lambda z: _sigmoid(2 * z),
    "2 sigmoid(z) - 1": lambda z: 2 * _sigmoid(z) - 1, "tanh(tanh(z))": lambda z: np.tanh(np.tanh(z)),
    "softsign": lambda z: z / (1 + np.where(z.real < 0, -z, z)), "1.7159 tanh(2z/3)": lambda z: 1.7159 * np.tanh(z * (2 / 3)),
    "softmax over the units": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True),
    "softplus": lambda z: np.log1p(np.exp(z)), "sin": np.sin, "arctan": np.arctan, "exp": np.exp,
    "sigmoid(sigmoid(z))": lambda z: _sigmoid(_sigmoid(z)), "sigmoid(tanh(z))": lambda z: _sigmoid(np.tanh(z)),
    "2 sigmoid(z)": lambda z: 2 * _sigmoid(z), "leaky relu of 0.01": lambda z: np.where(z.real > 0, z, 0.01 * z),
    "4 sigmoid(z) - 2": lambda z: 4 * _sigmoid(z) - 2, "a Padé tanh": lambda z: z * (27 + z**2) / (27 + 9 * z**2),
}  # fmt: skip
CATALOGUED = {
    ("c", "sigmoid"), ("c", "linear"), ("ifo", "tanh"), ("ifco", "tanh"), ("ifco", "sigmoid"),
    ("ifo", "hard_sigmoid, clip(z/6 + 1/2)"), ("ifo", "hard_sigmoid, clip(0.2z + 1/2)"),
}  # fmt: skip
for _gates in ("i", "f", "o", "c", "ifo", "ifco"):
    _whose = {"ifo": "Each gate", "ifco": "Each gate and the candidate"}.get(_gates) or f"The {NAMES[_gates]}"
    _right = {"c": "tanh", "ifco": "sigmoid, and tanh"}.get(_gates, "sigmoid")
    for _name, _function in ACTIVATIONS.items():
        if _name == _right or (_gates, _name) in CATALOGUED:
            continue

        def gate(self: Any, up: Any, gate: str, z: Any, its: str = _gates, of: Any = _function) -> Any:
            return of(z).astype(z.dtype) if gate in its else up(gate, z)

        read_off(
            "cell", f"{'gates' if len(_gates) > 1 else VALUE[_gates]}-{'all-' * (len(_gates) == 4)}activation-{as_slug(_name)}",
            f"{_whose} goes through {_name} instead of {_right}.", f"Use {_right}.", gate=gate,
        )  # fmt: skip
for _name, _function in ACTIVATIONS.items():
    if _name not in ("tanh", "linear"):
        read_off(
            "cell", f"cell-output-{as_slug(_name)}", f"The new c goes through {_name} instead of tanh on its way to h.",
            "h = o * np.tanh(c).", squash=lambda self, up, c, of=_function: of(c).astype(c.dtype),
        )  # fmt: skip

CELLS: dict[str, tuple[str, Callable[..., Any]]] = {
    "c = f * c_prev + g": ("input-gate-missing", lambda i, f, g, o, c: f * c + g),
    "c = f * c_prev + i": ("candidate-missing", lambda i, f, g, o, c: f * c + i),
    "c = f * c_prev + (1 - f) * g": ("coupled-input", lambda i, f, g, o, c: f * c + (1 - f) * g),
    "c = f * (c_prev + i * g)": ("forget-on-sum", lambda i, f, g, o, c: f * (c + i * g)),
    "c = i * (f * c_prev + g)": ("input-on-sum", lambda i, f, g, o, c: i * (f * c + g)),
    "c = np.tanh(f * c_prev + i * g)": ("cell-tanh-carried", lambda i, f, g, o, c: np.tanh(f * c + i * g)),
    "c = (1 - f) * c_prev + i * g": ("forget-inverted", lambda i, f, g, o, c: (1 - f) * c + i * g),
    "c = f * c_prev + (1 - i) * g": ("input-inverted", lambda i, f, g, o, c: f * c + (1 - i) * g),
    "c = f * c_prev - i * g": ("candidate-subtracted", lambda i, f, g, o, c: f * c - i * g),
    "c = f + c_prev + i * g": ("forget-added", lambda i, f, g, o, c: f + c + i * g),
    "c = (f + c_prev) * i * g": ("forget-sum", lambda i, f, g, o, c: (f + c) * i * g),
    "c = f * c_prev * i * g": ("cell-product", lambda i, f, g, o, c: f * c * i * g),
    "c = f * np.tanh(c_prev) + i * g": ("cell-tanh-inside", lambda i, f, g, o, c: f * np.tanh(c) + i * g),
    "c = f * c_prev + o * g": ("output-gate-for-input", lambda i, f, g, o, c: f * c + o * g),
    "c = o * c_prev + i * g": ("output-gate-for-forget", lambda i, f, g, o, c: o * c + i * g),
}  # fmt: skip
for _formula, (_short, _function) in CELLS.items():
    read_off(
        "cell", _short, f"{_formula}.", "c = f * c_prev + i * g.",
        cell=lambda self, up, i, f, g, o, c, of=_function: of(i, f, g, o, c),
    )  # fmt: skip
read_off(
    "cell", "candidate-and-output-gate-activations-swapped", "The candidate goes through the sigmoid and the output gate through tanh.",
    "g = np.tanh(z_c); o = sigmoid(z_o).",
    gate=lambda self, up, gate, z: up({"c": "o", "o": "c"}.get(gate, gate), z),
)  # fmt: skip
for _formula, _stored in (
    ("f = 1 - i", lambda i, f, g, o: (i, 1 - i, g, o)), ("i = 1 - f", lambda i, f, g, o: (1 - f, f, g, o)),
    ("o = f", lambda i, f, g, o: (i, f, g, f)), ("o = i", lambda i, f, g, o: (i, f, g, i)), ("i = o", lambda i, f, g, o: (o, f, g, o)),
):  # fmt: skip
    read_off(
        "cell", f"gates-coupled-{as_slug(_formula.replace('=', 'is'))}", f"{_formula}: the gate has no logit of its own.",
        "Compute each gate from its own block of the weights.",
        activate=lambda self, up, z, of=_stored: of(*up(z)),
    )  # fmt: skip
HIDDENS: dict[str, tuple[str, Callable[..., Any]]] = {
    "h = np.tanh(c), without o": ("output-gate-missing", lambda o, s: s),
    "h = o + np.tanh(c)": ("output-gate-added", lambda o, s: o + s),
    "h = np.tanh(o * c)": ("output-gate-inside", lambda o, s: None),
    "h = (1 - o) * np.tanh(c)": ("output-gate-inverted", lambda o, s: (1 - o) * s),
    "h = o": ("hidden-is-output-gate", lambda o, s: o + 0 * s),
}  # fmt: skip
for _formula, (_short, _function) in HIDDENS.items():
    read_off(
        "cell", _short, f"{_formula}.", "h = o * np.tanh(c).",
        hidden=lambda self, up, o, c_next, c, z, of=_function: (
            self.squash(o * c_next) if of(o, o) is None else of(o, self.squash(c_next))
        ),
    )  # fmt: skip


def of_logits(slug: str, title: str, repair: str, change: Callable[..., Any]) -> None:
    """A bug in the logits: `change` gives what is added to the blocks, as a dict, from what the step has."""

    def preactivation(self: Any, up: Any, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        z = up(x, h, c, W, U, b)
        blocks = np.split(z, 4, axis=1)
        for gate, more in change(self, x, h, c, W, U, b).items():
            blocks["ifco".index(gate)] = blocks["ifco".index(gate)] + more
        return np.concatenate(blocks, axis=1)

    read_off("cell", slug, title, repair, preactivation=preactivation)


for _gates in ("i", "f", "c", "o", "ifo", "if"):
    of_logits(
        f"peephole-{_gates}", f"The old cell state is added to the logit of {', '.join(_gates)}.", "z = x W + h U + b, without c.",
        lambda self, x, h, c, W, U, b, gates=_gates: dict.fromkeys(gates, c),
    )  # fmt: skip


def of_logits_built(
    slug: str, title: str, repair: str, gates: str, change: Callable[..., tuple[Any, Any, Any, Any]]
) -> None:
    """A bug in what logits are built of: `change` gives x, h, the recurrent kernel and the bias in the place of these."""

    def preactivation(self: Any, up: Any, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        z = up(x, h, c, W, U, b)
        x, h, U, b = change(self, x, h, c, U, b, z)
        other = up(x, h, c, W, U, b)
        return np.concatenate([block(other if gate in gates else z, gate) for gate in "ifco"], axis=1)

    read_off("cell", slug, title, repair, preactivation=preactivation)


of_logits_built(
    "bias-first-step-only", "The bias is added at the first step only.", "Add it at every step.", "ifco",
    lambda self, x, h, c, U, b, z: (x, h, U, 0 * b if self.t else b),
)  # fmt: skip
of_logits_built(
    "bias-doubled-after-first", "From the second step on the bias is added twice.", "Add it once at every step.", "ifco",
    lambda self, x, h, c, U, b, z: (x, h, U, 2 * b if self.t else b),
)  # fmt: skip
of_logits_built(
    "recurrent-skipped-first", "h0 reaches no gate: the first step takes x alone.", "z = x W + h U + b, at every step.", "ifco",
    lambda self, x, h, c, U, b, z: (x, h, U if self.t else 0 * U, b),
)  # fmt: skip
of_logits_built(
    "hidden-tanh-inside", "The logits see tanh(h) instead of h.", "z = x W + h U + b.", "ifco",
    lambda self, x, h, c, U, b, z: (x, np.tanh(h), U, b),
)  # fmt: skip
of_logits_built(
    "cell-for-hidden",
    "The logits see c instead of h.",
    "z = x W + h U + b.",
    "ifco",
    lambda self, x, h, c, U, b, z: (x, c, U, b),
)
of_logits_built(
    "cell-tanh-for-hidden", "The logits see tanh(c) instead of h.", "z = x W + h U + b.", "ifco",
    lambda self, x, h, c, U, b, z: (x, np.tanh(c), U, b),
)  # fmt: skip
for _gate in "ifco":
    of_logits_built(
        f"cell-for-hidden-in-{_gate}", f"The {NAMES[_gate]} sees c instead of h.", "z = x W + h U + b.", _gate,
        lambda self, x, h, c, U, b, z: (x, c, U, b),
    )  # fmt: skip
    if _gate != "c":
        of_logits_built(
            f"candidate-sees-hidden-times-{_gate}", f"The candidate sees {_gate} * h instead of h, as in a GRU.",
            "z = x W + h U + b.", "c",
            lambda self, x, h, c, U, b, z, gate=_gate: (x, h * self.gate(gate, block(z, gate)), U, b),
        )  # fmt: skip
for _by in (1.0, 5.0):
    of_logits(
        f"forget-bias-added-{_by:g}-first", f"{_by:g} is added to the forget gate's logit at the first step only.", "Leave it out.",
        lambda self, x, h, c, W, U, b, by=_by: {"f": b.dtype.type(by)} if not self.t else {},
    )  # fmt: skip


# Time, and samples.


def of_inputs(slug: str, title: str, repair: str, change: Any) -> None:
    read_off("states", slug, title, repair, inputs=lambda self, up, case: change(*up(case)))


of_inputs(
    "input-lagged", "From the second step on, the input of the step before is taken.", "Take x[t] at step t.",
    lambda x, h, c: (np.concatenate([x[:, :1], x[:, :-1]], axis=1), h, c),
)  # fmt: skip
of_inputs(
    "input-first-only", "Every step takes the first input.", "Take x[t] at step t.",
    lambda x, h, c: (np.broadcast_to(x[:, :1], x.shape), h, c),
)  # fmt: skip
of_inputs("initial-cell-is-hidden", "The initial c is h0.", "Begin with c0.", lambda x, h, c: (x, h, h))
of_inputs("initial-hidden-is-cell", "The initial h is c0.", "Begin with h0.", lambda x, h, c: (x, c, c))
of_inputs("initial-cell-tanh", "The initial c is tanh(c0).", "Begin with c0.", lambda x, h, c: (x, h, np.tanh(c)))
of_inputs(
    "hidden-of-first-sample", "Every sample begins with the first one's h0.", "Give each sample its own state.",
    lambda x, h, c: (x, np.broadcast_to(h[:1], h.shape), c),
)  # fmt: skip
of_inputs(
    "cell-of-first-sample", "Every sample begins with the first one's c0.", "Give each sample its own state.",
    lambda x, h, c: (x, h, np.broadcast_to(c[:1], c.shape)),
)  # fmt: skip
for _what, _place in (("h", 0), ("c", 1)):
    of_inputs(
        f"initial-{_what}-averaged", f"Every sample begins with the mean of all {_what}0.", "Give each sample its own state.",
        lambda x, h, c, place=_place: (x, *(
            np.broadcast_to(a.mean(axis=0, keepdims=True), a.shape) if n == place else a for n, a in enumerate((h, c))
        )),
    )  # fmt: skip


def of_carried(slug: str, title: str, repair: str, change: Callable[[Step, Any, Any], Any]) -> None:
    read_off("cell", slug, title, repair, carried=lambda self, up, step: change(step, *up(step)))


of_carried(
    "cell-kept-initial",
    "Every step sees c0 instead of the last step's c.",
    "Pass c on.",
    lambda step, h, c: (h, step.c),
)
of_carried(
    "cell-carried-tanh", "tanh(c) is carried to the next step.", "Carry c itself.", lambda step, h, c: (h, np.tanh(c))
)
of_carried("hidden-reset", "Every step but the first begins with h = 0.", "Pass h on.", lambda step, h, c: (0 * h, c))
of_carried("cell-reset", "Every step but the first begins with c = 0.", "Pass c on.", lambda step, h, c: (h, 0 * c))
of_carried("states-exchanged", "h and c are exchanged from step to step.", "Pass (h, c) on.", lambda step, h, c: (c, h))
of_carried("cell-passed-as-hidden", "c is passed on as h as well.", "Pass (h, c) on.", lambda step, h, c: (c, c))
of_carried("hidden-passed-as-cell", "h is passed on as c as well.", "Pass (h, c) on.", lambda step, h, c: (h, h))
for _most in (1.0, 3.0, 5.0, 10.0):
    of_carried(
        f"cell-clipped-{_most:g}", f"c is clipped to [-{_most:g}, {_most:g}] as it is carried on.", "Carry c as it is.",
        lambda step, h, c, most=_most: (h, clipped(c, -most, most)),  # type: ignore[misc]  # a default binds the loop's value
    )  # fmt: skip
of_carried(
    "samples-averaged", "The state carried on is the mean over the batch.", "Give each sample its own state.",
    lambda step, h, c: tuple(np.broadcast_to(a.mean(axis=0, keepdims=True), a.shape) for a in (h, c)),
)  # fmt: skip


def of_results(slug: str, title: str, repair: str, change: Any) -> None:
    read_off("states", slug, title, repair, finish=lambda self, up, steps, h0, c0: change(*up(steps, h0, c0), steps))


of_results(
    "output-is-cell",
    "output holds c instead of h.",
    "Store h.",
    lambda y, h, c, s: (np.stack([t.c_next for t in s], 1), h, c),
)
of_results("output-tanh", "output holds tanh(h).", "Store h.", lambda y, h, c, s: (np.tanh(y), h, c))
of_results(
    "output-reversed", "The outputs are in reverse order.", "Store h at t.", lambda y, h, c, s: (y[:, ::-1], h, c)
)
of_results("final-cell-is-hidden", "The final c given is h.", "Give c.", lambda y, h, c, s: (y, h, h))
of_results("final-hidden-is-cell", "The final h given is c.", "Give h.", lambda y, h, c, s: (y, c, c))
of_results(
    "final-hidden-lagged",
    "The final h is the one before the last step.",
    "Give the new h.",
    lambda y, h, c, s: (y, s[-1].h, c),
)
of_results(
    "final-cell-lagged",
    "The final c is the one before the last step.",
    "Give the new c.",
    lambda y, h, c, s: (y, h, s[-1].c),
)
of_results(
    "final-hidden-first",
    "The final h is the first step's.",
    "Give the last one.",
    lambda y, h, c, s: (y, s[0].h_next, c),
)
of_results(
    "final-cell-first", "The final c is the first step's.", "Give the last one.", lambda y, h, c, s: (y, h, s[0].c_next)
)
of_results(
    "final-states-initial",
    "The final states are h0 and c0.",
    "Give the last step's.",
    lambda y, h, c, s: (y, s[0].h, s[0].c),
)
