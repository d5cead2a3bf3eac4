"""`check` and `repro` of a candidate that takes the interpreter with it: it fails where it does so, and the rest goes on."""

from __future__ import annotations

import json
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
    return ctypes.string_at(0) if CONDITION else correct(case)
"""
CHECK = [sys.executable, "-m", "conformance", "check"]


def put(folder: Path, text: str) -> str:
    (folder / "kernel.py").write_text(text)
    return "kernel.py:lstm"


def check(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CHECK, put(folder, text), *options], cwd=folder, capture_output=True, text=True)


def test_what_crashes_fails_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = CRASHES.replace("CONDITION", "case.id.startswith('sizes-b5-t7')")
    done = check(tmp_path, text, "--json", "report.json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads((tmp_path / "report.json").read_text())
    failures = report["failures"]
    assert {failure["case"] for failure in failures} == {"sizes-b5-t7-d3-h2-float64", "sizes-b5-t7-d3-h2-float32"}
    assert {failure["message"] for failure in failures} == {"crashed the interpreter (Segmentation fault)"}
    assert report["counts"]["passed"] == report["counts"]["checks"] - 18
    assert done.stdout.count("does not conform (profile training") == 1


def test_after_ten_crashes_it_is_not_called_any_more(tmp_path: Path) -> None:
    done = check(tmp_path, CRASHES.replace("CONDITION", "case.sizes[1] > 5"), "--json", "report.json")
    assert done.returncode == 1
    told = [failure["message"] for failure in json.loads((tmp_path / "report.json").read_text())["failures"]]
    assert told.count("crashed the interpreter (Segmentation fault)") == 10 * 9
    assert all(
        message.endswith(("(Segmentation fault)", "after it had crashed the interpreter 10 times")) for message in told
    )


def test_repro_says_so_and_where(tmp_path: Path) -> None:
    spec = put(tmp_path, CRASHES.replace("CONDITION", "True"))
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "repro", spec, "plain-all-float64", "--traceback"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "crashed the interpreter (Segmentation fault)" in done.stdout
    assert 'kernel.py", line 6 in lstm' in done.stderr


def test_one_that_always_crashes_is_a_misuse_in_one_line(tmp_path: Path) -> None:
    done = check(tmp_path, CRASHES.replace("CONDITION", "True"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "crashed the interpreter" in done.stderr


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("import os; os.abort()", 2, "(Aborted) while it was imported"),
        (
            "import atexit, os; atexit.register(os.abort)\nfrom conformance.tests.wrong import correct as lstm",
            1,
            "after",
        ),
    ],
)
def test_a_crash_outside_of_any_call(text: str, status: int, told: str, tmp_path: Path) -> None:
    done = check(tmp_path, text)
    assert done.returncode == status
    assert told in done.stderr
    assert done.stdout.count("kernel.py:lstm conforms") == (status == 1)


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
