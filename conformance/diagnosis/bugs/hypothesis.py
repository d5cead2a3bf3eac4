"""Several bugs in one LSTM: what a candidate would give if it had them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.diagnosis.bugs.catalogue import Bug, readable
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step, block

NESTING = ("states", "weights", "cell", "backward")
"""Outermost first: a layout is undone after the gradients were made wrong."""
FORMULAS, TRUE, AS_READ, AS_GIVEN, STEPWISE = "formulas", "true", "as read", "as given", "stepwise"
GRADIENTS_ARE = {
    FORMULAS: "what the backward formulas make of the forward pass as it is, in the layout that the weights came in",
    STEPWISE: "built with the true slopes of the forward pass as it is",
    TRUE: "the true ones of the forward pass as it is, however wrong that is",
    AS_GIVEN: "what the backward formulas make of it with the weights as given, which the forward pass alone reads wrongly",
    AS_READ: "what the backward formulas make of it, in the layout that the weights were wrongly read in",
}
EXCLUDED = (ValueError, TypeError, IndexError, AttributeError)
"""What is raised where bugs exclude each other: one takes samples by themselves, say, and another what the whole batch left."""
KINDS = 1 << 14
"""So many of these are kept: a diagnosis asks for the same ones again and again, and the next one for others."""
STEP = 1e-30
"""The imaginary step that derivatives are taken with; as nothing is subtracted, it may be this small."""


@dataclass(frozen=True)
class Hypothesis:
    """An LSTM with certain bugs.

    Attributes
    ----------
    bugs : tuple of str
        Slugs; none is a correct LSTM.
    gradients : str
        One of `GRADIENTS_ARE`.
    """

    bugs: tuple[str, ...] = ()
    gradients: str = FORMULAS

    def fresh(self) -> Callable[[Case], Result]:
        """An instance, which may keep something between its calls."""
        lstm = kind(self.bugs, self.gradients)()
        return (lambda case: derivative(lstm, case)) if self.gradients == TRUE else lstm

    def forward(self) -> Callable[[Case], Result]:
        """An instance that computes output, h and c alone."""
        lstm = kind(self.bugs)()
        return lambda case: lstm.run(case)[3]

    def also(self, *slugs: str) -> Hypothesis:
        """The same with further bugs."""
        return Hypothesis((*self.bugs, *slugs), self.gradients)

    def without(self, slug: str) -> Hypothesis:
        """The same without one of its bugs."""
        return Hypothesis(tuple(other for other in self.bugs if other != slug), self.gradients)


class _ReadRightly(HookableLSTM):
    """The backward pass gets the matrices as they were given, however the forward pass read them."""

    def backward(self, steps: list[Step], d_output: Any, d_h: Any, d_c: Any, W: Any, U: Any) -> tuple[Any, ...]:
        kernel, recurrent_kernel, _ = HookableLSTM.read(self, self.case)
        return super().backward(steps, d_output, d_h, d_c, kernel, recurrent_kernel)


def _partial(function: Callable[..., Any], place: int, *given: Any) -> Any:
    """The derivative of an elementwise function by one of its arguments."""
    moved = [a + STEP * 1j if n == place else a.astype(np.complex128) for n, a in enumerate(given)]
    slope = function(*moved).imag / STEP
    return np.where(np.isfinite(slope), slope, 0).astype(
        given[place].dtype
    )  # exponentials overflow where nothing slopes


class _TrueSlopes(HookableLSTM):
    """The backward pass has the true slopes of the cell's equations as they are, where no bug says otherwise."""

    def sigmoid_slope(self, gate: str, a: Any, step: Step) -> Any:
        return _partial(partial(self.gate, gate), 0, block(step.z, gate))

    def tanh_slope(self, g: Any, step: Step) -> Any:
        return _partial(partial(self.gate, "c"), 0, block(step.z, "c"))

    def _by(self, place: int, step: Step) -> Any:
        return _partial(self.cell, place, step.i, step.f, step.g, step.o, step.c)

    def cell_of_forget(self, step: Step) -> Any:
        return self._by(1, step)

    def factor(self, gate: str, step: Step) -> Any:
        if gate == "o":
            return _partial(self.hidden, 0, step.o, step.c_next, step.c, step.z)
        return self.cell_of_forget(step) if gate == "f" else self._by("i c".index(gate), step)

    def head_slope(self, step: Step) -> Any:
        slope = _partial(self.hidden, 1, step.o, step.c_next, step.c, step.z)
        return np.divide(slope, step.o, out=np.zeros_like(slope), where=step.o != 0)

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        return d_c * self._by(4, step)


@cache
def _places() -> dict[str, int]:
    return {slug: place for place, slug in enumerate(readable())}


def _nesting(bug: Bug) -> tuple[int, int]:
    """Outermost first."""
    return NESTING.index(bug.group), -_places()[bug.slug]


@lru_cache(maxsize=KINDS)
def kind(slugs: tuple[str, ...], gradients: str = FORMULAS) -> type[HookableLSTM]:
    """One LSTM with all these bugs, in whatever order they are given: of one group, the later ones in the catalogue act last."""
    entries = sorted((readable()[slug] for slug in set(slugs)), key=_nesting)
    last = _TrueSlopes if gradients == STEPWISE else HookableLSTM
    several = type("Several", (*(bug.make for bug in entries), last), {})
    if gradients == AS_READ:
        unread = kind(tuple(bug.slug for bug in entries if bug.group != "weights"))
        several = type("AsRead", (several,), {"write": unread.write})
    if gradients == AS_GIVEN:
        several = type("AsGiven", (_ReadRightly, several), {"write": HookableLSTM.write})
    return several


def derivative(lstm: HookableLSTM, case: Case) -> Result:
    """The forward pass of an LSTM and its true gradients, by complex steps: one forward pass for each number."""
    p = case.params
    arrays = {"d_x": case.x, "d_h0": case.h0, "d_c0": case.c0}
    arrays |= {"d_kernel": p.kernel, "d_recurrent_kernel": p.recurrent_kernel}
    if p.bias is not None:
        arrays["d_bias"] = p.bias
    numbers = {name: array.astype(np.complex128) for name, array in arrays.items()}

    def run() -> dict[str, Any]:
        params = SimpleNamespace(
            kernel=numbers["d_kernel"], recurrent_kernel=numbers["d_recurrent_kernel"], bias=numbers.get("d_bias"),
            dtype=np.dtype(np.complex128), hidden_size=p.hidden_size,
        )  # fmt: skip
        inputs = {"x": numbers["d_x"], "h0": numbers["d_h0"], "c0": numbers["d_c0"]}
        return lstm.run(SimpleNamespace(params=params, dtype=np.dtype(np.complex128), **inputs))[3]  # type: ignore[arg-type]

    result = {name: array.real.astype(case.dtype) for name, array in run().items()}
    for name, array in arrays.items():
        slope = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            numbers[name][index] += STEP * 1j
            out = run()
            numbers[name][index] -= STEP * 1j
            loss = (case.d_output * out["output"]).sum() + (case.d_h * out["h"]).sum() + (case.d_c * out["c"]).sum()
            slope[index] = loss.imag / STEP
        result[name] = slope.astype(case.dtype)
    return result
