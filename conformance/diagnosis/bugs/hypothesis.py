"""Several bugs in one LSTM: what a candidate would give if it had them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.case import Case, Result
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step

NESTING = ("states", "weights", "cell", "backward")
"""Outermost first: a layout is undone after the gradients were made wrong."""
FORMULAS, TRUE, AS_READ, AS_GIVEN = "formulas", "true", "as read", "as given"
GRADIENTS_ARE = {
    FORMULAS: "what the backward formulas make of the forward pass as it is, in the layout that the weights came in",
    TRUE: "the true ones of the forward pass as it is, however wrong that is",
    AS_GIVEN: "what the backward formulas make of it with the weights as given, which the forward pass alone reads wrongly",
    AS_READ: "what the backward formulas make of it, in the layout that the weights were wrongly read in",
}
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


class _ReadRightly(HookableLSTM):
    """The backward pass gets the matrices as they were given, however the forward pass read them."""

    def backward(self, steps: list[Step], d_output: Any, d_h: Any, d_c: Any, W: Any, U: Any) -> tuple[Any, ...]:
        kernel, recurrent_kernel, _ = HookableLSTM.read(self, self.case)
        return super().backward(steps, d_output, d_h, d_c, kernel, recurrent_kernel)


@cache
def kind(slugs: tuple[str, ...], gradients: str = FORMULAS) -> type[HookableLSTM]:
    """One LSTM with all these bugs."""
    entries = sorted((bugs()[slug] for slug in slugs), key=lambda bug: NESTING.index(bug.group))
    several = type("Several", tuple(bug.make for bug in entries) or (HookableLSTM,), {})
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
