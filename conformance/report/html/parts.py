"""Pieces that several parts of the page are made of."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from conformance.report.html.markup import Html, element, joined
from conformance.report.html.matrix import comment
from conformance.trial.runner import Report


def section(heading: str, *content: str, id: str | None = None) -> Html:
    """A part of the page under a heading."""
    return element("section", element("h2", heading), *content, id=id)


def command(text: str) -> Html:
    """A command line that can be copied."""
    return element(
        "div",
        element("code", text),
        element("button", "Copy", type="button", class_="copy", hidden=True),
        class_="command",
    )


def table(headings: Sequence[str], body: Sequence[Html]) -> Html:
    """A table in a box of its own, which scrolls if it has to."""
    head = element("tr", *(element("th", h, scope="col") for h in headings))
    return element(
        "div", element("table", element("thead", head), element("tbody", *body), class_="plain"), class_="fit"
    )


def bar(*parts: tuple[float, str]) -> Html:
    """A bar of a hundred units: how long each part is, and its class."""
    rects, start = [element("rect", x=0, y=0, width=100, height=8, class_="rest")], 0.0
    for width, name in parts:
        rects.append(element("rect", x=f"{start:.1f}", y=0, width=f"{width:.1f}", height=8, class_=name))
        start += width
    return element(
        "td", element("svg", *rects, viewBox="0 0 100 8", width=100, height=8, aria_hidden="true"), class_="bar"
    )


def codes(names: Sequence[str]) -> Html:
    """Names of quantities or inputs, listed."""
    return joined(*(joined(", " if k else "", element("code", name)) for k, name in enumerate(names)))


def case_line(report: Report, trial: str) -> Html:
    """A case's id, its sizes and what it is there for."""
    sizes = " ".join(f"{name}={size}" for name, size in zip("BTDH", report.sizes[trial], strict=True))
    named = joined(element("code", trial), element("span", sizes, class_="sizes"))
    return element("p", named, " ", comment(report.trials[trial]), class_="case")


def repeat(spec: str) -> str:
    """The beginning of the command that repeats a case of a candidate."""
    return f"lstm-conformance repro {shlex.quote(spec)}"
