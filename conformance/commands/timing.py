"""Timing: the benchmark from its options to its table, its files and its pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import CONFORMS

if TYPE_CHECKING:
    from conformance.bench.grid import Sizes
    from conformance.bench.record import Record

ENDINGS = (".png", ".svg", ".pdf")


def compare(options: argparse.Namespace) -> int:
    """Time the reference beside others; the exit status does not depend on how fast it is."""
    from conformance.bench import table, targets
    from conformance.bench.competitors import chosen, versions
    from conformance.bench.grid import ALONG_H, ALONG_T, GRIDS, MEMORY_SIZES, ONE_LAYER
    from conformance.bench.machine import cores, machine
    from conformance.bench.memory import peak
    from conformance.bench.record import Record
    from conformance.cases.matrix import DTYPES
    from conformance.report.files import write_json

    _check_outputs(options.json, options.plot)
    names, missing = chosen(options.against)
    dtypes = DTYPES if options.dtype == "both" else (options.dtype,)
    sizes = tuple(dict.fromkeys(options.size or GRIDS[options.grid]))
    network = options.layers, 2 if options.bidirectional else 1
    record = Record(machine(), versions(names), missing, sizes, options.seconds, network)
    _print(table.introduction(record, names))
    counts = {"1": [1], "all": [cores()], "both": [1, cores()]}[options.threads]
    for threads in dict.fromkeys(counts):
        extra = (*ALONG_T, *ALONG_H) if options.plot is not None and threads == counts[0] else ()
        _time(record, names, threads, dtypes, extra)
    if network == ONE_LAYER:  # which the targets, and what is told of memory, are about
        record.memory += [peak(*what) for what in product(MEMORY_SIZES, dtypes, (False, True))]
        record.verdicts += targets.verdicts(record.timings)
        _print(table.memory(record.memory))
        if 1 in counts:
            _print(table.targets(record.verdicts))
    if options.json is not None:
        write_json(options.json, record.as_dict())
    if options.plot is not None:
        _plot(record, options.plot)
    return CONFORMS


def _time(record: Record, names: Sequence[str], threads: int, dtypes: Sequence[str], extra: Sequence[Sizes]) -> None:
    """Time all pairs with so many threads, and print each size as soon as it is done; sizes for the plots come last."""
    from conformance.bench import table
    from conformance.bench.pair import Pair
    from conformance.bench.record import Job

    with ExitStack() as running:
        pairs = [running.enter_context(Pair(name, threads)) for name in names]
        for backward, dtype in product((False, True), dtypes):
            _print(table.heading(threads, dtype, backward, names, record.network))
            block = []
            for sizes in record.sizes:
                job = Job(sizes, dtype, backward, record.seconds, record.network)
                block.append([pair.time(job) for pair in pairs])
                _print([table.row(job, block[-1])])
            found = [timing for row in block for timing in row]
            _print(table.notes(found))
            record.timings += found
        if extra:
            _print(["", f"Timing the {len(extra)} sizes that the plots against T and H need"])
        jobs = [Job(*job, record.seconds, record.network) for job in product(extra, dtypes, (False, True))]
        record.timings += [pair.time(job) for job in jobs if job.sizes not in record.sizes for pair in pairs]


def _check_outputs(json: Path | None, plot: Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    from conformance.bench.plots import require_matplotlib
    from conformance.errors import ReportError
    from conformance.report.files import require_distinct, require_writable

    files = [path for path in (json, plot) if path is not None and (path is json or path.suffix in ENDINGS)]
    require_distinct(files)
    for path in files:
        require_writable(path)
    if plot is None:
        return
    require_matplotlib()
    if plot.suffix not in ENDINGS and not plot.is_dir():
        if plot.exists() or not plot.parent.is_dir():
            raise ReportError(
                f"--plot {plot}: expected a file ending in {', '.join(ENDINGS)}, or a folder for one each."
            )
        plot.mkdir()


def _plot(record: Record, target: Path) -> None:
    """One picture with everything, or in a folder one for each plot."""
    from conformance.bench.plots import PLOTS, picture
    from conformance.report.files import write_bytes

    if target.suffix in ENDINGS:
        write_bytes(target, picture(record, list(PLOTS), target.suffix[1:]))
        return
    for name in PLOTS:
        write_bytes(target / f"{name}.png", picture(record, [name], "png"))


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, flush=True)
