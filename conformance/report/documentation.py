"""What the READMEs show, done again: ``python -m conformance.report.documentation [--slow] [--write] FILE...``.

A README's fenced blocks are taken in their order, in one folder, which holds nothing at first but a link to ``fixtures``, and one
to ``examples`` beside the README, if there are any:

    ```python NAME.py      is written there as that file
    ```python              is run; a ```text block right after it is what it prints
    ```console             has commands after "$ ", and below each what it prints
    ```console slow        the same, which only --slow runs
    ```text LABEL          is about something that is compared elsewhere

What is printed has to be what the README shows: every word and every whole number; other numbers to a factor of
three, as rounding differs from machine to machine; times, their ratios, cases per second and sizes of memory not at all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from conformance.report.files import write_bytes

ROOT = Path(__file__).parents[2]
READMES = (
    "README.md",
    "conformance/README.md",
    "conformance/bench/README.md",
    "conformance/diagnosis/README.md",
    "conformance/languages/README.md",
    "conformance/frameworks/README.md",
    "conformance/sweep/README.md",
    "conformance/scoreboard/README.md",
    "conformance/zoo/README.md",
    "fixtures/README.md",
    "lstm_ref/README.md",
)
NEEDS = {"conformance/languages/README.md": ("cc", "node", "conformance/languages/examples/node_modules")}
"""What a README's commands need beyond this package: programs, and folders that `make test` fills."""
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+")
MEASURED = re.compile(r"[\d.,]+ ?(?:ns|µs|ms|s|kB|MB|GB|cases/s)\b|\d+:\d\d:\d\d|[\d.]+ \((?:[\d.]+-[\d.]+|n=\d+)\)")
SECONDS = 1200.0


@dataclass(frozen=True)
class Printed:
    """Something that a README shows the output of.

    Attributes
    ----------
    command : tuple of str
        What is run: a shell's line, or a Python program.
    shown : str
        What it prints, by the README.
    start, stop : int
        Where that stands in the README.
    slow : bool
    unshown : bool
        Whether there is no block for the output, as nothing is printed.
    """

    command: tuple[str, ...]
    shown: str
    start: int
    stop: int
    slow: bool = False
    unshown: bool = False

    @property
    def title(self) -> str:
        """The command in one line."""
        return self.command[-1].strip().splitlines()[-1]


def printed(text: str, folder: Path) -> Iterator[Printed]:
    """Write a README's files to `folder`, and give what it shows the output of."""
    fences = [*FENCE.finditer(text), None]
    for fence, following in pairwise(fences):
        assert fence is not None
        language, _, rest = fence["info"].partition(" ")
        if language == "python" and rest:
            (folder / rest).write_text(fence["body"], encoding="utf-8")
        elif language == "python":
            shows = following is not None and following["info"] == "text"
            start, stop = following.span("body") if following is not None and shows else (fence.end(), fence.end())
            yield Printed((sys.executable, "-c", fence["body"]), text[start:stop], start, stop, unshown=not shows)
        elif language == "console":
            yield from _commands(fence, slow=rest == "slow")
        elif language not in ("text", "sh") or (language == "text" and not rest and not _follows_python(text, fence)):
            raise ValueError(f"a block that nothing checks: ```{fence['info']}\n{fence['body'][:200]}")


def _follows_python(text: str, fence: re.Match[str]) -> bool:
    before = [other for other in FENCE.finditer(text) if other.end() <= fence.start()]
    return bool(before) and before[-1]["info"] == "python"


def _commands(fence: re.Match[str], slow: bool) -> Iterator[Printed]:
    body, offset = fence["body"], fence.start("body")
    lines = [*re.finditer(r"^\$ (.*)\n", body, re.M), None]
    for line, following in pairwise(lines):
        assert line is not None
        start, stop = line.end(), len(body) if following is None else following.start()
        yield Printed(("bash", "-c", line[1]), body[start:stop], offset + start, offset + stop, slow)


def run(command: tuple[str, ...], folder: Path) -> str:
    """What a command prints in a folder, on standard output and standard error, without spaces at the ends of lines."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _words(text: str) -> list[str]:
    """The words and whole numbers of an output."""
    return NUMBER.sub("#", MEASURED.sub("time", text)).split()


def same(shown: str, actual: str) -> bool:
    """Whether two outputs say the same, as this module's beginning says."""

    def numbers(text: str) -> list[float]:
        return [float(number) for number in NUMBER.findall(MEASURED.sub("time", text))]

    return _words(shown) == _words(actual) and all(
        a == b or (min(a, b) > 0 and max(a, b) <= 3 * min(a, b))
        for a, b in zip(numbers(shown), numbers(actual), strict=True)
    )


def shows(path: Path, summary: Sequence[str], info: str = "text make conformance") -> bool:
    """Whether a README's block of that name, of what `make conformance` ends with, has these lines, besides pytest's own.

    Every word and every whole number; how near the engines come to each other is the machine's and its libraries' affair.
    """
    text = path.read_text(encoding="utf-8")
    found = [fence["body"] for fence in FENCE.finditer(text) if fence["info"] == info]
    return len(found) == 1 and " ".join(_words("\n".join(summary))) in " ".join(_words(found[0]))


def lacking(name: str) -> str:
    """What is not there of what a README's commands need."""
    needed = NEEDS.get(name, ())
    return ", ".join(each for each in needed if shutil.which(each) is None and not (ROOT / each).is_dir())


def compare(path: Path, slow: bool = False, write: bool = False) -> tuple[int, list[str]]:
    """Do again what a README shows.

    Parameters
    ----------
    path : path
        The README.
    slow : bool
        Whether to run the slow commands, too.
    write : bool
        Whether to write what was printed into the README, where it differs.

    Returns
    -------
    count : int
        How many outputs were compared.
    differences : list of str
        What is printed instead of what is shown; empty if nothing is.
    """
    text = path.read_text(encoding="utf-8")
    found, differences = [], []
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "fixtures").symlink_to(ROOT / "fixtures")
        if (path.parent / "examples").is_dir():
            (Path(temporary) / "examples").symlink_to((path.parent / "examples").resolve())
        for block in printed(text, Path(temporary)):
            if block.slow and not slow:
                continue
            actual = run(block.command, Path(temporary))
            found.append((block, actual))
            if not same(block.shown, actual):
                differences.append(f"{path}: `{block.title}` prints\n{actual}\nand is said to print\n{block.shown}")
    if write and differences:
        for block, actual in reversed(found):
            if not same(block.shown, actual):
                new = actual if not block.unshown else f"\n\n```text\n{actual}```"
                text = text[: block.start] + new + text[block.stop :]
        write_bytes(path, text.encode())
    return len(found), differences


def main() -> int:
    """Compare, and say what differs; the exit status is 1 if anything does."""
    parser = argparse.ArgumentParser(description="Do again what the READMEs show.")
    parser.add_argument("files", nargs="*", type=Path, default=[ROOT / name for name in READMES], metavar="FILE")
    parser.add_argument("--slow", action="store_true", help="run the slow commands, too")
    parser.add_argument("--write", action="store_true", help="write what is printed into the files")
    options = parser.parse_args()
    status = 0
    for file in options.files:
        count, differences = compare(file, options.slow, options.write)
        print(f"{file}: {count} outputs compared, {len(differences)} differ")
        print("\n".join(differences))
        status = 1 if differences else status
    return status


if __name__ == "__main__":
    sys.exit(main())
