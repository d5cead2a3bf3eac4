"""Training a task in the reference, PyTorch and Keras at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from conformance.commands import Bar, console
from conformance.errors import CONFORMS

if TYPE_CHECKING:
    from conformance.cases.tasks import Task
    from lstm_ref.params import FloatArray
    from lstm_ref.training import Update

TOLD = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""The epochs that are told, besides published ones."""


def train(options: argparse.Namespace) -> int:
    """Train, show the losses while they come, and then a table of them."""
    from conformance.cases.tasks import TASKS
    from conformance.errors import ReportError
    from conformance.report.files import require_writable, write_bytes

    if options.plot is not None:
        if options.plot.suffix != ".svg":
            raise ReportError(f"--plot {options.plot}: expected a file ending in .svg.")
        require_writable(options.plot)
    task = TASKS[options.task]().astype(options.dtype)
    task = replace(task, epochs=options.epochs or task.epochs)
    engines = _engines(task)
    losses: dict[str, list[float]] = {name: [] for name in engines}
    last: dict[str, Update] = {}
    with Bar("training") as bar:
        for done, updates in enumerate(zip(*engines.values(), strict=True), 1):
            last = dict(zip(engines, updates, strict=True))
            for name, update in last.items():
                losses[name].append(update.loss)
            if done % len(task.batches) == 0:
                shown = "  ".join(f"{name} {task.by_epoch(of)[-1]:.6g}" for name, of in losses.items())
                bar.update(done, task.updates, f"epoch {updates[0].epoch}, loss  {shown}")
    final = {name: task.evaluated(update.model) for name, update in last.items()}
    _show(task, options.dtype, losses, final)
    if options.plot is not None:
        from conformance.report.html import plotted

        curves = {name: np.append(task.by_epoch(of), final[name]) for name, of in losses.items()}
        write_bytes(options.plot, plotted(f"Loss of {task.name}: {task.title}", "epochs done", curves).encode())
    return CONFORMS


def _engines(task: Task) -> dict[str, Iterator[Update]]:
    """The reference and each framework that is installed, by name; what is not is said."""
    from conformance.errors import OracleError
    from conformance.implementations import ORACLES, trainer
    from conformance.implementations.training import trained
    from lstm_ref.training import train as train_here

    engines = {
        "ref": train_here(task.model, task.batches, task.loss, task.optimizer, epochs=task.epochs, state=task.state)
    }
    for name in ORACLES:
        try:
            made = trainer(name)(task.model, task.loss, task.optimizer)
        except OracleError as error:
            print(f"not trained: {error}", file=sys.stderr)
        else:
            engines[name] = trained(made, task.batches, epochs=task.epochs, state=task.state)
    return engines


def _show(task: Task, dtype: str, losses: dict[str, list[float]], final: dict[str, float]) -> None:
    from rich.table import Table

    curves = {name: task.by_epoch(of) for name, of in losses.items()}
    screen = console()
    count = (
        f"{task.epochs:,} epoch{'s' * (task.epochs > 1)} of {len(task.batches)} update{'s' * (len(task.batches) > 1)}"
    )
    screen.print(
        f"{task.name}: {task.title}; {count} in {dtype}\n{task.loss.__name__}, {task.optimizer}", highlight=False
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("epoch", *curves, "published", "apart"):
        table.add_column(heading, justify="right")
    spread = _apart(list(curves.values()))
    for epoch in sorted({*TOLD, *task.published, task.epochs}):
        if epoch <= task.epochs:
            of_epoch = [f"{curve[epoch - 1]:.8g}" for curve in curves.values()]
            published = f"{task.published[epoch]:g}" if epoch in task.published else ""
            table.add_row(f"{epoch:,}", *of_epoch, published, f"{spread[epoch - 1]:.1e}")
    table.add_row("after", *(f"{loss:.8g}" for loss in final.values()), "", "")
    screen.print(table)
    screen.print("apart: the largest difference up to there, of the largest loss", highlight=False)


def _apart(curves: list[FloatArray]) -> FloatArray:
    """Up to each epoch, the largest difference of any two curves, of the largest loss."""
    zero = np.zeros(len(curves[0]))
    differences = [zero, *(np.abs(one - other) for one, other in combinations(curves, 2))]
    return np.asarray(np.maximum.accumulate(np.max(differences, axis=0)) / np.maximum.accumulate(curves[0]))
