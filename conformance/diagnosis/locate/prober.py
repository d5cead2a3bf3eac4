"""Asking a candidate, and holding its answer against a correct LSTM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from conformance.case import Case, Result
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.evidence import NARROWER, Observation, observe
from conformance.diagnosis.finding import Statement
from conformance.trial.call import Caller
from lstm_ref.params import FloatArray

NOISE = {"float64": 1e-12, "float32": 1e-5, "float16": 3e-2}
"""Above, an error is no rounding, by the dtype computed in: where something is wrong is told by it."""


class Prober:
    """A candidate to be asked, and what would be right.

    Parameters
    ----------
    call : Caller
    known : Hypothesis
        The bugs that what is right has as well, as they are known already.
    dtype : str
    without : frozenset of str
        What the candidate cannot take.
    narrow : bool
        Whether the candidate computes in a narrower dtype.

    Attributes
    ----------
    noise : float
        How large rounding errors may be, of the largest number.
    random, start : str
        What is random in a random case, and the state that it begins with, in words.
    """

    def __init__(self, call: Caller, known: Hypothesis, dtype: str, without: frozenset[str], narrow: bool) -> None:
        self.call, self.known, self.dtype, self.without, self.narrow = call, known, dtype, without, narrow
        self.answers: dict[Case, Observation] = {}
        self.noise = NOISE[np.dtype(NARROWER[dtype] if narrow else dtype).name]
        states = [name for name in ("h0", "c0") if name not in without]
        self.random = ("random inputs", "random inputs and half a state", "random inputs and states")[len(states)]
        self.start = ("a zero state", "half a random state", "a random state")[len(states)]

    def ask(self, case: Case) -> Observation:
        """What the candidate gives, called once for each case; nothing if the call fails."""
        if case not in self.answers:
            self.answers[case] = replace(observe(case, self.call(case).result), narrow=self.narrow)
        return self.answers[case]

    def expected(self, case: Case) -> Result:
        """What would be right."""
        with np.errstate(all="ignore"):
            return self.known.fresh()(case)

    def wrong(self, case: Case, quantities: Sequence[str]) -> list[str] | None:
        """The quantities that are wrong; None if the candidate gives none of them."""
        observed = self.ask(case)
        if not any(name in observed.given for name in quantities):
            return None
        return observed.differing(self.expected(case), quantities)

    def right(self, case: Case, quantities: Sequence[str]) -> bool:
        """Whether the candidate gives these quantities and they are right."""
        return self.wrong(case, quantities) == []

    def told(self, what: str, probes: Mapping[str, Case], quantities: Sequence[str]) -> list[Statement]:
        """For each condition and its probe, whether something is right under it."""
        right = {condition: self.right(probe, quantities) for condition, probe in probes.items()}
        return [Statement(r, f"{what} are {'right' if r else 'wrong'} when {text}.") for text, r in right.items()]

    def apart(self, case: Case, quantity: str) -> FloatArray | None:
        """Where a quantity is off by more than rounding: its error over its largest magnitude, if it is given."""
        given = self.ask(case).given.get(quantity)
        if given is None:
            return None
        expected = self.expected(case)[quantity].astype(np.float64)
        error = np.abs(given - expected) / max(float(np.abs(expected).max(initial=0.0)), 1e-300)
        return np.where(np.isfinite(error), error, np.inf)


def is_or_are(what: Sequence[object]) -> str:
    """The verb for so many."""
    return "is" if len(what) == 1 else "are"


def listed(words: Sequence[object]) -> str:
    """Words with commas, and "and" before the last."""
    texts = [str(word) for word in words]
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]
