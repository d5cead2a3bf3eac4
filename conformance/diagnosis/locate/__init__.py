"""What can be established about a candidate whose bug the catalogue does not have: by probing, part by part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.case import FORWARD, GRADIENTS
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.finding import Statement
from conformance.diagnosis.locate.backward import gradients
from conformance.diagnosis.locate.cases import in_cases
from conformance.diagnosis.locate.forward import forward_pass
from conformance.diagnosis.locate.prober import Prober
from conformance.trial.call import Caller
from conformance.trial.results import Report

__all__ = ["locate"]


def locate(
    call: Caller, report: Report, dtype: str, known: Hypothesis, observed: Sequence[str], narrow: bool
) -> tuple[Statement, ...]:
    """What probing establishes.

    Parameters
    ----------
    call : Caller
        The candidate.
    report : Report
        Of its trial.
    dtype : str
        In which it is probed.
    known : Hypothesis
        The bugs that are known already: what is right is what an LSTM with them gives.
    observed : sequence of str
        The bugs that are known and change no numbers.
    narrow : bool
        Whether it computes in a narrower dtype.
    """
    found = in_cases(report, (*known.bugs, *observed))
    prober = Prober(call, known, dtype, report.without, narrow)
    wrong = [r for r in report.failures if r.comparison is not None]  # not those of which there is no result at all
    forward = [r for r in wrong if r.quantity in FORWARD]
    if forward:
        smallest = min(forward, key=lambda r: np.prod(report.sizes[r.trial]))
        found += forward_pass(prober, report.trials[smallest.trial].case)
    if any(r.quantity in GRADIENTS for r in wrong):
        found += gradients(prober)
    return tuple(found)
