"""How what may stand in a place of an LSTM, beyond the catalogue's bugs, is entered: it is read off a candidate, one place at a time.

These are not known from anywhere and nothing is promised about them; they are what is tried when no catalogued bug fits a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step

NAMES = {"i": "input gate", "f": "forget gate", "c": "candidate", "o": "output gate"}
OPERANDS: dict[str, Callable[[Step], Any]] = {
    "1": lambda s: np.ones_like(s.i), "i": lambda s: s.i, "f": lambda s: s.f, "g": lambda s: s.g, "o": lambda s: s.o,
    "c_prev": lambda s: s.c, "c": lambda s: s.c_next, "np.tanh(c_prev)": lambda s: np.tanh(s.c),
    "np.tanh(c)": lambda s: np.tanh(s.c_next), "h_prev": lambda s: s.h, "h": lambda s: s.h_next,
}  # fmt: skip
RIGHT_FACTOR = {"i": "g", "f": "c_prev", "c": "i", "o": "np.tanh(c)"}
VALUE = {"i": "i", "f": "f", "c": "g", "o": "o"}
ARRAYS = ("d_kernel", "d_recurrent_kernel", "d_bias")
STATES = ("d_x", "d_h0", "d_c0")
FACTORS = (0.1, 0.25, 0.5, 0.8, 0.9, 1.5, 2.0, 4.0, -1.0)
"""What people multiply with."""
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


def as_word(number: float) -> str:
    """A number as a part of a slug."""
    return f"{number:g}".replace(".", "p").replace("-", "minus-")


def by_factor(a: Any, by: float) -> Any:
    """An array times a number, of the array's dtype."""
    return a * a.dtype.type(by)


def noting(self: Any, up: Any, step: Step, d_h: Any) -> Any:
    """Remember the step for what is called after."""
    self.now = step
    return up(step, d_h)


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


def of_cotangents(slug: str, title: str, repair: str, change: Any) -> None:
    read_off("backward", slug, title, repair, cotangents=lambda self, up, case: change(*up(case)))
