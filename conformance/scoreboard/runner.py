"""Tries engines, several at a time, each by `lstm-conformance check` in its environment; keeps what came of it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from conformance.errors import CONFORMS, DOES_NOT, ScoreboardError
from conformance.report.files import write_bytes, write_json
from conformance.scoreboard.engine import ROOT, Engine
from conformance.scoreboard.install import InstallError, clean, install, python
from conformance.scoreboard.row import Row, not_tried, row

SECONDS = 3600.0
"""A trial that takes longer is ended."""
IGNORED = ("tests", "suite", "scoreboard")
"""Parts of this package that take no part in a trial."""
Told = Callable[[Engine, str], None]
"""Is told what is done with an engine: "installing", "on trial"."""


def run(engines: Sequence[Engine], cache: Path, jobs: int, again: bool, told: Told) -> Iterator[Row]:
    """Try engines; the rows come as they are done.

    Parameters
    ----------
    engines : sequence of Engine
    cache : Path
        Where environments and results are kept.
    jobs : int
        How many are tried at a time.
    again : bool
        Whether to try those anew of which there is a result.
    told : callable
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, engine, cache, again, told) for engine in engines]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def one(engine: Engine, cache: Path, again: bool, told: Told) -> Row:
    """The row of one engine: a kept one, or that of a trial. Whatever is wrong with the engine stands in it."""
    reports = cache / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    kept = reports / f"{engine.name}.json"
    state = state_of(engine)
    if not again and (found := _kept(engine, kept, state)) is not None:
        return found
    told(engine, "installing")
    try:
        folder = install(engine, cache)
    except InstallError as error:
        return not_tried(engine, f"not installed: {error}")
    told(engine, "on trial")
    unfinished = reports / f"{engine.name}.report.json"
    page = reports / f"{engine.name}.html"
    words = ["check", engine.spec, "--json", unfinished.name, "--html", page.name, *engine.options]
    began = time.monotonic()
    try:
        done = subprocess.run(
            [str(python(folder)), "-P", "-m", "conformance", *words],
            cwd=reports,
            env=clean() | {"NODE_PATH": str(folder / "node_modules")} | dict(engine.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return not_tried(engine, f"its trial did not end within {SECONDS:g} s")
    seconds = time.monotonic() - began
    write_bytes(reports / f"{engine.name}.txt", (done.stdout + done.stderr).encode())
    if done.returncode not in (CONFORMS, DOES_NOT) or not unfinished.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        return not_tried(engine, lines[-1].removeprefix("lstm-conformance: "))
    report = json.loads(unfinished.read_text())
    write_json(kept, {"state": state, "seconds": seconds, "report": report})
    unfinished.unlink()
    return row(engine, report, seconds)


def _kept(engine: Engine, path: Path, state: str) -> Row | None:
    try:
        kept = json.loads(path.read_text())
        return row(engine, kept["report"], kept["seconds"]) if kept["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_of(engine: Engine) -> str:
    """What a kept result holds for: the packages, the adapter, and all of this package that takes part in a trial."""
    folders = [ROOT / "lstm_ref", ROOT / "conformance"]
    found = [path for folder in folders for path in folder.rglob("*.py")]
    files = [path for path in found if not set(path.relative_to(ROOT).parts) & set(IGNORED)]
    files += [*_adapter(engine), ROOT / "fixtures" / "manifest.json"]
    digest = hashlib.sha256(repr((engine.installs, engine.spec, engine.options, dict(engine.environment))).encode())
    for path in sorted(files):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _adapter(engine: Engine) -> list[Path]:
    """The files that an engine's candidate is made of: its adapter with those beside it that it imports, or a program."""
    if not engine.file.is_file():
        return [Path(word) for word in engine.spec.split() if Path(word).is_file()]
    tree = ast.parse(engine.file.read_text(encoding="utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    beside = [engine.file.with_name(f"{name}.py") for name in imported]
    return [engine.file, *(path for path in beside if path.is_file())]


def cores() -> int:
    """How many trials to run at a time, if nothing else is said."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Keep a second run out of the same cache folder, for as long as this process lives.

    Raises
    ------
    ScoreboardError
        If there is one already.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # a system without it
            pass
        except BlockingIOError:
            raise ScoreboardError(
                f"another run works in {cache}; wait for it, or give --cache another folder."
            ) from None
        yield
