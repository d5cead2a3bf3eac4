"""The benchmark as text, piece by piece: nothing here measures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from conformance.bench.competitors import COMPETITORS
from conformance.bench.grid import ONE_LAYER, Network
from conformance.bench.record import Job, Memory, Record, Timing, Verdict, own_seconds
from conformance.bench.timing import FEWEST

COLUMN = 17
LEGEND = (
    "lstm_ref's time for one call, and the same as a multiple of the others': the median of interleaved samples and their",
    "quartiles. Below 1, lstm_ref is faster. Each pair runs in a process of its own, with its number of threads.",
)


def introduction(record: Record, names: Sequence[str]) -> list[str]:
    """What is measured, on what."""
    m = record.machine
    titles = [f"{name} is {COMPETITORS[name].title}" for name in names if name != COMPETITORS[name].title]
    lines = [
        f"{m['processor']}, {counted(m['cores'], 'core')}; Python {m['python']}; numpy {m['numpy']} with {m['blas']}",
        ", ".join(f"{package} {version}" for package, version in record.versions.items()),
        ", ".join(titles),
    ]
    lines += [f"left out: {name} {why}" for name, why in record.missing.items()]
    return [*filter(None, lines), "", *LEGEND]


def heading(threads: int, dtype: str, backward: bool, names: Sequence[str], network: Network = ONE_LAYER) -> list[str]:
    """The head of a block of rows."""
    what = f"{counted(threads, 'thread')}, {dtype}, {mode(backward)}"
    if network != ONE_LAYER:
        what += f", {counted(network[0], 'layer')} of {counted(network[1], 'direction')}"
    columns = "".join(f"{'/ ' + name:>{COLUMN}}" for name in names)
    return ["", what, f"{'B':>4}{'T':>6}{'D':>5}{'H':>5}{'lstm_ref':>11}{columns}"]


def mode(backward: bool) -> str:
    """What is timed, in words."""
    return "forward + backward" if backward else "forward"


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def row(job: Job, timings: Sequence[Timing]) -> str:
    """One size: lstm_ref's time, and its ratio to everybody's; a dash where there is none."""
    B, T, D, H = job.sizes
    own = own_seconds(timings)
    return (
        f"{B:>4}{T:>6}{D:>5}{H:>5}{'-' if own is None else duration(own):>11}"
        + "".join(f"{_entry(timing):>{COLUMN}}" for timing in timings)
    ).rstrip()


def _entry(timing: Timing) -> str:
    found = timing.measured
    if found is None:
        return "-"
    spread = f"{_digits(found.low)}-{_digits(found.high)}" if found.samples >= FEWEST else f"n={found.samples}"
    return f"{_digits(found.ratio)} ({spread})"


def _digits(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def duration(seconds: float) -> str:
    """Seconds with a fitting unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1.0:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e6)} µs"


def notes(timings: Sequence[Timing]) -> list[str]:
    """Why there are dashes in a block, once for each reason; at which sizes, if not at all."""
    gaps = sorted((timing for timing in timings if timing.measured is None), key=lambda t: (t.against, t.reason))
    lines = []
    for (name, reason), group in groupby(gaps, key=lambda timing: (timing.against, timing.reason)):
        sizes = [timing.job.sizes for timing in group]
        everywhere = len(sizes) == sum(timing.against == name for timing in timings)
        lines.append(f"- {name}: {reason}" + ("" if everywhere else f" At {', '.join(map(str, sizes))}."))
    return lines


def memory(rows: Sequence[Memory]) -> list[str]:
    """Peak memory, one line for each T."""
    if not rows:
        return []
    B, _, D, H = rows[0].sizes
    columns = list(dict.fromkeys((found.dtype, found.backward) for found in rows))
    head = "".join(f"{dtype + (' training' if backward else ' inference'):>24}" for dtype, backward in columns)
    lines = ["", "lstm_ref's peak memory beyond weights, inputs and cotangents, and in bytes per number of the output"]
    lines.append(f"{'B':>4}{'T':>6}{'D':>5}{'H':>5}{head}")
    for sizes, group in groupby(rows, key=lambda found: found.sizes):
        cells = "".join(f"{f'{size(found.peak)} ({found.per_number:.1f})':>24}" for found in group)
        lines.append(f"{B:>4}{sizes[1]:>6}{D:>5}{H:>5}{cells}")
    return lines


def size(count: int) -> str:
    """Bytes with a fitting unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{_digits(count / factor)} {unit}"
    return f"{count} B"


def targets(verdicts: Sequence[Verdict]) -> list[str]:
    """What was met and what was missed, of what was measured."""
    judged = [verdict for verdict in verdicts if verdict.met is not None]
    lines = ["", f"Targets, with one thread: {len(judged)} of {len(verdicts)} are about what was measured"]
    for verdict in judged:
        lines += [f"{'met' if verdict.met else 'missed':<8}{verdict.target}", f"{'':<8}{verdict.found}"]
    return lines
