"""Putting a candidate on trial, and repeating one case of it."""

from __future__ import annotations

import argparse
import sys

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT


def check(options: argparse.Namespace) -> int:
    """Put a candidate on trial and write the reports that were asked for."""
    from conformance.diagnosis.diagnose import diagnose
    from conformance.diagnosis.finding import Diagnosis
    from conformance.errors import BaselineError
    from conformance.report import json_report, junit, terminal
    from conformance.report.files import require_distinct, require_writable
    from conformance.trial.declare import named_features
    from conformance.trial.runner import run
    from conformance.trial.worker import Worker

    if options.baseline is not None and not options.baseline.is_file():
        raise BaselineError(f"there is no baseline {options.baseline}.")
    features = named_features(options.features)
    wanted = [path for path in (options.json, options.junit, options.html) if path is not None]
    require_distinct(wanted)
    for path in wanted:
        require_writable(path)
    with Worker(options.candidate, options.seconds, options.memory, options.traceback) as candidate:
        report = run(
            candidate, options.candidate, options.against, options.profile, strict=options.strict, features=features
        )
        diagnosis = diagnose(candidate, report) if report.noticed else Diagnosis()
    changes = None if options.baseline is None else json_report.compare_with(report, options.baseline)
    if options.json is not None:
        json_report.write(report, options.json, diagnosis)
    if options.junit is not None:
        junit.write(report, options.junit)
    if options.html is not None:
        from conformance.report import html  # nobody else needs the templates' engine

        html.write(report, options.html, diagnosis, options.candidate)
    terminal.show(report, options.candidate, console(), changes, diagnosis)
    _show_printed(candidate.printed, options.traceback)
    good = report.conforms() if changes is None else not changes.regressed
    return CONFORMS if good else DOES_NOT


def repro(options: argparse.Namespace) -> int:
    """Run one case, print its numbers and a program that shows the same."""
    from conformance.cases.features import FEATURES
    from conformance.errors import CandidateError
    from conformance.report.repro import snippet
    from conformance.trial.declare import asked_features, meets
    from conformance.trial.runner import judge, trials
    from conformance.trial.worker import Worker

    words = options.case.split(":")
    if words[0] == "behaviour":
        raise CandidateError(f"{options.case!r} is a check of behaviour, which no single case shows.")
    oracle = words[0] if words[0] in ("torch", "keras") else "fixtures"
    id = ":".join(words[: 1 if oracle == "fixtures" else 2])  # the id of a check has its quantity behind the case's
    every = frozenset(FEATURES)
    found = [trial for trial in trials(oracle, features=every) if trial.id == id]
    if not found:
        raise CandidateError(f"there is no case {id!r}; `fixtures list` has the vectors: add -float64 or -float32.")
    trial = found[0]
    with Worker(options.candidate, options.seconds, options.memory, options.traceback) as candidate:
        if not meets(trial.case, candidate.without, asked_features(every, candidate.without)):
            raise CandidateError(f"{options.candidate} declares that it cannot take the case {id}.")
        outcome = candidate(trial.case)
        results = judge(trial, outcome, candidate.without)
    for result in results:
        told = result.comparison
        numbers = f"worst error {told.share:.3g} of the allowed one" if told is not None and not told.reason else ""
        print(f"{result.quantity:<20}{result.status:<14}{numbers if result.status == 'passed' else result.message}")
    failed = [result for result in results if result.status in ("failed", "not judged")]
    if outcome.trace:
        print(f"\n{outcome.trace}")
    if failed:
        alone = "The same without lstm-conformance:"
        if candidate.needs_conformance:
            alone = "The same as a program; lstm-conformance has to be there, since the candidate imports it:"
        print(f"\n{alone}\n\n{snippet(options.candidate, trial, outcome, failed[0])}")
    _show_printed(candidate.printed, all_of_it=True)
    return DOES_NOT if failed else CONFORMS


MOST = 10
"""So many lines of what a candidate prints are shown."""


def _show_printed(text: str, all_of_it: bool) -> None:
    """What the candidate printed, behind everything else."""
    lines = text.splitlines()
    shown = lines if all_of_it else lines[-MOST:]
    if lines:
        counted = f"{len(lines):,} line{'s' * (len(lines) > 1)}"
        print(f"\nThe candidate printed {counted}{'' if shown == lines else f'; the last {MOST}'}:", file=sys.stderr)
        print("\n".join(shown), file=sys.stderr, flush=True)
