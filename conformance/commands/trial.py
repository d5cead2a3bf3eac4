"""Putting a candidate on trial, and repeating one case of it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT

if TYPE_CHECKING:
    from conformance.languages.program import Program
    from conformance.trial.call import Outcome
    from conformance.trial.results import CheckResult, Trial
    from conformance.trial.worker import Worker


def check(options: argparse.Namespace) -> int:
    """Put a candidate on trial and write the reports that were asked for."""
    from conformance.diagnosis.diagnose import diagnose
    from conformance.diagnosis.finding import Diagnosis
    from conformance.errors import BaselineError
    from conformance.report import json_report, junit, terminal
    from conformance.report.files import require_distinct, require_writable
    from conformance.trial.declare import named_features
    from conformance.trial.runner import run

    spec: str = options.candidate
    if options.baseline is not None and not options.baseline.is_file():
        raise BaselineError(f"there is no baseline {options.baseline}.")
    features = named_features(options.features)
    wanted = [path for path in (options.json, options.junit, options.html) if path is not None]
    require_distinct(wanted)
    for path in wanted:
        require_writable(path)
    model, words = _model(options)
    against = options.against or ("fixtures" if model is None else "model")
    with _called(spec, options) as candidate:
        report = run(
            candidate,
            spec,
            against,
            options.profile,
            strict=options.strict,
            features=features,
            model=model,
            words=words,
        )
        diagnosis = diagnose(candidate, report) if report.noticed else Diagnosis()
    changes = None if options.baseline is None else json_report.compare_with(report, options.baseline)
    if options.json is not None:
        json_report.write(report, options.json, diagnosis)
    if options.junit is not None:
        junit.write(report, options.junit)
    if options.html is not None:
        from conformance.report import html  # nobody else needs the templates' engine

        html.write(report, options.html, diagnosis, spec)
    terminal.show(report, spec, console(), changes, diagnosis)
    _show_printed(candidate.printed, options.traceback)
    good = report.conforms() if changes is None else not changes.regressed
    return CONFORMS if good else DOES_NOT


def _called(spec: str, options: argparse.Namespace) -> Worker | Program:
    """What calls the candidate."""
    from conformance.languages.program import PREFIX, Program
    from conformance.trial.worker import Worker

    if spec.startswith(PREFIX):
        return Program(spec.removeprefix(PREFIX), options.seconds, options.memory)
    return Worker(spec, options.seconds, options.memory, options.traceback)


def _model(options: argparse.Namespace) -> tuple[list[Trial] | None, tuple[str, ...]]:
    """The trials of --model FILE[:NAME] and --input, and these words themselves; None if no model is given."""
    import lstm_ref
    from conformance.cases.model import read_inputs, split_model
    from conformance.errors import CandidateError
    from conformance.trial.model import model_trials

    if options.model is None:
        if options.input is not None:
            raise CandidateError("--input goes with --model: it is given to the model's network.")
        return None, ()
    if getattr(options, "against", None) is not None:
        raise CandidateError("--against and --model exclude each other: a model has cases of its own.")
    network = lstm_ref.load(*split_model(options.model))
    words = ("--model", options.model, *(("--input", str(options.input)) if options.input is not None else ()))
    return model_trials(network.layers, None if options.input is None else read_inputs(options.input)), words


def repro(options: argparse.Namespace) -> int:
    """Run one case, print its numbers and a program that shows the same."""
    from conformance.cases.features import FEATURES
    from conformance.errors import CandidateError
    from conformance.languages.program import Program
    from conformance.trial.declare import asked_features, meets
    from conformance.trial.runner import judge, trials

    spec: str = options.candidate
    words = options.case.split(":")
    if words[0] in ("behaviour", "trajectory"):
        raise CandidateError(f"{options.case!r} is a check of {words[0]}, which no single case shows.")
    oracle = words[0] if words[0] in ("torch", "keras", "certified") else "fixtures"
    id = ":".join(words[: 1 if oracle == "fixtures" else 2])  # the id of a check has its quantity behind the case's
    every = frozenset(FEATURES)
    model, words_of_model = _model(options)
    every_trial = trials(oracle, features=every) if model is None else model
    found = [trial for trial in every_trial if trial.id == id]
    if not found:
        raise CandidateError(f"there is no case {id!r}; `fixtures list` has the vectors: add -float64 or -float32.")
    trial = found[0]
    with _called(spec, options) as candidate:
        if not meets(trial.case, candidate.without, asked_features(every, candidate.without)):
            raise CandidateError(f"{spec} declares that it cannot take the case {id}.")
        if reason := candidate.refusal(trial.case):
            raise CandidateError(f"{spec} cannot take the case {id}: {reason}.")
        outcome = candidate(trial.case)
        results = judge(trial, outcome, candidate.without)
    for result in results:
        told = result.comparison
        numbers = f"worst error {told.share:.3g} of the allowed one" if told is not None and not told.reason else ""
        print(f"{result.quantity:<20}{result.status:<14}{numbers if result.status == 'passed' else result.message}")
    failed = [result for result in results if result.status in ("failed", "not judged")]
    if outcome.trace and not isinstance(candidate, Program):  # what that said comes behind
        print(f"\n{outcome.trace}")
    if failed:
        print(f"\n{_repeated(candidate, spec, trial, outcome, failed[0], words_of_model)}")
    _show_printed(candidate.printed, all_of_it=True)
    return DOES_NOT if failed else CONFORMS


def _repeated(
    candidate: Worker | Program, spec: str, trial: Trial, outcome: Outcome, worst: CheckResult, model: tuple[str, ...]
) -> str:
    """The same case without lstm-conformance: a program in Python, or what is written to the candidate's own."""
    from conformance.cases.features import features
    from conformance.languages.program import Program
    from conformance.report.repro import snippet

    alone = "The same without lstm-conformance:"
    if isinstance(candidate, Program):
        return "\n".join([alone, "", f"{candidate.command} <<'END'", *candidate.lines(trial.case), "END"])
    if candidate.needs_conformance:
        alone = "The same as a program; lstm-conformance has to be there, since the candidate imports it:"
    elif model or features(trial.case):
        alone = "The same as a program; lstm-conformance has to be there, since the case is of many parts:"
    return f"{alone}\n\n{snippet(spec, trial, outcome, worst, model)}"


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
