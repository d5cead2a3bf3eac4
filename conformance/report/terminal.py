"""The report for people: verdict, quantities as a table, diagnosis, the smallest failure and how to repeat it."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.case import KINDS, kind_of
from conformance.cases.features import FEATURES
from conformance.diagnosis.finding import Diagnosis
from conformance.report.json_report import (
    NOTHING,
    Changes,
    by_message,
    explained,
    headline,
    not_given,
    program_line,
    standing,
)
from conformance.trial.checks import CHECKS
from conformance.trial.model import first_wrong
from conformance.trial.results import STATUSES, TRAJECTORY, CheckResult, Report

MOST, FEW = 12, 4
"""How many entries of a list are shown before the rest is counted."""


def show(
    report: Report, spec: str, console: Console, changes: Changes | None = None, diagnosis: Diagnosis = NOTHING
) -> None:
    """Print a report.

    Parameters
    ----------
    report : Report
    spec : str
        How the candidate was named on the command line, for the line that repeats a failure.
    console : rich.console.Console
        Plain text when it is no terminal.
    changes : Changes, optional
        From an earlier report.
    diagnosis : Diagnosis, optional
    """
    colour = {"conforms": "bold green", "incomplete": "bold yellow"}.get(report.verdict(), "bold red")
    asked = f"profile {report.profile}, against {report.against}"
    console.print(
        f"{escape(report.candidate)} [{colour}]{headline(report)}[/] ({asked})", highlight=False, soft_wrap=True
    )
    counts = report.counts()
    console.print(
        f"{counts['checks']:,} checks: {counts['passed']:,} passed, {counts['failed']:,} failed, "
        f"{counts['not_provided']:,} not provided, {counts['undeclared']:,} undeclared"
        + "".join(f", {counts[name]:,} {word}" for name, word in RARE.items() if counts[name]),
        highlight=False,
    )
    for profile in report.profiles:
        if profile != report.profile:
            console.print(f"profile {profile}: {standing(report, profile)}", highlight=False)
    if report.without:
        console.print(f"It declares that it is without: {', '.join(sorted(report.without))}", highlight=False)
    console.print(_features(report), highlight=False, soft_wrap=True)
    if report.not_given:
        console.print(f"It was not given {not_given(report)}", highlight=False, soft_wrap=True)
    if report.program is not None:
        console.print(program_line(report.program), highlight=False, soft_wrap=True)
    if report.unknown:
        console.print(f"Its results have unknown keys: {escape(', '.join(report.unknown[:MOST]))}", highlight=False)
    console.print(_table(report))
    _diagnosis(diagnosis, report, console)
    _layers(report, console)
    _trajectories(report, console)
    _failures(report, spec, console)
    if changes is not None:
        _changes(changes, console)


def _features(report: Report) -> str:
    """What was asked for beyond the plain LSTM, and what was not, in a line."""
    if report.model:
        return escape(f"Asked for the network of {report.model[1]}: {', '.join(report.asked) or 'a plain LSTM'}")
    asked = f"the plain LSTM{', ' if report.asked else ' alone'}{', '.join(report.asked)}"
    if report.not_asked:
        every = len(report.not_asked) == len(FEATURES)
        asked += f"; not for {'any of ' * every}{', '.join(report.not_asked)}"
    if report.not_met:
        asked += f"; no case is about {', '.join(report.not_met)}"
    return f"Asked for {asked}"


RARE = {"remarks": "with a remark", "not_judged": "not judged"}
"""Counts that are told where there are any."""


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("quantity")
    shown = [status for status in STATUSES.values() if status in ALWAYS or report.counts()[_counted(status)]]
    for heading in shown:
        table.add_column(heading, justify="right")
    table.add_column("worst error / allowed", justify="right")
    for name in (*KINDS, *CHECKS, TRAJECTORY):
        members = [r for r in report.of_profile(report.profile) if kind_of(r.quantity) == name]
        if not members:
            continue
        cells = {status: sum(r.status == status for r in members) for status in shown}
        shares = [r.share for r in members if r.share is not None]
        worst = f"{max(shares):.3g}" if shares else ""
        style = "red" if cells["failed"] or cells["undeclared"] else ""
        table.add_row(name, *(str(n) if n else "" for n in cells.values()), worst, style=style)
    return table


ALWAYS = ("passed", "failed", "not provided", "undeclared")


def _counted(status: str) -> str:
    return next(name for name, counted in STATUSES.items() if counted == status)


def _diagnosis(diagnosis: Diagnosis, report: Report, console: Console) -> None:
    noticed = len(report.to_explain)
    what = explained(report)
    if len(diagnosis.findings) > 1:
        console.print("\nDiagnosis: one of these; what the candidate gives does not tell them apart.")
    for finding in diagnosis.findings:
        explains = f"{finding.explains:,} of {finding.of:,} {what}"
        if finding.explains == finding.of:
            explains = f"all {finding.of:,} {what}" if finding.of > 1 else f"the {what.removesuffix('s')}"
        if finding.of < noticed:
            explains += f" that were looked into, of {noticed:,}"
        verb, together = ("explains", "") if len(finding.bugs) == 1 else ("explain", "together ")
        alone = "Diagnosis: " if len(diagnosis.findings) == 1 else ""
        bugs = f"[bold]{'[/] and [bold]'.join(finding.bugs)}[/]"
        console.print(f"\n{alone}{bugs} {together}{verb} {explains}.", highlight=False, soft_wrap=True)
        for n, fault in enumerate(finding.faults, 1):
            number = f"({n}) " if len(finding.faults) > 1 else ""
            for heading, text in (("It does", fault.title), ("Repair", fault.repair), ("Seen", fault.evidence)):
                if text:
                    console.print(f"  {heading + ':':<9} {number}{escape(text)}", highlight=False, soft_wrap=True)
        if finding.note:
            console.print(f"  {'Note:':<9} {escape(finding.note)}", highlight=False, soft_wrap=True)
    if diagnosis.statements:
        known, given = "Diagnosis: no bugs that were tried, alone or together, give this. It is", ""
        if diagnosis.findings:
            first = "the bug" if len(diagnosis.findings[0].bugs) == 1 else "the bugs"
            known, given = "The rest is", f"; what follows from {first} named above counts as right"
        console.print(f"\n{known} narrowed down by probing{given}:", highlight=False, soft_wrap=True)
    for statement in diagnosis.statements:
        word = "[green]right[/]" if statement.right else "[red]wrong[/]"
        console.print(f"  {word}  {escape(statement.text)}", highlight=False, soft_wrap=True)


def _layers(report: Report, console: Console) -> None:
    """Of a model's case that has wrong states, how near each layer comes."""
    found = first_wrong(report) if report.model else None
    if found is None:
        return
    trial, rows = found
    console.print(f"\nLayer by layer, final states in {escape(trial)}, error / allowed:", highlight=False)
    told = False
    for name, shares in rows:
        beyond = [state for state, share in shares.items() if share > 1]
        numbers = "  ".join(f"{state} {share:<8.3g}" for state, share in shares.items()) or "not given"
        first = "  <- the first that is wrong" if beyond and not told else ""
        told = told or bool(beyond)
        console.print(f"  {name:<16}{numbers}{first}", style="red" if beyond else "", highlight=False)
    if not told:
        console.print("  all are right: it is the output that is not", highlight=False)


def _trajectories(report: Report, console: Console) -> None:
    """How each training went, beside the known one."""
    if report.trajectories:
        console.print("\nIn training, its losses beside those of PyTorch and Keras:", highlight=False)
    for trajectory in report.trajectories:
        style = "red" if trajectory.left is not None or trajectory.ended else ""
        console.print(f"  {trajectory.dtype}  {escape(str(trajectory))}", style=style, highlight=False, soft_wrap=True)


def _failures(report: Report, spec: str, console: Console) -> None:
    for result in [r for r in report.failures if r.behaviour and r.quantity != TRAJECTORY][:MOST]:
        console.print(f"\n{result.id}\n  {escape(result.message)}", highlight=False, soft_wrap=True)
    for kind, ids in by_message(report.remarks).items():
        console.print(f"\nRemark, {', '.join(ids)}\n  {escape(kind)}", highlight=False, soft_wrap=True)
    if report.not_judged:
        cases: dict[str, dict[str, None]] = {}
        for result in report.not_judged:
            cases.setdefault(result.message.removeprefix(f"{result.quantity}: "), {})[result.trial] = None
        for why, tried in cases.items():
            counted = f"{len(tried)} case{'s' * (len(tried) > 1)}"
            some = f"{', '.join([*tried][:FEW])}{' and so on' if len(tried) > FEW else ''}"
            console.print(f"\nNot judged, {counted}: {some}\n  {escape(why)}", highlight=False, soft_wrap=True)
    smallest = report.smallest_failure
    if smallest is None or smallest.behaviour:
        left_out = sorted(
            {kind_of(r.quantity) for r in report.of_profile(report.profile) if r.status == "undeclared"},
            key=KINDS.index,
        )
        if left_out:
            names = ", ".join(f'"{name}"' for name in left_out)
            how = f"with conformance.candidate(without=({names},))"
            if report.program is not None:
                how = f'at the handshake: "without": [{names}]'
            console.print(
                escape(f"\nLeft out of the results without a word: {names}. Give them, or declare it {how}."),
                highlight=False,
            )
        return
    in_case = [r for r in report.failures if r.trial == smallest.trial]
    B, T, D, H = report.sizes[smallest.trial]
    console.print(f"\nSmallest failing case: {smallest.trial} (B={B}, T={T}, D={D}, H={H})", highlight=False)
    for result in _distinct(in_case):
        console.print(f"  {escape(result.message)}", highlight=False, soft_wrap=True)
    said = report.program.said.get(smallest.trial, "").splitlines() if report.program is not None else []
    half = FEW // 2  # some languages have the reason above the trace of calls, some below
    for line in said if len(said) <= FEW else [*said[:half], "...", *said[-half:]]:
        console.print(f"  On standard error: {escape(line)}", highlight=False, soft_wrap=True)
    console.print(
        escape(f"Repeat it:  {shlex.join(['lstm-conformance', 'repro', spec, smallest.trial, *report.model])}"),
        highlight=False,
        soft_wrap=True,
    )


def _distinct(results: list[CheckResult]) -> list[CheckResult]:
    """One result for each message: a call that failed has the same for all quantities."""
    return list({result.message: result for result in results}.values())


def _changes(changes: Changes, console: Console) -> None:
    console.print("\nCompared with the baseline:", highlight=False)
    for heading, ids in (
        ("newly failing", changes.newly_failing),
        ("no longer run or judged", changes.gone),
        ("mended", changes.mended),
        ("known to fail", changes.known),
    ):
        console.print(f"  {len(ids)} {heading}{':' if ids else ''}", highlight=False)
        _listed([escape(id) for id in ids], console)
    console.print(f"  {len(changes.grown)} with an error more than ten times as large, still allowed", highlight=False)
    _listed(
        [f"{escape(id)}: {before:.3g} of the allowed error, now {now:.3g}" for id, before, now in changes.grown],
        console,
    )


def _listed(lines: list[str], console: Console) -> None:
    for line in lines[:MOST]:
        console.print(f"    {line}", highlight=False, soft_wrap=True)
    if len(lines) > MOST:
        console.print(f"    and {len(lines) - MOST} more; --json has all", highlight=False)
