"""What can be established about a candidate whose bug the catalogue does not have: by probing, part by part."""

from __future__ import annotations

import numpy as np

from conformance.bugs.hypothesis import Hypothesis
from conformance.case import FORWARD, GRADIENTS, QUANTITIES
from conformance.checks.call import Caller
from conformance.diagnosis import Statement
from conformance.locate.backward import gradients
from conformance.locate.cases import in_cases
from conformance.locate.forward import forward_pass
from conformance.locate.prober import Prober
from conformance.runner import Report

__all__ = ["locate"]


def locate(call: Caller, report: Report, dtype: str, known: Hypothesis, narrow: bool) -> tuple[Statement, ...]:
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
    narrow : bool
        Whether it computes in a narrower dtype.
    """
    found = in_cases(report)
    prober = Prober(call, known, dtype, report.without, narrow)
    failing = {name: [r for r in report.failures if r.quantity == name] for name in QUANTITIES}
    forward = [r for name in FORWARD for r in failing[name]]
    if any(forward):
        smallest = min(forward, key=lambda r: np.prod(report.sizes[r.trial]))
        found += forward_pass(prober, report.trials[smallest.trial].case)
    if any(failing[name] for name in GRADIENTS):
        found += gradients(prober, not forward or bool(known.bugs))
    return tuple(found)
