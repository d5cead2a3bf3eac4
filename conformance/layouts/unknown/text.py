"""A finding as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from conformance.layouts.layout import Layout
from conformance.layouts.unknown.finding import LayoutFinding
from conformance.layouts.unknown.remarks import alternatives, listed
from conformance.layouts.unknown.search import Fit

LISTED = 8
"""Of several fits so many are shown."""


def report(found: LayoutFinding, load: str = "") -> str:
    """The whole report.

    Parameters
    ----------
    found : Finding
    load : str, optional
        Python that reads the arrays, for the lines of Python.
    """
    return "\n".join(_lines(found, load)) + "\n"


def _lines(found: LayoutFinding, load: str) -> Iterator[str]:
    yield f"{found.tried:,} layouts fit the shapes; an error of {found.tolerance:.0e} of the largest known number is allowed."
    if found.verdict == "one":
        fit = found.fits[0]
        beyond = f"; the next best errs by {found.nearest[0].error:.2g}" if found.nearest else ""
        yield f"One reproduces the known run: its worst error is {fit.error:.2g}{beyond}."
        yield from _one(fit, load)
    elif found.verdict == "several":
        yield f"{len(found.fits)} that load different weights reproduce the known run."
        yield from _several(found.fits)
    else:
        yield "None reproduces the known run. The nearest:"
        yield from _several(found.nearest)
    for related in found.related:
        yield ""
        yield f"It is reproduced by {related.words}: worst error {related.fit.error:.2g}."
        yield from _one(related.fit, load)
    if found.remarks:
        yield ""
        yield from found.remarks


def _one(fit: Fit, load: str) -> Iterator[str]:
    way = fit.ways[0]
    yield ""
    yield from _table(way.words())
    unused = [name for name in way.arrays if name not in way.names]
    if unused:
        yield f"Not used: {', '.join(map(repr, unused))}."
    open_questions = alternatives(fit.ways)
    if open_questions:
        yield ""
        yield "These load the same numbers out of these arrays; for others of the same origin they may not:"
        yield from _table({question: listed(answers) for question, answers in open_questions.items()})
    if fit.layout is not None:
        yield ""
        yield layout_text(fit.layout)
        yield from (f"# which does not say that {what}" for what in way.beyond_layout())
    yield ""
    yield from way.code(load).rstrip().splitlines()


def _several(fits: tuple[Fit, ...]) -> Iterator[str]:
    shown = fits[:LISTED]
    differing = alternatives([fit.ways[0] for fit in shown])
    common = {q: answer for q, answer in shown[0].ways[0].words().items() if q not in differing} if shown else {}
    if common:
        yield ""
        yield from _table(common)
    for number, fit in enumerate(shown, 1):
        words = fit.ways[0].words()
        yield ""
        yield f"{number}. worst error {fit.error:.2g}"
        yield from _table({question: words[question] for question in differing if question in words})
    if len(fits) > LISTED:
        yield ""
        yield f"and {len(fits) - LISTED} more"


def _table(rows: dict[str, str]) -> Iterator[str]:
    width = max(map(len, rows), default=0)
    yield from (f"  {question:<{width}}  {answer}" for question, answer in rows.items())


def layout_text(layout: Layout) -> str:
    """A layout as it is written in Python, without what goes without saying."""
    said = [
        f"{field.name}={getattr(layout, field.name)!r}".replace("'", '"')
        for field in fields(layout)
        if field.name == "gates" or getattr(layout, field.name) != field.default
    ]
    return f"conformance.Layout({', '.join(said)})"
