"""The shell door: ``lstm-conformance``, also ``python -m conformance``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

CONFORMS, DOES_NOT, MISUSE = 0, 1, 2
CANDIDATE = "path/to/file.py:NAME, package.module:NAME, or a built-in: ref, torch, keras, certified"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 conforms, 1 does not conform, 2 misuse."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return _complain("interrupted")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MISUSE
    except Exception as error:
        from conformance.errors import ConformanceError
        from lstm_ref.errors import LSTMError

        if options.traceback or not isinstance(error, ConformanceError | LSTMError | OSError):
            raise
        return _complain(str(error))
    return status


def _complain(message: str) -> int:
    print(f"lstm-conformance: {message}", file=sys.stderr)
    return MISUSE


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(prog="lstm-conformance", description="Puts an LSTM on trial.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('lstm-conformance')}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary)
        made.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    check = command("check", "put a candidate on trial: exit status 0 if it conforms, 1 if not, 2 on misuse")
    check.add_argument("candidate", metavar="CANDIDATE", help=CANDIDATE)
    check.add_argument(
        "--against", choices=("fixtures", "torch", "keras", "all"), default="fixtures", help="who says what is right"
    )
    check.add_argument(
        "--profile", choices=("forward", "training"), help="default: training if it gives any gradient, else forward"
    )
    check.add_argument("--json", type=Path, metavar="F", help="write the report as JSON")
    check.add_argument("--junit", type=Path, metavar="F", help="write the report as JUnit XML")
    check.add_argument("--baseline", type=Path, metavar="OLD.json", help="compare with an earlier JSON report")
    check.add_argument(
        "--seconds", type=_positive, default=10.0, metavar="S", help="time limit of one call (default: 10)"
    )
    check.set_defaults(run=_check)

    repro = command("repro", "run one case, print its numbers and a NumPy program that shows the same")
    repro.add_argument("candidate", metavar="CANDIDATE", help=CANDIDATE)
    repro.add_argument("case", metavar="CASE", help="a case's id, as the report names it")
    repro.add_argument(
        "--seconds", type=_positive, default=10.0, metavar="S", help="time limit of one call (default: 10)"
    )
    repro.set_defaults(run=_repro)

    fixtures = command("fixtures", "the golden vectors")
    actions = fixtures.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print them as a table")
    listing.set_defaults(run=_fixtures_list)
    verify = actions.add_parser("verify", help="check schema, hashes and, where they are installed, PyTorch and Keras")
    verify.add_argument(
        "--certify", action="store_true", help="prove every expected value again, in interval arithmetic"
    )
    verify.set_defaults(run=_fixtures_verify)
    generate = actions.add_parser("generate", help="make them anew; needs PyTorch, Keras and python-flint")
    generate.set_defaults(run=_fixtures_generate)
    for action in (listing, verify, generate):
        action.add_argument("--folder", type=Path, help="where they are (default: this installation's)")

    bugs = command("bugs", "the catalogue of bugs: list it, explain one, or show how each is caught")
    bugs.add_argument("slug", nargs="?", metavar="SLUG", help="explain this one")
    bugs.add_argument(
        "--matrix", action="store_true", help="run each as a candidate: is it caught, by what, by how much"
    )
    bugs.add_argument("--json", type=Path, metavar="F", help="with --matrix: write bug x check as JSON")
    bugs.set_defaults(run=_bugs)

    bench = command("bench", "time lstm_ref beside PyTorch and Keras, interleaved in one process")
    bench.add_argument("--seconds", type=_positive, default=2.0, metavar="S", help="time for each pair (default: 2)")
    bench.set_defaults(run=_bench)

    inspect = command("inspect", "list the LSTMs that a file of weights holds")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.set_defaults(run=_inspect)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)


def _check(options: argparse.Namespace) -> int:
    from conformance.errors import BaselineError
    from conformance.implementations.given import find
    from conformance.report import json_report, junit, terminal
    from conformance.report.files import require_writable
    from conformance.runner import run

    if options.baseline is not None and not options.baseline.is_file():
        raise BaselineError(f"there is no baseline {options.baseline}.")
    for path in (options.json, options.junit):
        if path is not None:
            require_writable(path)
    report = run(find(options.candidate), options.candidate, options.against, options.profile, options.seconds)
    changes = None if options.baseline is None else json_report.compare_with(report, options.baseline)
    if options.json is not None:
        json_report.write(report, options.json)
    if options.junit is not None:
        junit.write(report, options.junit)
    terminal.show(report, options.candidate, _console(), changes)
    regressed = changes is not None and changes.regressed
    return CONFORMS if report.conforms() and not regressed else DOES_NOT


def _repro(options: argparse.Namespace) -> int:
    from conformance.checks.call import Caller
    from conformance.declare import declared, meets
    from conformance.errors import CandidateError
    from conformance.implementations.given import find
    from conformance.report.repro import snippet
    from conformance.runner import judge, trials

    words = options.case.split(":")
    if words[0] == "behaviour":
        raise CandidateError(f"{options.case!r} is a check of behaviour, which no single case shows.")
    oracle = words[0] if words[0] in ("torch", "keras") else "fixtures"
    id = ":".join(words[: 1 if oracle == "fixtures" else 2])  # the id of a check has its quantity behind the case's
    function = find(options.candidate)
    found = [trial for trial in trials(oracle) if trial.id == id]
    if not found:
        raise CandidateError(f"there is no case {id!r}; `fixtures list` has the vectors: add -float64 or -float32.")
    trial = found[0]
    if not meets(trial.case, declared(function)):
        raise CandidateError(f"{options.candidate} declares that it cannot take the case {id}.")
    outcome = Caller(function, options.seconds)(trial.case)
    results = judge(trial, outcome, declared(function))
    for result in results:
        told = result.comparison
        numbers = f"worst error {told.share:.3g} of the allowed one" if told is not None and not told.reason else ""
        print(f"{result.quantity:<20}{result.status:<14}{numbers if result.status == 'passed' else result.message}")
    failed = [result for result in results if result.status == "failed"]
    if outcome.trace:
        print(f"\n{outcome.trace}")
    if failed:
        print(f"\nThe same without lstm-conformance:\n\n{snippet(options.candidate, trial, outcome, failed[0])}")
    return DOES_NOT if failed else CONFORMS


def _folder(options: argparse.Namespace) -> Path:
    from conformance.fixtures.store import directory

    folder: Path = options.folder or directory()
    return folder


def _fixtures_list(options: argparse.Namespace) -> int:
    from rich.table import Table

    from conformance.fixtures.store import read_manifest

    manifest = read_manifest(_folder(options))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("vector", "B", "T", "D", "H", "flags", "comment"):
        table.add_column(heading, justify="right" if len(heading) == 1 else "left", no_wrap=heading == "vector")
    for entry in manifest["vectors"]:
        sizes = (str(entry["sizes"][axis]) for axis in "BTDH")
        table.add_row(entry["id"], *sizes, " ".join(entry["flags"]), entry["comment"])
    console = _console()
    console.print(table)
    console.print(f"\n{len(manifest['vectors'])} vectors, each for float64 and float32. The flags:", highlight=False)
    for flag, meaning in manifest["flags"].items():
        console.print(f"  [bold]{flag}[/]  {meaning}", highlight=False)
    return CONFORMS


def _fixtures_verify(options: argparse.Namespace) -> int:
    from conformance.errors import FixtureError
    from conformance.fixtures.verify import verify

    try:
        with _Bar("proving" if options.certify else "checking") as bar:
            said = verify(_folder(options), options.certify, bar.update)
    except FixtureError as error:
        print(f"lstm-conformance: {error}", file=sys.stderr)
        return DOES_NOT
    print("\n".join(said))
    return CONFORMS


def _fixtures_generate(options: argparse.Namespace) -> int:
    from conformance.fixtures.generate import generate
    from conformance.fixtures.store import writable

    folder = options.folder or writable()
    with _Bar("making") as bar:
        count = generate(folder, bar.update)
    print(f"{count} vectors are in {folder}")
    return CONFORMS


class _Bar:
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

    def __enter__(self) -> _Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def update(self, done: int, total: int, what: str) -> None:
        self.progress.update(self.task, completed=done, total=total, description=what)


def _bugs(options: argparse.Namespace) -> int:
    from conformance.bugs import bugs
    from conformance.errors import UnknownBugError

    if options.json is not None and not options.matrix:
        raise UnknownBugError("--json goes with --matrix.")
    if options.matrix:
        return _matrix(options.json)
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
    return CONFORMS


def _matrix(path: Path | None) -> int:
    from rich.table import Table

    from conformance.bugs import adequacy
    from conformance.report.files import write_json

    with _Bar("bugs") as bar:
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
    _console().print(table)
    caught = [catch for catch in found if catch.caught]
    tightest = min((catch for catch in caught if not catch.behaviours), key=lambda catch: catch.margin)
    print(f"\n{len(found) // 2} bugs in 2 dtypes: {len(caught)} of {len(found)} caught")
    print(f"smallest margin: {tightest.margin:.3g} times the allowed error, {tightest.slug} in {tightest.dtype}")
    try:
        from conformance.bugs.elsewhere import missed

        overlooked, forward = missed()
        print(
            f"ONNX's LSTM node tests, by their own measure, catch {len(forward) - len(overlooked)} of the {len(forward)} forward bugs"
        )
        print(f"and let pass: {', '.join(overlooked)}")
    except ModuleNotFoundError:
        print("ONNX's LSTM node tests: not compared; that needs onnx, which is not installed: pip install onnx")
    return CONFORMS if len(caught) == len(found) else DOES_NOT


def _bench(options: argparse.Namespace) -> int:
    from conformance.bench import bench

    for line in bench(options.seconds):
        print(line, flush=True)
    return CONFORMS


def _inspect(options: argparse.Namespace) -> int:
    from rich.markup import escape
    from rich.table import Table

    import lstm_ref

    found = lstm_ref.inspect(options.file)
    if not found:
        print(f"{options.file} holds no LSTM that is stored as PyTorch or Keras store one.")
        return DOES_NOT
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "layer", "direction", "D", "H", "bias", "dtype", "loadable"):
        table.add_column(heading, overflow="fold")
    for info in found:
        for part in info.parts:
            loadable = escape(part.unsupported) or "yes"
            sizes = (str(part.input_size), str(part.hidden_size))
            table.add_row(
                escape(part.name),
                str(part.layer),
                part.direction,
                *sizes,
                "yes" if part.bias else "no",
                part.dtype,
                loadable,
            )
    print(f"{options.file}: {found[0].format}")
    _console().print(table)
    return CONFORMS
