"""The scoreboard: other people's LSTMs, each installed and put on trial in an environment of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT, ScoreboardError


def run(options: argparse.Namespace) -> int:
    """Try the engines that were asked for, and write what came of it; 1 if some could not be tried."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from conformance.report.files import write_bytes, write_json
    from conformance.report.html.scoreboard import page, summary
    from conformance.scoreboard import runner, table
    from conformance.scoreboard.engine import Engine, chosen
    from conformance.scoreboard.install import require_clone
    from conformance.scoreboard.kept import keep
    from conformance.scoreboard.record import record

    wanted = chosen(options.engine)
    if options.list:
        for engine in wanted:
            print(f"{engine.name:<24}{engine.title:<44}{' '.join(engine.installs)}")
        return CONFORMS
    require_clone()
    if options.keep and options.engine:
        raise ScoreboardError("--keep is for a run of all engines; leave the names away.")
    cache: Path = options.cache.resolve()
    rows = []
    errors = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with runner.locked(cache), Progress(*columns, console=errors, transient=True) as progress:
        tasks = {engine.name: progress.add_task(f"{engine.name} waits", start=False) for engine in wanted}

        def told(engine: Engine, what: str) -> None:
            progress.start_task(tasks[engine.name])
            progress.update(tasks[engine.name], description=f"{engine.name} {what}")

        for row in runner.run(wanted, cache, options.jobs or runner.cores(), options.again, told):
            progress.remove_task(tasks[row.name])
            rows.append(row)
            progress.console.print(f"{len(rows)} of {len(wanted)}  {row.name} {row.verdict}", highlight=False)
    found = record(rows)
    write_json(cache / "scoreboard.json", found.as_dict())
    write_bytes(cache / "index.html", page(found.as_dict()).encode())
    shown = console()
    shown.print(table.terminal(found))
    print(
        f"\n{summary([row.verdict for row in rows])}. The page: {options.cache / 'index.html'}, and as JSON: scoreboard.json beside it."
    )
    if options.keep:
        keep(found)
    return DOES_NOT if any(row.problem for row in rows) else CONFORMS
