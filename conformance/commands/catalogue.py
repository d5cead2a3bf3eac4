"""The catalogue of bugs: listed, explained, and run."""

from __future__ import annotations

import argparse
from pathlib import Path

from conformance.commands import Bar, console
from conformance.errors import CONFORMS, DOES_NOT


def show(options: argparse.Namespace) -> int:
    """List the catalogue, explain one bug, or print how each is caught."""
    from conformance.diagnosis.bugs import bugs
    from conformance.errors import UnknownBugError

    if options.json is not None and not options.matrix:
        raise UnknownBugError("--json goes with --matrix.")
    if sum((options.slug is not None, options.matrix, options.diagnose is not None)) > 1:
        raise UnknownBugError("SLUG, --matrix and --diagnose are three questions; ask one at a time.")
    if options.matrix:
        return _matrix(options.json)
    if options.diagnose is not None:
        return _confusion(options.diagnose)
    if options.slug is None:
        for bug in bugs().values():
            print(f"{bug.group:<10}{bug.slug:<36}{bug.title}")
        print(f"\n{len(bugs())} bugs; `lstm-conformance bugs SLUG` explains one")
        return CONFORMS
    if options.slug not in bugs():
        close = [slug for slug in bugs() if options.slug in slug]
        raise UnknownBugError(
            f"there is no bug {options.slug!r}" + (f"; there are {', '.join(close)}." if close else ".")
        )
    bug = bugs()[options.slug]
    print(f"{bug.slug} ({bug.group})\n\n{bug.title}\n\nShows:   {bug.shows}\nRepair:  {bug.repair}")
    for address in bug.seen:
        print(f"Seen:    {address}")
    return CONFORMS


def _confusion(pairs: int) -> int:
    from conformance.diagnosis.confusion import confusion

    with Bar("diagnosing") as bar:
        alone, together = confusion(pairs, bar.update)
    for guess in [*alone, *together]:
        if not guess.first or len(guess.findings) > 1:
            print(f"{'' if guess.named else 'MISSED: '}{guess}")
    print(f"\n{len(alone)} diagnoses of one bug: {sum(g.first for g in alone)} name it first")
    if together:
        print(f"{len(together)} diagnoses of two bugs: {sum(g.named for g in together)} name both")
    false = sum(guess.falsely_certain for guess in [*alone, *together])
    print(
        f"{false} claim something else as certain; the slowest took {max(g.seconds for g in [*alone, *together]):.1f} s"
    )
    enough = sum(g.first for g in alone) >= 0.98 * len(alone) and sum(g.named for g in together) >= 0.9 * len(together)
    return CONFORMS if enough and not false else DOES_NOT


def _matrix(path: Path | None) -> int:
    from rich.table import Table

    from conformance.diagnosis.bugs import adequacy
    from conformance.report.files import write_json

    with Bar("bugs") as bar:
        found = adequacy.matrix(bar.update)
    if path is not None:
        write_json(path, adequacy.as_dict(found))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("bug", "float64", "float32", "worst in", "behaviour"):
        table.add_column(heading, justify="right" if heading.startswith("float") else "left", no_wrap=heading == "bug")
    for one, other in zip(found[::2], found[1::2], strict=True):
        worst = max(other.margins, key=lambda name: other.margins[name], default="")
        behaviours = ", ".join(sorted({*one.behaviours, *other.behaviours}))
        style = "" if one.caught and other.caught else "red"
        table.add_row(one.slug, f"{one.margin:.2g}", f"{other.margin:.2g}", worst, behaviours, style=style)
    console().print(table)
    caught = [catch for catch in found if catch.caught]
    tightest = min((catch for catch in caught if not catch.behaviours), key=lambda catch: catch.margin)
    print(f"\n{len(found) // 2} bugs in 2 dtypes: {len(caught)} of {len(found)} caught")
    print(f"smallest margin: {tightest.margin:.3g} times the allowed error, {tightest.slug} in {tightest.dtype}")
    try:
        from conformance.diagnosis.bugs.elsewhere import missed

        overlooked, forward = missed()
        print(
            f"ONNX's LSTM node tests, by their own measure, catch {len(forward) - len(overlooked)} of the {len(forward)} forward bugs"
        )
        print(f"and let pass: {', '.join(overlooked)}")
    except ModuleNotFoundError:
        print("ONNX's LSTM node tests: not compared; that needs onnx, which is not installed: pip install onnx")
    return CONFORMS if len(caught) == len(found) else DOES_NOT
