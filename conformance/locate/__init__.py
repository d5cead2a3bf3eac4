"""What can be established about a candidate whose bug the catalogue does not have: by probing, part by part."""

from __future__ import annotations

from conformance.bugs.hypothesis import Hypothesis
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
    forward = forward_pass(prober)
    found += forward
    if report.profile == "training":
        found += gradients(prober, all(statement.right for statement in forward))
    return tuple(found)
