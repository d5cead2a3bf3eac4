"""The report as one HTML file that needs nothing else: no network, no library."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.diagnosis.finding import Diagnosis
from conformance.report.files import write_bytes
from conformance.report.html import plot, scale
from conformance.report.html.curves import drawing as drawn_curves
from conformance.report.html.curves import trainings
from conformance.report.html.failures import smallest
from conformance.report.html.matrix import ORACLES, Texts, behaviours, cases, clipped, comment
from conformance.report.html.overview import ASKED, left_out, nearest, tallies, tally
from conformance.report.json_report import by_message, explained, headline, not_given, program_line, standing
from conformance.report.junit import printable
from conformance.trial.results import Report
from conformance.trial.runner import environment
from lstm_ref.params import FloatArray


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
    texts, results = Texts(), report.of_profile(report.profile)
    checks = tally("", results)
    matrix, behaviour = cases(report), behaviours(report)
    repeat = f"lstm-conformance repro {shlex.join([spec, *report.model])}"
    against = shlex.join(report.model or ("--against", report.against))
    again = f"lstm-conformance check {shlex.quote(spec)} {against} --profile {report.profile}"
    again += " --strict" if report.strict else ""
    page = _templates().get_template("page.html")
    document = page.render(
        report=report,
        diagnosis=diagnosis,
        checks=checks,
        shown=[status for status, count in checks.counts.items() if count or status in ("passed", "failed")],
        conforms=report.conforms(),
        matrix=matrix,
        behaviour=behaviour,
        tallies=tallies(report),
        nearest=nearest(results),
        smallest=smallest(report),
        left_out=left_out(report),
        remarks=by_message(report.remarks),
        not_judged=by_message(report.not_judged),
        charts=plot.charts(report),
        trainings=trainings(report),
        environment=environment(),
        repeat=repeat,
        again=again,
        style=_source("page.css"),
        script=_source("page.js"),
        data={
            "repeat": repeat,
            "grids": {"matrix": matrix.data(texts), "behaviour": behaviour.data(texts)},
            "texts": list(texts.numbers),
        },
    )
    return printable(document)


PLOT = (694, 320)
"""The size of a plot that is a file of its own, without what is written around it."""


def plotted(title: str, across: str, curves: Mapping[str, FloatArray]) -> str:
    """Up to three curves over each other, as an SVG file.

    Parameters
    ----------
    title : str
    across : str
        What the horizontal axis counts, from 0.
    curves : mapping of str to array (N,)
        Name to curve.
    """
    drawing = drawn_curves([*curves.values()], "plot", *PLOT)
    return _templates().get_template("plot.svg").render(title=title, across=across, names=list(curves), drawing=drawing)


def document(template: str, **values: Any) -> str:
    """Another page in the style of the report."""
    return printable(_templates().get_template(template).render(style=_source("page.css"), **values))


def write(report: Report, path: Path, diagnosis: Diagnosis, spec: str) -> None:
    """Write the report as HTML, whole or not at all."""
    write_bytes(path, render(report, diagnosis, spec).encode())


@cache
def _templates() -> Environment:
    """The templates beside this file: they escape all text, and stop at a name that does not exist."""
    templates = Environment(
        loader=PackageLoader("conformance.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    known = (clipped, comment, hashed, scale.cell_class, scale.label, scale.scientific, scale.times)
    templates.filters |= {function.__name__: function for function in known} | {"thousands": "{:,}".format}
    templates.globals |= {
        "ASKED": ASKED,
        "ORACLES": ORACLES,
        "explained": explained,
        "headline": headline,
        "standing": standing,
        "not_given": not_given,
        "program_line": program_line,
    }
    return templates


def _source(name: str) -> str:
    return resources.files("conformance.report.html").joinpath(name).read_text(encoding="utf-8")


def hashed(content: str) -> str:
    """How a content security policy names a script or style that is let through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
