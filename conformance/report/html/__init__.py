"""The report as one HTML file that needs nothing else: no network, no library."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from conformance.diagnosis.finding import Diagnosis
from conformance.report.files import write_bytes
from conformance.report.html import failures, parts, sections
from conformance.report.html.markup import clipped, embedded, hashed, joined, text
from conformance.report.html.matrix import Behaviour, Matrix, Texts
from conformance.report.json_report import NOTHING, verdict
from conformance.trial.runner import Report


def render(report: Report, diagnosis: Diagnosis, spec: str) -> str:
    """The report as an HTML document.

    Parameters
    ----------
    report : Report
    diagnosis : Diagnosis
        What is known of a candidate that does not conform.
    spec : str
        How the candidate was named on the command line, for the lines that repeat a failure.
    """
    texts = Texts()
    matrix, behaviour = Matrix(report, texts), Behaviour(report, texts)
    grids = {"matrix": matrix.data(), "behaviour": behaviour.data()}
    data = {"repeat": parts.repeat(spec), "grids": grids, "texts": list(texts.numbers)}
    conforms = report.conforms()
    behaved = sections.behaviour(behaviour)
    if conforms:
        before = [sections.nearest(report)]
    else:
        before = [
            failures.diagnosed(diagnosis) if report.failures or diagnosis != NOTHING else joined(),
            failures.failure(report, spec),
            failures.left_out(report),
            behaved if behaviour.failed else joined(),
        ]
    after = [joined() if behaviour.failed else behaved, sections.along_time(report)]
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        title=text(f"{clipped(report.candidate, 80)} {verdict(conforms)}"),
        policy=text(f"default-src 'none'; img-src data:; style-src {hashed(style)}; script-src {hashed(script)}"),
        style=style,
        script=script,
        masthead=sections.masthead(report),
        before=joined(*before),
        quantities=sections.quantities(report),
        legend=sections.legend(report),
        matrix=matrix.table(),
        after=joined(*after, sections.surroundings(report, spec)),
        data=embedded(data),
    )


def write(report: Report, path: Path, diagnosis: Diagnosis, spec: str) -> None:
    """Write the report as HTML, whole or not at all."""
    write_bytes(path, render(report, diagnosis, spec).encode())


def _part(name: str) -> str:
    return resources.files("conformance.report.html").joinpath(name).read_text(encoding="utf-8")
