"""The conditions in which a candidate is asked: a few sizes, each with parts of an LSTM hidden."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from conformance.case import Case
from conformance.diagnosis.locate.claim import Asked, Condition
from conformance.diagnosis.probes import forget_shut, one_block, same_blocks, symmetric, without_layout, zeroed
from lstm_ref.params import GATES

COTANGENTS = ("d_output", "d_h", "d_c")
ZEROS = {
    "x": "x is zero",
    "h0": "the initial h is zero",
    "c0": "the initial c is zero",
    "bias": "the bias is zero",
}

SAME = "every gate has the same weights"


def sized(B: int, T: int) -> Condition:
    """Random numbers, of so many samples and steps."""
    counts = {1: "one", 3: "three", 6: "six"}
    words = f"{counts[B]} sample{'s' * (B > 1)} and {counts[T]} step{'s' * (T > 1)}"
    return Condition(words, lambda asked: asked.drawn(B, T))


ONE, STEPS, SAMPLES, BOTH = sized(1, 1), sized(1, 3), sized(3, 1), sized(3, 6)


def hiding_forward(asked: Asked, base: Condition) -> dict[frozenset[str], Condition]:
    """What the condition is like with parts of the forward pass hidden, by what hides them."""
    names = [name for name in ZEROS if name not in asked.without]
    groups: list[tuple[str, ...]] = [(name,) for name in names]
    groups += [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    groups += [tuple(name for name in names if name != other) for other in names if len(names) == 4]
    found = {frozenset(group): _zero(base, group) for group in groups}
    found[frozenset(["size"])] = smaller(base)
    if base is ONE:
        found[frozenset(["symmetric"])] = base.where("the recurrent kernel's blocks are symmetric", symmetric)
        found[frozenset(["same"])] = base.where(SAME, same_blocks)
        words = "there are one unit and one feature, and all weights are equal"
        found[frozenset(["layout", "same", "symmetric", "bias"])] = Condition(
            f"{base.words}, when {words}", lambda asked: without_layout(asked.dtype, asked.without)
        )
    return {**found, **_hidden_in_time(asked, base)}


def hiding_backward(asked: Asked, base: Condition) -> dict[frozenset[str], Condition]:
    """The same of the backward pass."""
    usable = [name for name in COTANGENTS if name not in asked.without]
    found = {
        frozenset(usable) - {name}: base.where(f"of the cotangents only {name} is not zero", partial(_only, name))
        for name in usable
        if len(usable) > 1
    }
    return {**found, **_hidden_in_time(asked, base)}


def own_weights(base: Condition) -> dict[str, Condition]:
    """The same weights in every gate but one."""
    return {
        gate: base.where(f"every gate but {gate} has the same weights", partial(one_block, gate=gate)) for gate in GATES
    }


def _only(name: str, case: Case) -> Case:
    return zeroed(case, *(other for other in COTANGENTS if other != name))


def _zero(base: Condition, names: tuple[str, ...]) -> Condition:
    words = " and ".join(ZEROS[name] for name in names)
    return base.where(words, lambda case: zeroed(case, *names))


def _hidden_in_time(asked: Asked, base: Condition) -> dict[frozenset[str], Condition]:
    """What is carried from step to step hidden."""
    if base is not STEPS:
        return {}
    words = "only c is carried from step to step (the recurrent kernel is zero)"
    found = {frozenset(["h carried"]): base.where(words, lambda case: zeroed(case, "recurrent_kernel"))}
    if "bias" not in asked.without:
        words = "only h is carried from step to step (the forget gate is shut)"
        found[frozenset(["c carried"])] = base.where(words, forget_shut)
    return found


def given(case: Case) -> Condition:
    """A case that is there already."""
    return Condition(f"the case {case.id}", lambda asked: case)


def smaller(base: Condition) -> Condition:
    """The same with smaller numbers."""
    return base.where("x, h0 and c0 are a 64th", _reduced)


def _reduced(case: Case) -> Case:
    return replace(case, **{name: getattr(case, name) / 64 for name in ("x", "h0", "c0")})
