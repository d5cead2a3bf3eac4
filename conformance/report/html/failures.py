"""The parts of the page about what is wrong: the diagnosis, the smallest failure, what was left out."""

from __future__ import annotations

from conformance.case import QUANTITIES
from conformance.diagnosis.finding import Diagnosis, Finding
from conformance.report.html import tensors
from conformance.report.html.markup import Html, element, given, joined
from conformance.report.html.parts import case_line, codes, command, repeat, section
from conformance.trial.runner import Report


def diagnosed(diagnosis: Diagnosis) -> Html:
    """The bugs that explain the failures, and what is established besides."""
    findings, parts = diagnosis.findings, []
    if len(findings) > 1 and not any(finding.certain for finding in findings):
        parts.append(element("p", "What the candidate gave does not tell these explanations apart; the best is first."))
    if not findings:
        parts.append(
            element("p", "No bugs of the catalogue, alone or together, give what the candidate gave.", class_="quiet")
        )
    parts += [_finding(finding) for finding in findings]
    groups = []
    for right, heading in ((False, "Found wrong"), (True, "Found right")):
        texts = [statement.text for statement in diagnosis.statements if statement.right == right]
        if texts:
            items = [element("li", text) for text in texts]
            group = element("ul", *items, class_="right" if right else "wrong")
            groups.append(element("div", element("h3", heading), group))
    if groups:
        parts.append(element("div", *groups, class_="statements"))
    return section("Diagnosis", *parts, id="diagnosis")


def _finding(finding: Finding) -> Html:
    everything = finding.explains == finding.of
    if finding.certain:
        surety = "It gives exactly what the candidate gave, and nothing else in the catalogue does."
    elif everything:
        surety = "Something else may give the same."
    else:
        surety = "What else is wrong is not explained by it."
    explains = f"explains all {finding.of:,} failing checks"
    if not everything:
        explains = f"explains {finding.explains:,} of {finding.of:,} failing checks"
    more = [
        joined(" " if place == 0 else ", ", element("code", f"lstm-conformance bugs {slug}"))
        for place, slug in enumerate(finding.bugs)
    ]
    return element(
        "article",
        element("p", element("strong", "certain" if finding.certain else "possible"), f", {explains}", class_="surety"),
        element("h3", finding.title),
        element("p", element("b", "Repair: "), finding.repair),
        element("p", surety, " More about it:", *more, class_="quiet"),
        class_="finding certain" if finding.certain else "finding",
    )


def failure(report: Report, spec: str) -> Html:
    """The smallest failing case: what is wrong in it, the arrays side by side, and how to repeat it.

    Where that case is too small or too odd to show much, the smallest that is not follows.
    """
    smallest = report.smallest_failure
    if smallest is None or smallest.behaviour:
        return Html()
    shown: dict[str, tuple[str, list[tensors.Pair]]] = {smallest.trial: ("", [])}
    for least, why in ((1, "The smallest whose numbers can be compared"), (2, "The smallest with every size above 1")):
        pairs = tensors.smallest(report, least)
        if pairs and not shown.get(trial := pairs[0].result.trial, ("", []))[1]:
            shown[trial] = ("" if trial == smallest.trial else why, pairs)
    parts, budget = [], tensors.BUDGET
    for trial, (why, pairs) in shown.items():
        drawn = {pair.result.quantity for pair in pairs}
        messages = dict.fromkeys(r.message for r in report.failures if r.trial == trial and r.quantity not in drawn)
        folds, budget = tensors.folds(pairs, report.sizes[trial][3], budget)
        parts += [
            element("h3", why) if why else Html(),
            case_line(report, trial),
            element("ul", *(element("li", given(m)) for m in messages), class_="wrong") if messages else Html(),
            folds,
            command(f"{repeat(spec)} {trial}"),
        ]
    return section("Smallest failing case", *parts, id="smallest")


def left_out(report: Report) -> Html:
    """What the results lack without a declaration."""
    lacking = {r.quantity for r in report.of_profile(report.profile) if r.status == "undeclared"}
    names = sorted(lacking, key=QUANTITIES.index)
    if not names:
        return Html()
    written = ", ".join(f'"{name}"' for name in names)
    return section(
        "Left out without a word",
        element("p", "The results lack ", codes(names), " in some case. Give them, or declare it:"),
        command(f"@conformance.candidate(without=({written},))"),
        id="left-out",
    )
