"""Random cases by the million."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands import Bar
from conformance.errors import CONFORMS, DOES_NOT

if TYPE_CHECKING:
    from conformance.sweep.finding import Finding
    from conformance.sweep.plan import Plan, Tally
    from conformance.sweep.processes import Executor

EVERY = 60.0
"""Seconds between lines of progress, where there is no terminal to show a bar in."""


def run(options: argparse.Namespace) -> int:
    """Sweep, print what disagrees and a summary; 1 if anything does."""
    from conformance.errors import SweepError
    from conformance.implementations.threads import one_thread
    from conformance.sweep.block import calling
    from conformance.sweep.run import planned, sweep
    from conformance.sweep.state import State
    from conformance.trial.declare import named_features

    for path in (options.out, options.state):
        if path is not None and not path.absolute().parent.is_dir():
            raise SweepError(f"there is no directory {path.parent} to write {path.name} to.")
    if options.out.exists() and not options.out.is_dir():
        raise SweepError(f"{options.out} is a file, expected a folder to write small cases to.")
    with one_thread(), calling(options.candidate, options.seconds, options.memory) as call:
        features = named_features(options.features)
        plan = planned(options.candidate, call, options.seed, features, options.measure, options.memory)
        _show_asked(plan)
        try:
            with (
                State(options.state, plan, options.cases) as state,
                _executor(options) as executor,
                Bar("cases") as bar,
            ):
                begun = time.monotonic()
                computed, tally = sweep(
                    plan, options.cases, executor, state, call, options.out,
                    say=lambda finding, path: _said(options.candidate, finding, path),
                    told=lambda text: print(text, flush=True),
                    progress=_Progress(bar),
                )  # fmt: skip
        except KeyboardInterrupt:
            kept = "nothing was written down, as there is no --state"
            if options.state is not None:
                kept = f"what is finished is in {options.state}: the same command goes on with it"
            raise SweepError(f"interrupted; {kept}.") from None
    _summarise(options, plan, tally, computed, time.monotonic() - begun)
    return DOES_NOT if tally.failing else CONFORMS


def _executor(options: argparse.Namespace) -> Executor:
    from conformance.errors import SweepError

    if options.scheduler is None:
        from conformance.sweep.processes import Processes

        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Processes(options.workers or usable)
    if options.workers is not None:
        raise SweepError("--workers and --scheduler exclude each other: a cluster has workers of its own.")
    try:
        from conformance.sweep.cluster import Cluster
    except ModuleNotFoundError as error:
        raise SweepError(
            f"--scheduler needs {error.name}, which is not installed: pip install 'lstm-conformance[sweep]'"
        ) from error
    return Cluster(options.scheduler)


class _Progress:
    """Shows how many cases are done, and how many a second."""

    def __init__(self, bar: Bar) -> None:
        self.bar, self.begun, self.last, self.first = bar, time.monotonic(), time.monotonic(), 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.first = self.first or done
        rate = (done - self.first) / max(now - self.begun, 1e-9)
        self.bar.update(done, total, f"{rate:,.0f} cases/s")
        if not sys.stderr.isatty() and now - self.last >= EVERY:
            self.last = now
            print(f"{done:,} of {total:,} cases, {rate:,.0f} cases/s", file=sys.stderr, flush=True)


def _show_asked(plan: Plan) -> None:
    from conformance.implementations import ORACLES

    oracle = next(name for name in ORACLES if name != plan.candidate)
    asked = f"the plain LSTM{', networks with ' + ', '.join(plan.features) if plan.features else ''}"
    print(
        f"Asked for {asked}, in {' and '.join(plan.dtypes)}{', forward alone' if plan.forward else ''}; against {oracle} in float64"
    )
    if plan.without:
        print(f"It declares that it is without: {', '.join(plan.without)}")


def _said(candidate: str, finding: Finding, path: Path | None) -> str:
    """What is said of a finding."""
    case, verdict = finding.case, finding.verdict
    sizes = ", ".join(f"{name}={size}" for name, size in zip("BTDH", case.sizes, strict=True))
    lines = [
        f"\nCase {finding.number:,} disagrees; made small in {finding.calls} calls: {case.id} ({sizes}, {case.dtype})"
    ]
    if verdict.right:
        lines = [
            f"\nCase {finding.number:,} disagreed, and does not when it is computed by itself: what the candidate gives depends on "
            "earlier calls, or on chance."
        ]
    elif verdict.failure:
        lines.append(f"  it {verdict.failure}")
    lines += [f"  {told}" for told in verdict.failing]
    if path is not None:
        lines.append(f"Repeat it:  {shlex.join(['lstm-conformance', 'repro', candidate, str(path)])}")
    elif not verdict.right:
        lines.append("  The certified evaluator cannot tell the true values, so that there is no file for `repro`.")
    return "\n".join(lines)


def _summarise(options: argparse.Namespace, plan: Plan, tally: Tally, computed: int, seconds: float) -> None:
    from conformance.sweep.plan import ENOUGH, HANGS
    from conformance.sweep.run import LOOKS

    for name, worst in sorted(tally.worst.items()):
        print(
            f"weights N(0, {name.replace(' ', ') ', 1):<24}{worst.cases:9,} cases, worst {worst.share:.2f}: case {worst.number:,}"
        )
    kinds = Counter(failing.kind for failing in tally.failing)
    if kinds:
        print("\ndisagree in")
        for kind, count in kinds.most_common():
            first = next(failing.number for failing in tally.failing if failing.kind == kind)
            print(f"{count:8,}  {kind}; first in case {first:,}")
        if len(kinds) > 1:
            print(f"Up to {LOOKS} of these were made small, and those shown that are then different.")
    notes = {
        "disagree with the other engine and are right by the certified values": len(tally.corrected),
        "disagree where the certified evaluator cannot tell": len(tally.unarbitrated),
        "are not judged: in them rounding alone changes more than a thousandth": tally.undecided,
        "are networks": tally.networks,
    }
    print()
    for what, count in notes.items():
        if count:
            print(f"{count:,} {what}")
    rate = f", {computed / seconds:,.1f} cases/s" if computed and not tally.enough else ""
    resumed = f", {computed:,} of them now" if computed < tally.cases else ""
    print(
        f"{tally.cases:,} cases of seed {plan.seed}{resumed}, in {seconds:.1f} s{rate}: {len(tally.failing):,} disagree"
    )
    if tally.enough:
        why = f"as {HANGS} calls took too long" if tally.hung >= HANGS else f"as {ENOUGH} that disagree are enough"
        print(
            f"It ended there, {why}. What is wrong, this may say:\n  lstm-conformance check {shlex.quote(options.candidate)}"
        )
