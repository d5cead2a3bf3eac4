"""`check` and `repro` of a candidate that takes the interpreter with it: one clear line, and the status that fits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CRASHES = """
import ctypes
from conformance.tests.wrong import correct

def lstm(case):
    return correct(case) if case.sizes[1] < 6 else ctypes.string_at(0)
"""
CHECK = [sys.executable, "-m", "conformance", "check"]


def put(folder: Path, text: str) -> str:
    (folder / "kernel.py").write_text(text)
    return "kernel.py:lstm"


def check(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CHECK, put(folder, text), *options], cwd=folder, capture_output=True, text=True)


def test_a_crash_does_not_conform_and_its_case_is_named(tmp_path: Path) -> None:
    done = check(tmp_path, CRASHES, "--json", "report.json")
    assert done.returncode == 1
    assert done.stdout == ""
    before, _, after = done.stderr.partition(" in case ")
    assert before == "lstm-conformance: kernel.py:lstm crashed the interpreter (Segmentation fault)"
    case, _, rest = after.partition(": ")
    assert rest == "there is no report. To see where, run it again with --traceback.\n"
    assert not (tmp_path / "report.json").exists()
    repro = subprocess.run(
        [sys.executable, "-m", "conformance", "repro", "kernel.py:lstm", case, "--traceback"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert repro.returncode == 1
    assert 'kernel.py", line 6 in lstm' in repro.stderr
    assert f"in case {case}: there is no report.\n" in repro.stderr


def test_a_crash_while_it_is_imported_is_a_misuse(tmp_path: Path) -> None:
    done = check(tmp_path, "import os; os.abort()")
    assert (done.returncode, "(Aborted) while it was imported" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("from conformance.tests.wrong import correct as lstm", 0),
        ("from conformance.tests.wrong import forget_ignored as lstm", 1),
        ("lstm = 5", 2),
    ],
)
def test_otherwise_the_status_is_what_it_always_was(text: str, status: int, tmp_path: Path) -> None:
    assert check(tmp_path, text).returncode == status


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_it_ends_the_candidate_too(sent: signal.Signals, tmp_path: Path) -> None:
    text = "import os, time\ndef lstm(case):\n    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    process = subprocess.Popen(
        [*CHECK, put(tmp_path, text), "--seconds", "50"], cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE
    )
    note = tmp_path / "pid"
    until = time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    candidate = int(note.read_text())
    assert candidate != process.pid
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == (2 if sent == signal.SIGINT else -signal.SIGTERM), errors
    with pytest.raises(ProcessLookupError):
        os.kill(candidate, 0)
