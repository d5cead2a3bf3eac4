"""The benchmark as pictures; matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from conformance.bench.competitors import COMPETITORS
from conformance.bench.grid import ALONG_H, ALONG_T, Sizes
from conformance.bench.record import Job, Record, Timing, own_seconds
from conformance.bench.table import counted, mode
from conformance.errors import OracleError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

Times: TypeAlias = dict[str, float]
"""Name to the seconds of one call."""

OWN = "lstm_ref"
STYLES: dict[str, dict[str, Any]] = {
    OWN: {"color": "#000000", "marker": "o", "linewidth": 2.4, "zorder": 5},
    "torch": {"color": "#d55e00", "marker": "s"},
    "keras": {"color": "#009e73", "marker": "^"},
    "onnxruntime": {"color": "#0072b2", "marker": "D"},
    "onnx": {"color": "#cc79a7", "marker": "v"},
    "matmul": {"color": "#808080", "marker": "", "linestyle": "--"},
}
"""Colours that the colour-blind can tell apart (Okabe and Ito), and a marker each."""
PANEL = (5.2, 3.3)
"""Inches."""
ROOM = 0.86
"""Of the distance between two sizes, the share that one's bar and markers take."""
EDGES = 0.9
"""Inches for a heading and a legend."""
DPI = 150


def require_matplotlib() -> None:
    """Raise before anything is measured if nothing can be drawn.

    Raises
    ------
    OracleError
    """
    if find_spec("matplotlib") is None:
        raise OracleError(
            "--plot needs matplotlib, which is not installed: pip install 'lstm-conformance[bench]', or leave --plot out."
        )


def times(timings: Sequence[Timing], sizes: Sequence[Sizes]) -> dict[Job, Times]:
    """Everybody's time by job of these sizes, as they compare: lstm_ref's divided by the ratio to it.

    Of several numbers of threads the first is taken.
    """
    by_job: dict[Job, list[Timing]] = defaultdict(list)
    for timing in timings:
        if timing.job.sizes in sizes and timing.threads == timings[0].threads:
            by_job[timing.job].append(timing)
    found: dict[Job, Times] = {}
    for job, group in by_job.items():
        own = own_seconds(group)
        if own is not None:
            others = {t.against: own / t.measured.ratio for t in group if t.measured is not None}
            found[job] = {OWN: own} | others
    return found


def steps(figure: FigureBase, record: Record) -> None:
    """Time against the number of steps."""
    _along(figure, record, ALONG_T, 1, "time steps T")


def units(figure: FigureBase, record: Record) -> None:
    """Time against the number of units."""
    _along(figure, record, ALONG_H, 3, "units H")


def against_floor(figure: FigureBase, record: Record) -> None:
    """How much of what the bare matrix products reach everybody reaches, in flops of these products per second.

    The other way round than a time: the floor is a roof here.
    """
    measured = times(record.timings, record.sizes)
    for axes, panel in _panels(figure, measured, "Flops of the matrix products, over the time of the whole call"):
        jobs = sorted(panel, key=lambda job: job.flops / job.sizes[1])
        shown = [name for name in STYLES if name != "matmul" and any(name in found for found in panel.values())]
        offsets = {name: ROOM * ((k + 0.5) / len(shown) - 0.5) for k, name in enumerate(shown)}
        for name, style in STYLES.items():
            points = [(k, job.flops / panel[job][name] / 1e9) for k, job in enumerate(jobs) if name in panel[job]]
            if not points:
                continue
            places, speeds = np.transpose(points)
            if name == "matmul":
                axes.bar(places, speeds, width=ROOM, color="#dedede", zorder=1, label=title(name))
            else:
                drawn: dict[str, Any] = style | {"linestyle": "", "markersize": 5, "label": title(name)}
                axes.plot(places + offsets[name], speeds, **drawn)
        _logarithmic(axes)
        axes.grid(False, axis="x")
        labels = [",".join(map(str, job.sizes)) for job in jobs]
        axes.set_xticks(range(len(jobs)), labels, rotation=25, ha="right", rotation_mode="anchor")
        axes.set_xlabel("B,T,D,H, ordered by the work of one time step")
        axes.set_ylabel("GFLOP/s")


def _along(figure: FigureBase, record: Record, series: Sequence[Sizes], axis: int, label: str) -> None:
    fixed = ", ".join(
        f"{name}={size}" for k, (name, size) in enumerate(zip("BTDH", series[0], strict=True)) if k != axis
    )
    measured = times(record.timings, series)
    for axes, panel in _panels(figure, measured, f"Time of one call against {label}, with {fixed}"):
        jobs = sorted(panel, key=lambda job: job.sizes[axis])
        for name, style in STYLES.items():
            points = [(job.sizes[axis], 1e3 * panel[job][name]) for job in jobs if name in panel[job]]
            if points:
                drawn: dict[str, Any] = {"markersize": 5, "label": title(name)} | style
                axes.plot(*np.transpose(points), **drawn)
        _logarithmic(axes)
        axes.set_xscale("log")
        ticks = [job.sizes[axis] for job in jobs]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylabel("time of one call (ms)")


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,g}")


def title(name: str) -> str:
    """What the legend calls it."""
    return name if name == OWN else COMPETITORS[name].title


def _panels(figure: FigureBase, measured: dict[Job, Times], heading: str) -> list[tuple[Axes, dict[Job, Times]]]:
    """A panel for each dtype and mode, with its axes; they are to be filled."""
    figure.suptitle(heading if measured else f"{heading}: nothing was measured", fontsize=12)
    if not measured:
        return []
    dtypes = list(dict.fromkeys(job.dtype for job in measured))
    modes = sorted({job.backward for job in measured})
    grid = figure.subplots(len(dtypes), len(modes), squeeze=False, sharey="row")
    panels = []
    for k, dtype in enumerate(dtypes):
        for m, backward in enumerate(modes):
            axes: Axes = grid[k][m]
            axes.set_title(f"{dtype}, {mode(backward)}", fontsize=10)
            axes.grid(True, which="major", color="#d8d8d8", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            chosen = {job: found for job, found in measured.items() if (job.dtype, job.backward) == (dtype, backward)}
            panels.append((axes, chosen))
    return panels


def _legend(figure: FigureBase) -> None:
    labelled: dict[str, Any] = {}
    panels: Any = figure.axes
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)


PLOTS: dict[str, Callable[[FigureBase, Record], None]] = {
    "time-against-T": steps,
    "time-against-H": units,
    "against-the-floor": against_floor,
}
"""File name without its end to what draws it."""


def picture(record: Record, names: Sequence[str], ending: str) -> bytes:
    """Plots one above the other, as a file's content.

    Parameters
    ----------
    record : Record
    names : sequence of str
        Of `PLOTS`.
    ending : str
        "png", "svg" or "pdf".
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows, columns = (len({getattr(t.job, what) for t in record.timings}) for what in ("dtype", "backward"))
    width, height = PANEL[0] * columns, (PANEL[1] * rows + EDGES) * len(names)
    about = f"{record.machine['processor']}, {counted(record.timings[0].threads, 'thread')}; numpy {record.machine['numpy']}"
    with rc_context({"font.size": 9, "svg.fonttype": "none"}):
        whole: Figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        parts: Any = whole.subfigures(len(names), 1, squeeze=False)
        for name, part in zip(names, parts.flat, strict=True):
            PLOTS[name](part, record)
            _legend(part)
        whole.supxlabel(about, fontsize=8, color="#606060")
        content = io.BytesIO()
        whole.savefig(content, format=ending)
    return content.getvalue()
