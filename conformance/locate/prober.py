"""Asking a candidate, and holding its answer against a correct LSTM's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.bugs.hypothesis import Hypothesis
from conformance.case import Case, Result
from conformance.checks.call import Caller
from conformance.evidence import Observation, observe
from lstm_ref.params import FloatArray


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
    """

    def __init__(self, call: Caller, known: Hypothesis, dtype: str, without: frozenset[str], narrow: bool) -> None:
        self.call, self.known, self.dtype, self.without, self.narrow = call, known, dtype, without, narrow

    def ask(self, case: Case) -> Observation:
        """What the candidate gives; nothing if the call fails."""
        observed = observe(case, self.call(case).result)
        return Observation(observed.case, observed.given, self.narrow)

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

    def apart(self, case: Case, quantity: str) -> FloatArray | None:
        """Where a quantity is off by more than rounding: its error over its largest magnitude, if it is given."""
        given = self.ask(case).given.get(quantity)
        if given is None:
            return None
        expected = self.expected(case)[quantity].astype(np.float64)
        error = np.abs(given - expected) / max(float(np.abs(expected).max(initial=0.0)), 1e-300)
        return np.where(np.isfinite(error), error, np.inf)


def listed(words: Sequence[object]) -> str:
    """Words with commas, and "and" before the last."""
    texts = [str(word) for word in words]
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]
