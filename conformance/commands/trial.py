"""Putting a candidate on trial, and repeating one case of it."""

from __future__ import annotations

import argparse

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT


def check(options: argparse.Namespace) -> int:
    """Put a candidate on trial and write the reports that were asked for."""
    from conformance.diagnosis.diagnose import diagnose
    from conformance.diagnosis.finding import Diagnosis
    from conformance.errors import BaselineError
    from conformance.report import json_report, junit, terminal
    from conformance.report.files import require_distinct, require_writable
    from conformance.trial.given import find
    from conformance.trial.runner import run

    if options.baseline is not None and not options.baseline.is_file():
        raise BaselineError(f"there is no baseline {options.baseline}.")
    wanted = [path for path in (options.json, options.junit, options.html) if path is not None]
    require_distinct(wanted)
    for path in wanted:
        require_writable(path)
    function = find(options.candidate)
    report = run(function, options.candidate, options.against, options.profile, options.seconds, options.strict)
    diagnosis = Diagnosis() if not report.noticed else diagnose(function, report, seconds=options.seconds)
    changes = None if options.baseline is None else json_report.compare_with(report, options.baseline)
    if options.json is not None:
        json_report.write(report, options.json, diagnosis)
    if options.junit is not None:
        junit.write(report, options.junit)
    if options.html is not None:
        from conformance.report import html  # nobody else needs the templates' engine

        html.write(report, options.html, diagnosis, options.candidate)
    terminal.show(report, options.candidate, console(), changes, diagnosis)
    good = report.conforms() if changes is None else not changes.regressed
    return CONFORMS if good else DOES_NOT


def repro(options: argparse.Namespace) -> int:
    """Run one case, print its numbers and a program that shows the same."""
    from conformance.errors import CandidateError
    from conformance.report.repro import snippet
    from conformance.trial.call import Caller
    from conformance.trial.declare import declared, meets
    from conformance.trial.given import find
    from conformance.trial.runner import judge, trials

    words = options.case.split(":")
    if words[0] == "behaviour":
        raise CandidateError(f"{options.case!r} is a check of behaviour, which no single case shows.")
    oracle = words[0] if words[0] in ("torch", "keras") else "fixtures"
    id = ":".join(words[: 1 if oracle == "fixtures" else 2])  # the id of a check has its quantity behind the case's
    function = find(options.candidate)
    found = [trial for trial in trials(oracle) if trial.id == id]
    if not found:
        raise CandidateError(f"there is no case {id!r}; `fixtures list` has the vectors: add -float64 or -float32.")
    trial = found[0]
    if not meets(trial.case, declared(function)):
        raise CandidateError(f"{options.candidate} declares that it cannot take the case {id}.")
    outcome = Caller(function, options.seconds)(trial.case)
    results = judge(trial, outcome, declared(function))
    for result in results:
        told = result.comparison
        numbers = f"worst error {told.share:.3g} of the allowed one" if told is not None and not told.reason else ""
        print(f"{result.quantity:<20}{result.status:<14}{numbers if result.status == 'passed' else result.message}")
    failed = [result for result in results if result.status == "failed"]
    if outcome.trace:
        print(f"\n{outcome.trace}")
    if failed:
        print(f"\nThe same without lstm-conformance:\n\n{snippet(options.candidate, trial, outcome, failed[0])}")
    return DOES_NOT if failed else CONFORMS
