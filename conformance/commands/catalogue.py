"""The catalogue of bugs: listed, explained, and run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands import Bar, console
from conformance.errors import CONFORMS, DOES_NOT

if TYPE_CHECKING:
    from conformance.diagnosis.bugs.adequacy import Catch

CLOSE = 8
"""So many bugs are named whose slugs contain what was asked for."""
USUALLY = "usual"
"""What --without takes to go through all usual declarations."""


def show(options: argparse.Namespace) -> int:
    """List the catalogue, explain one bug, or print how each is caught."""
    from conformance.diagnosis.bugs import bugs, network_bugs
    from conformance.diagnosis.bugs.catalogue import readable
    from conformance.errors import UnknownBugError

    for name in ("json", "without"):
        if getattr(options, name) is not None and not options.matrix:
            raise UnknownBugError(f"--{name} goes with --matrix.")
    if sum((options.slug is not None, options.matrix, options.diagnose is not None)) > 1:
        raise UnknownBugError("SLUG, --matrix and --diagnose are three questions; ask one at a time.")
    if options.matrix:
        if options.without == USUALLY:
            return _usual_matrix(options.json)
        return _matrix(options.json, _declaration(options.without))
    if options.diagnose is not None:
        return _confusion(options.diagnose)
    every = bugs() | network_bugs()
    if options.slug is None:
        for bug in every.values():
            print(f"{bug.group:<12}{bug.slug:<36}{bug.title}")
        print(f"\n{len(bugs())} bugs, and {len(network_bugs())} of networks; `lstm-conformance bugs SLUG` explains one")
        return CONFORMS
    every |= readable()
    if options.slug not in every:
        close = [slug for slug in every if options.slug in slug][:CLOSE]
        raise UnknownBugError(
            f"there is no bug {options.slug!r}" + (f"; there are {', '.join(close)}." if close else ".")
        )
    bug = every[options.slug]
    print(f"{bug.slug} ({bug.group})\n\n{bug.title}\n\nShows:   {bug.shows}\nRepair:  {bug.repair}")
    if bug.needs:
        print(f"Needs:   {', '.join(sorted(bug.needs))}")
    for address in bug.seen:
        print(f"Seen:    {address}")
    return CONFORMS


ENOUGH = {"one bug": ((1,), 0.97), "two bugs": ((2,), 0.95), "three to five bugs": ((3, 4, 5), 0.9)}
"""Of random LSTMs with so many bugs, the share of which all have to be named."""


def _confusion(count: int) -> int:
    from conformance.diagnosis.confusion import confusion

    with Bar("diagnosing") as bar:
        alone, random = confusion(count, bar.update)
    for guess in [*alone, *random]:
        if not guess.first or len(guess.findings) > 1:
            print(f"{'' if guess.named else 'IN OTHER WORDS: ' if guess.in_other_words else 'MISSED: '}{guess}")
    print(f"\n{len(alone)} diagnoses of each bug alone: {sum(g.first for g in alone)} name it first")
    enough = sum(g.first for g in alone) >= 0.98 * len(alone)
    for several, (counts, share) in ENOUGH.items():
        some = [g for g in random if len(g.bugs) in counts]
        if some:
            named, reworded = sum(g.named for g in some), sum(g.in_other_words for g in some)
            all_of_them = f"{named} named exactly, {reworded} in other words: {(named + reworded) / len(some):.1%}"
            print(f"{len(some)} random LSTMs with {several}: {all_of_them}")
            enough &= named + reworded >= share * len(some)
    false = sum(guess.falsely_certain for guess in [*alone, *random])
    print(
        f"{false} claim something else as certain; the slowest took {max(g.seconds for g in [*alone, *random]):.1f} s"
    )
    untrue = [(guess, said) for guess in random for said in guess.false]
    for guess, said in untrue:
        print(f"FALSE: of {' and '.join(guess.bugs)}: {said}")
    if random:
        print(f"{sum(g.claims for g in random):,} statements, had no bug been named: {len(untrue)} are false")
    return CONFORMS if enough and not (false or untrue) else DOES_NOT


def _declaration(names: str | None) -> frozenset[str]:
    """What names with commas declare, checked as `conformance.candidate` checks them."""
    from conformance.trial.declare import candidate, declared

    without = [name.strip() for name in (names or "").split(",") if name.strip()]
    return declared(candidate(without=without)(lambda case: {}))


def _matrix(path: Path | None, without: frozenset[str]) -> int:
    from rich.table import Table

    from conformance.diagnosis.bugs import adequacy
    from conformance.report.files import write_json

    with Bar("bugs") as bar:
        found = adequacy.matrix(bar.update, without)
    if path is not None:
        write_json(path, adequacy.as_dict(found))
    by_bug: dict[str, list[Catch]] = {}
    for catch in found:
        by_bug.setdefault(catch.slug, []).append(catch)
    dtypes = [catch.dtype for catch in next(iter(by_bug.values()))]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("bug", *dtypes, "worst in", "behaviour"):
        table.add_column(heading, justify="right" if heading.startswith("float") else "left", no_wrap=heading == "bug")
    hidden = [slug for slug, catches in by_bug.items() if not catches[0].shows]
    for slug, catches in by_bug.items():
        if slug in hidden:
            continue
        last = catches[-1]
        worst = max(last.margins, key=lambda name: last.margins[name], default="")
        behaviours = ", ".join(sorted({name for catch in catches for name in catch.behaviours}))
        style = "" if all(catch.caught for catch in catches) else "red"
        table.add_row(slug, *(f"{catch.margin:.2g}" for catch in catches), worst, behaviours, style=style)
    console().print(table)
    if hidden:
        print(f"\nthat cannot show in a candidate without {', '.join(sorted(without))}: {', '.join(hidden)}")
    asked = [catch for catch in found if catch.shows]
    said = f"{len(by_bug) - len(hidden)} bugs" + (" that can show" if without else "")
    print(f"\n{said} in {_dtypes(dtypes)}: {sum(catch.caught for catch in asked)} of {len(asked)} caught")
    print(f"smallest margin: {_tightest(asked)}")
    if not without:
        _elsewhere()
    return CONFORMS if all(catch.caught for catch in asked) else DOES_NOT


def _dtypes(dtypes: list[str]) -> str:
    return f"{len(dtypes)} dtypes" if len(dtypes) > 1 else dtypes[0]


def _tightest(found: Sequence[Catch]) -> str:
    """The smallest margin of what is caught by value alone, in words."""
    by_value = [catch for catch in found if catch.caught and not catch.behaviours]
    tightest = min(by_value, key=lambda catch: catch.margin, default=None)
    if tightest is None:
        return "none is caught by value"
    return f"{tightest.margin:.3g} times the allowed error, {tightest.slug} in {tightest.dtype}"


def _usual_matrix(path: Path | None) -> int:
    from rich.table import Table

    from conformance.diagnosis.bugs import adequacy
    from conformance.diagnosis.bugs.declarations import USUAL
    from conformance.report.files import write_json

    with Bar("bugs") as bar:
        found = adequacy.usual_matrix(bar.update)
    if path is not None:
        write_json(path, {name: adequacy.as_dict(catches) for name, catches in found.items()})
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("declaration", "vectors", "bugs", "caught", "smallest margin"):
        table.add_column(heading, justify="right" if heading in ("vectors", "bugs", "caught") else "left")
    missed: dict[str, list[str]] = {}
    for name, catches in found.items():
        asked = [catch for catch in catches if catch.shows]
        missed[name] = sorted({catch.slug for catch in asked if not catch.caught})
        can_show = len({catch.slug for catch in asked})
        by_value = [catch for catch in asked if not catch.behaviours]
        tightest = min(by_value, key=lambda catch: catch.margin)
        caught, vectors = can_show - len(missed[name]), adequacy.vectors_met(USUAL[name])
        words = f"{tightest.margin:.3g} {tightest.slug}"
        table.add_row(name, str(vectors), str(can_show), str(caught), words, style="red" if missed[name] else "")
    console().print(table)
    for name, slugs in missed.items():
        if slugs:
            print(f"\nnot caught, {name}: {', '.join(slugs)}")
    print(
        f"\n{len(found)} declarations: every bug that can show is caught in {sum(not slugs for slugs in missed.values())}"
    )
    return DOES_NOT if any(missed.values()) else CONFORMS


def _elsewhere() -> None:
    """Print which bugs ONNX's own tests catch."""
    try:
        from conformance.diagnosis.bugs.elsewhere import missed

        overlooked, forward = missed()
        print(
            f"ONNX's LSTM node tests, by their own measure, catch {len(forward) - len(overlooked)} of the {len(forward)} forward bugs"
        )
        print(f"and let pass: {', '.join(overlooked)}")
    except ModuleNotFoundError:
        print("ONNX's LSTM node tests: not compared; that needs onnx, which is not installed: pip install onnx")
