"""The parts of the page about the whole trial: verdict, counts, what is nearest to the limit, errors along time."""

from __future__ import annotations

import shlex

from conformance.case import QUANTITIES
from conformance.report.html import plot
from conformance.report.html.markup import Html, broken, clipped, element, given, joined
from conformance.report.html.matrix import ORACLES, STATUSES, Behaviour, anchor
from conformance.report.html.parts import bar, case_line, codes, command, section, table
from conformance.report.html.scale import times
from conformance.report.json_report import verdict
from conformance.trial.runner import PROFILES, CheckResult, Report, environment

ASKED = {"forward": "the forward pass", "training": "the forward pass and all gradients"}
NEAREST = 8
MOST = 12


def masthead(report: Report) -> Html:
    """The verdict, the counts, and what else bears on the verdict."""
    good = report.conforms()
    counts = report.counts()
    against = {**ORACLES, "all": ", ".join(ORACLES.values())}[report.against]
    asked = [element("p", f"Asked for {ASKED[report.profile]}, compared with {against}.", class_="asked")]
    for profile in PROFILES:
        if profile != report.profile:
            asked.append(element("p", f"Profile {profile} ({ASKED[profile]}): {verdict(report.conforms(profile))}."))
    if report.without:
        asked.append(element("p", "It declares that it is without ", codes(sorted(report.without)), "."))
    if report.unknown:
        keys = [joined(element("code", given(clipped(key, 60))), " ") for key in report.unknown[:MOST]]
        more = f"and {len(report.unknown) - MOST:,} more" if len(report.unknown) > MOST else ""
        asked.append(element("p", "Its results have keys that name no quantity: ", *keys, more))
    return element(
        "header",
        element("p", "lstm-conformance", class_="over"),
        element(
            "h1", element("span", "✓" if good else "✗", class_="sign", aria_hidden="true"), verdict(good).capitalize()
        ),
        element("p", element("code", given(report.candidate)), class_="name"),
        element("div", *asked, class_="about"),
        _counts(counts),
        class_="good" if good else "bad",
    )


def _counts(counts: dict[str, int]) -> Html:
    kinds = [(name, counts[name.replace(" ", "_")]) for name in STATUSES]
    numbers = [
        element(
            "div", element("dt", name), element("dd", f"{count:,}"), class_="none" if count == 0 else name.split()[0]
        )
        for name, count in kinds
    ]
    total = element("div", element("dt", "checks"), element("dd", f"{counts['checks']:,}"))
    bars, start = [], 0.0
    for name, count in kinds:
        width = 100 * count / max(counts["checks"], 1)
        if count:
            bars.append(element("rect", x=f"{start:.3f}", width=f"{width:.3f}", y=0, height=1, class_=name.split()[0]))
        start += width
    bar = element("svg", *bars, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true", class_="parts")
    return joined(element("dl", total, *numbers, class_="counts"), bar)


def nearest(report: Report) -> Html:
    """The passing checks with the largest errors over allowed."""
    shares = [r for r in report.of_profile(report.profile) if r.share is not None]
    top = sorted(shares, key=lambda r: -(r.share or 0))[:NEAREST]
    body = [
        element(
            "tr",
            element("td", anchor(r)),
            bar((100 * (r.share or 0), "passed")),
            element("td", times(r.share or 0), class_="number"),
        )
        for r in top
    ]
    return section(
        "Nearest to the limit",
        element("p", "The largest errors divided by the allowed ones: 1 would be the limit."),
        table(("check", "", "error / allowed"), body),
        id="nearest",
    )


def quantities(report: Report) -> Html:
    """Counts by quantity, and the worst check of each."""
    body = []
    shown = [name for name in STATUSES if name in ("passed", "failed") or report.counts()[name.replace(" ", "_")]]
    for name in QUANTITIES:
        members = [r for r in report.of_profile(report.profile) if r.quantity == name]
        if not members:
            continue
        counts = [sum(r.status == status for r in members) for status in shown]
        worst = max((r for r in members if r.share is not None), key=lambda r: r.share or 0, default=None)
        parts = [(100 * counts[k] / len(members), shown[k]) for k in range(2)]
        told = element("a", times(worst.share or 0), href=f"#{worst.id}", class_="check") if worst is not None else "–"
        body.append(
            element(
                "tr",
                element("th", element("code", broken(name)), scope="row"),
                *(element("td", f"{n:,}" if n else "·", class_="number") for n in counts),
                bar(*parts),
                element("td", told, class_="number"),
            )
        )
    return table(("quantity", *shown, "", "worst error / allowed"), body)


def legend(report: Report) -> Html:
    """What the colours and marks of the matrix mean."""
    words = ("< .01", "< .1", "< .5", "≤ 1", "< 10", "< 1e3", "< 1e6", "more")
    steps = [
        element("span", word, class_=name)
        for name, word in zip(("p0", "p1", "p2", "p3", "f0", "f1", "f2", "f3"), words, strict=True)
    ]
    counts = report.counts()
    marks = (
        ("n", "–", "not provided", "not provided, as declared"),
        ("u", "?", "undeclared", "left out without a word"),
    )
    others = [
        element("em", element("span", mark, class_=name), word)
        for name, mark, status, word in marks
        if counts[status.replace(" ", "_")]
    ]
    return element(
        "p",
        element("em", "allowed"),
        element("span", *steps[:4], class_="steps"),
        element("span", *steps[4:], class_="steps"),
        element("em", "wrong"),
        *others,
        class_="scale cells",
    )


def behaviour(found: Behaviour) -> Html:
    """The checks of behaviour."""
    wrong = len(found.failed)
    words = f"{wrong} of {sum(map(len, found.checks.values()))} fail." if wrong else "All that apply pass."
    return section("Behaviour", element("p", words), element("div", found.table(), class_="fit"), id="behaviours")


def along_time(report: Report) -> Html:
    """The error along the time steps of the worst case."""
    parts = []
    for k, result in enumerate(plot.chosen(report)):
        drawn = plot.lines(report, result.trial)
        if not drawn:
            continue
        told = plot.told(drawn)
        if result.quantity not in plot.TIMED:
            told += f" {result.quantity}, which is wrong, has no time axis."
        parts += [
            element("h3", _why(result, longest=k > 0)),
            case_line(report, result.trial),
            element("p", told),
            plot.drawing(drawn),
        ]
    return section("Error along time", *parts, id="time") if parts else Html()


def _why(result: CheckResult, longest: bool) -> str:
    if longest:
        return "The longest case that fails" if result.status == "failed" else "The longest case"
    return "The case with the largest error" if result.status == "failed" else "The case nearest to the limit"


def surroundings(report: Report, spec: str) -> Html:
    """Versions and platform, and the command that this report came from."""
    known = environment()
    entries = {**known["versions"], "platform": known["platform"], "cases": known["seed"]}
    listed = [element("div", element("dt", name), element("dd", str(value))) for name, value in entries.items()]
    repeat = f"lstm-conformance check {shlex.quote(spec)} --against {report.against} --profile {report.profile}"
    return section("Environment", element("dl", *listed, class_="environment"), command(repeat), id="environment")
