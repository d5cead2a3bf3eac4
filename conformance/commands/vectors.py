"""The golden vectors: listed, verified, made anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.commands import Bar, console
from conformance.errors import CONFORMS, DOES_NOT


def _folder(options: argparse.Namespace) -> Path:
    from conformance.fixtures.store import directory

    folder: Path = options.folder or directory()
    return folder


def listing(options: argparse.Namespace) -> int:
    """Print the golden vectors as a table."""
    from rich.table import Table

    from conformance.fixtures.store import read_manifest

    manifest = read_manifest(_folder(options))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("vector", "B", "T", "D", "H", "flags", "comment"):
        table.add_column(heading, justify="right" if len(heading) == 1 else "left", no_wrap=heading == "vector")
    for entry in manifest["vectors"]:
        sizes = (str(entry["sizes"][axis]) for axis in "BTDH")
        table.add_row(entry["id"], *sizes, " ".join(entry["flags"]), entry["comment"])
    screen = console()
    screen.print(table)
    screen.print(f"\n{len(manifest['vectors'])} vectors, each for float64 and float32. The flags:", highlight=False)
    for flag, meaning in manifest["flags"].items():
        screen.print(f"  [bold]{flag}[/]  {meaning}", highlight=False)
    return CONFORMS


def verify(options: argparse.Namespace) -> int:
    """Verify schema, hashes, frameworks and, if asked, every number."""
    from conformance.errors import FixtureError
    from conformance.fixtures import training
    from conformance.fixtures import verify as verification

    try:
        with Bar("proving" if options.certify else "checking") as bar:
            said = verification.verify(_folder(options), options.certify, bar.update)
            said += training.verify(_folder(options), options.certify, bar.update)
    except FixtureError as error:
        print(f"lstm-conformance: {error}", file=sys.stderr)
        return DOES_NOT
    print("\n".join(said))
    return CONFORMS


def generate(options: argparse.Namespace) -> int:
    """Make the golden vectors anew."""
    from conformance.fixtures import generate as generation
    from conformance.fixtures import training
    from conformance.fixtures.store import writable

    folder = options.folder or writable()
    with Bar("making") as bar:
        count = generation.generate(folder, bar.update)
        trainings = training.generate(folder, bar.update)
    print(f"{count} vectors and {trainings} trainings are in {folder}")
    return CONFORMS
