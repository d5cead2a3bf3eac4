"""The shell door: ``lstm-conformance``, also ``python -m conformance``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from conformance.errors import MISUSE

CANDIDATE = (
    "path/to/file.py:NAME, package.module:NAME, onnx:FILE, process:CMD, or a built-in: ref, torch, keras, certified, "
    "onnxruntime, onnx"
)
PROCESS = "--process"

TASKS = ("sine", "counting", "vectors", "classification", "cell")
"""What `train` knows: the names of `conformance.cases.tasks`, which needs NumPy, and this is to start at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 conforms, 1 does not conform, 2 misuse."""
    options = _parser().parse_args(_named(list(sys.argv[1:] if arguments is None else arguments)))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever closed it wants to hear nothing
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open for good
    try:
        module, _, name = options.run.partition(":")
        command = getattr(import_module(f"conformance.commands.{module}"), name)
        status: int = command(options)
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


def _named(arguments: list[str]) -> list[str]:
    """The arguments with ``process:CMD`` where CANDIDATE is expected, in place of ``--process CMD``."""
    for place, word in enumerate(arguments):
        option, equals, command = word.partition("=")
        if option == PROCESS and (equals or arguments[place + 1 :]):
            rest = [*arguments[:place], *arguments[place + (1 if equals else 2) :]]
            first = next((k for k, other in enumerate(rest) if other in ("check", "repro")), len(rest)) + 1
            return [*rest[:first], f"process:{command or arguments[place + 1]}", *rest[first:]]
    return arguments


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
        "--against", choices=("fixtures", "torch", "keras", "all"), help="who says what is right (default: fixtures)"
    )
    check.add_argument(
        "--profile",
        choices=("forward", "training", "full", "trajectory"),
        help="default: training if it gives any gradient, else forward; full: training, with all features; trajectory: training, "
        "and it is trained",
    )
    check.add_argument(
        "--features",
        default="",
        metavar="NAME,...",
        help="ask for more than the plain LSTM, as stacked,bidirectional,mask; or `all`, for all that it is not without",
    )
    check.add_argument("--strict", action="store_true", help="remarks count against it")
    check.add_argument("--json", type=Path, metavar="F", help="write the report as JSON")
    check.add_argument("--junit", type=Path, metavar="F", help="write the report as JUnit XML")
    check.add_argument("--html", type=Path, metavar="F", help="write the report as one HTML file to look at")
    check.add_argument(
        "--baseline",
        type=Path,
        metavar="OLD.json",
        help="an earlier JSON report: pass unless a check fails newly or runs no more",
    )
    check.set_defaults(run="trial:check")

    repro = command("repro", "run one case, print its numbers and a NumPy program that shows the same")
    repro.add_argument("candidate", metavar="CANDIDATE", help=CANDIDATE)
    repro.add_argument("case", metavar="CASE", help="a case's id, as the report names it, or a file that `sweep` wrote")
    repro.set_defaults(run="trial:repro")
    sweep = command("sweep", "random cases by the million: exit status 0 if none disagrees, 1 if any does")
    sweep.add_argument("candidate", metavar="CANDIDATE", help=CANDIDATE.removesuffix(", certified"))
    sweep.add_argument("--cases", type=_count, default=10_000, metavar="N", help="how many (default: 10000)")
    sweep.add_argument("--seed", type=int, default=0, metavar="S", help="other cases for another one (default: 0)")
    sweep.add_argument(
        "--features",
        default="",
        metavar="NAME,...",
        help="besides what it declares: every second case is a network with some of them; or `all`",
    )
    sweep.add_argument(
        "--measure", action="store_true", help="print how much of the allowed error was used, which takes longer"
    )
    sweep.add_argument("--workers", type=_count, metavar="N", help="processes (default: one for each core)")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="on a Dask cluster instead, as tcp://host:8786")
    sweep.add_argument("--state", type=Path, metavar="FILE", help="write down what is finished, and go on with it")
    sweep.add_argument(
        "--out",
        type=Path,
        default=Path("sweep-failures"),
        metavar="DIR",
        help="where small cases are written that disagree (default: sweep-failures)",
    )
    sweep.set_defaults(run="sweeping:run")
    for made in (check, repro):
        made.add_argument(
            PROCESS, metavar="CMD", help="in place of CANDIDATE, for process:CMD: a program that serves cases"
        )
        made.add_argument(
            "--model",
            metavar="FILE[:NAME]",
            help="with a trained model's own weights and sizes, of any file that `inspect` lists, against a live framework",
        )
        made.add_argument(
            "--input", type=Path, metavar="F.npz", help="with --model: a case of these inputs as well: x (B, T, D)"
        )
    for made in (check, repro, sweep):
        made.add_argument(
            "--seconds", type=_positive, default=10.0, metavar="S", help="computing time of one call (default: 10)"
        )
        made.add_argument("--memory", type=_positive, metavar="GIB", help="how much memory the candidate may have")

    fixtures = command("fixtures", "the golden vectors")
    actions = fixtures.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print them as a table")
    listing.set_defaults(run="vectors:listing")
    verify = actions.add_parser("verify", help="check schema, hashes and, where they are installed, PyTorch and Keras")
    verify.add_argument(
        "--certify", action="store_true", help="prove every expected value again, in interval arithmetic"
    )
    verify.set_defaults(run="vectors:verify")
    generate = actions.add_parser("generate", help="make them anew; needs PyTorch, Keras and python-flint")
    generate.set_defaults(run="vectors:generate")
    for action in (listing, verify, generate):
        action.add_argument("--folder", type=Path, help="where they are (default: this installation's)")

    bugs = command("bugs", "the catalogue of bugs: list it, explain one, or show how each is caught")
    bugs.add_argument("slug", nargs="?", metavar="SLUG", help="explain this one")
    bugs.add_argument(
        "--matrix", action="store_true", help="run each as a candidate: is it caught, by what, by how much"
    )
    bugs.add_argument(
        "--without",
        metavar="NAME,...",
        help="with --matrix: as candidates that declare so, as h0,c0,d_h,d_c; or `usual`: a line for each usual declaration",
    )
    bugs.add_argument("--json", type=Path, metavar="F", help="with --matrix: write bug x check as JSON")
    bugs.add_argument(
        "--diagnose",
        type=int,
        metavar="N",
        help="diagnose each, and N random LSTMs with up to five bugs, and list what is confused with what",
    )
    bugs.set_defaults(run="catalogue:show")

    train = command(
        "train", "train a task in lstm_ref, PyTorch and Keras from the same weights, and compare the losses"
    )
    train.add_argument("task", metavar="TASK", choices=TASKS, help=f"one of {', '.join(TASKS)}")
    train.add_argument("--epochs", type=_count, metavar="N", help="so many, rather than the task's own")
    train.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="default: float64")
    train.add_argument("--plot", type=Path, metavar="F.svg", help="draw the losses of all of them over each other")
    train.set_defaults(run="training:train")

    bench = command("bench", "time lstm_ref beside PyTorch, Keras, onnxruntime, onnx and the bare matrix products")
    bench.add_argument("--grid", choices=("small", "full"), default="small", help="which sizes (default: small)")
    bench.add_argument(
        "--size", type=_sizes, action="append", metavar="B,T,D,H", help="these instead; may be given again"
    )
    bench.add_argument("--layers", type=_count, default=1, metavar="N", help="stacked layers of H units (default: 1)")
    bench.add_argument("--bidirectional", action="store_true", help="layers of both directions")
    bench.add_argument("--dtype", choices=("float64", "float32", "both"), default="both", help="default: both")
    bench.add_argument(
        "--threads", choices=("1", "all", "both"), default="1", help="one, a thread per core, or both (default: 1)"
    )
    bench.add_argument(
        "--against",
        type=lambda text: text.split(","),
        metavar="NAME,...",
        help="of torch, keras, onnxruntime, onnx, matmul (default: those that are installed)",
    )
    bench.add_argument("--seconds", type=_positive, default=0.3, metavar="S", help="for each pair (default: 0.3)")
    bench.add_argument("--json", type=Path, metavar="F", help="write all figures as JSON")
    bench.add_argument(
        "--plot",
        type=Path,
        metavar="F",
        help="draw times against T, against H and against the products: one .png, .svg or .pdf, or a folder of three",
    )
    bench.set_defaults(run="timing:compare")

    scoreboard = command(
        "scoreboard", "install other people's LSTMs, each in an environment of its own, and put them on trial"
    )
    scoreboard.add_argument("engine", nargs="*", metavar="ENGINE", help="of those that --list shows (default: all)")
    scoreboard.add_argument("--list", action="store_true", help="list the engines and what is installed for each")
    scoreboard.add_argument("--again", action="store_true", help="try those anew that have been tried")
    scoreboard.add_argument(
        "--keep", action="store_true", help="write the record and its table into this clone's conformance/scoreboard"
    )
    scoreboard.add_argument("--jobs", type=_count, metavar="N", help="so many at a time (default: one for each core)")
    scoreboard.add_argument(
        "--cache",
        type=Path,
        default=Path(".engines"),
        metavar="FOLDER",
        help="where environments, reports, table and page are kept (default: .engines)",
    )
    scoreboard.set_defaults(run="scoreboard:run")

    inspect = command("inspect", "list the LSTMs that a file of weights holds")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.set_defaults(run="weights:inspect")

    convert = command("convert", "write the network of one file of weights to another, for another framework")
    convert.add_argument("source", type=Path, metavar="SRC", help="anything that `inspect` lists")
    convert.add_argument(
        "target", type=Path, metavar="DST", help="a new .pt, .pth, .safetensors, .keras, .weights.h5 or .onnx"
    )
    convert.add_argument(
        "--name",
        action="append",
        default=[],
        help="which LSTM, if there are several; if given again, each takes the output of the one before",
    )
    convert.add_argument("--force", action="store_true", help="replace DST if it exists")
    convert.add_argument(
        "--without",
        default="",
        metavar="NAME,...",
        help="leave out what DST has no word for, and have other numbers: of peephole, clip, coupled_gates, activations, "
        "merge, go_backwards",
    )
    convert.set_defaults(run="convert:convert")

    layout = command("layout", "find the layout of weights by a known run: exit status 0 if exactly one fits, else 1")
    layout.add_argument(
        "file", type=Path, metavar="FILE", help=".npz, .safetensors, .pt, .keras or .h5: the weights, and the known run"
    )
    layout.add_argument("--known", type=Path, metavar="KNOWN", help="the known run is in this file")
    for role, meaning in (
        ("x", "the input"),
        ("output", "the output of every step, or of the last"),
        ("h", "the final h"),
        ("c", "the final c"),
        ("h0", "the initial h (default: zeros)"),
        ("c0", "the initial c (default: zeros)"),
    ):
        layout.add_argument(f"--{role}", metavar="NAME", help=f"{meaning}, if it is not called {role}")
    layout.add_argument(
        "--weights", action="append", default=[], metavar="PATTERN", help="only arrays of such names, as 'encoder.*'"
    )
    layout.add_argument("--tolerance", type=float, metavar="SHARE", help="allowed error, of the largest known number")
    layout.add_argument("--save", type=Path, metavar="NEW.safetensors", help="write kernel, recurrent_kernel and bias")
    layout.set_defaults(run="weights:layout")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if len(sizes) != 4 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not B,T,D,H: four positive whole numbers with commas")
    return sizes
