"""Environments that engines are tried in: one for each set of packages, kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from conformance.errors import ScoreboardError
from conformance.scoreboard.engine import ROOT, Engine

OWN = ("numpy", "safetensors", "rich", "jinja2")
"""What `check` itself needs."""
SECONDS = 1800.0
SAYS = re.compile(r"\w*Error: |ERROR: |error: |npm (?:ERR!|error) ")
"""How a line begins that says why something was not installed."""
_building: dict[str, threading.Lock] = defaultdict(threading.Lock)


class InstallError(ScoreboardError):
    """An engine's packages cannot be installed."""


def require_clone() -> None:
    """Raise unless this package is a clone: that is what is installed beside each engine.

    Raises
    ------
    ScoreboardError
    """
    if not (ROOT / "pyproject.toml").is_file():
        raise ScoreboardError(
            "the scoreboard installs lstm-conformance beside each engine: run it in a clone of the repository."
        )


def install(engine: Engine, cache: Path) -> Path:
    """The environment of an engine, made if it is not there yet; engines with the same packages share one.

    Raises
    ------
    InstallError
        If it cannot be made; nothing of it is left, so that the next run tries again.
    """
    key = hashlib.sha256("\n".join((sys.version, str(ROOT), *engine.installs)).encode()).hexdigest()[:12]
    folder = cache / "environments" / key
    with _building[str(folder)]:
        if not (folder / "ready").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                _make(engine, folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / "ready").write_text("\n".join(engine.installs) + "\n")
    return folder


def _make(engine: Engine, folder: Path) -> None:
    _done([sys.executable, "-m", "venv", str(folder)])
    pip = [str(python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _done([*pip, *engine.packages, *OWN])
    if engine.bare:
        _done([*pip, "--no-deps", "--no-build-isolation", *engine.bare])
    _done([*pip, "--no-deps", "--editable", str(ROOT)])
    if engine.npm:
        named = [name.replace("==", "@") for name in engine.npm]
        _done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *named])


def _done(command: Sequence[str]) -> None:
    try:
        result = subprocess.run(
            command, env=clean(), capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise InstallError(f"there is no program {command[0]}.") from error
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"it was not installed within {SECONDS:g} s.") from error
    if result.returncode:
        lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        named = [line for line in lines if SAYS.match(line) and "subprocess-exited" not in line]
        raise InstallError((named or lines or ["it said nothing"])[-1][:300])


def clean() -> dict[str, str]:
    """The environment's variables without those that would bring other packages in."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def python(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
