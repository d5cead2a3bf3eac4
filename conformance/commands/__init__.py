"""The commands of the shell door, one function each: options in, exit status out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """Where to print: a terminal, or plain text of 120 columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)


class Bar:
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, word: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(word),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.progress = Progress(
            *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        )
        self.task = self.progress.add_task("", total=None)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def update(self, done: int, total: int, what: str) -> None:
        """Show that `done` of `total` are done, and which is at work."""
        self.progress.update(self.task, completed=done, total=total, description=what)
