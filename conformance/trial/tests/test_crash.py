"""`check` and `repro` of a candidate that takes the interpreter with it: it fails where it does so, and the rest goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from conformance.cli import main

CRASHES = """
import ctypes
from conformance.trial.tests.wrong import correct

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


def test_the_diagnosis_says_which_sizes_crash_whatever_the_signal(tmp_path: Path) -> None:
    crash = "os.abort() if case.sizes[3] < 50 else ctypes.string_at(0)"
    text = CRASHES.replace("import ctypes", "import ctypes, os").replace("ctypes.string_at(0) if", f"({crash}) if")
    done = check(tmp_path, text.replace("CONDITION", "case.sizes[3] > 16"))
    told = "it crashed the interpreter (Aborted or Segmentation fault), all those with H of 17 or more and no others."
    assert f"  wrong  In 8 of 162 cases {told}\n" in done.stdout


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
            "import atexit, os; atexit.register(os.abort)\nfrom conformance.trial.tests.wrong import correct as lstm",
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
        ("from conformance.trial.tests.wrong import correct as lstm", 0),
        ("from conformance.trial.tests.wrong import forget_ignored as lstm", 1),
        ("lstm = 5", 2),
    ],
)
def test_otherwise_the_status_is_what_it_always_was(text: str, status: int, tmp_path: Path) -> None:
    assert check(tmp_path, text).returncode == status


SLOW = "import os, time\ndef lstm(case):\n    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(SECONDS)\n"


def begun(folder: Path, seconds: float) -> tuple[subprocess.Popen[bytes], int]:
    """A `check` that is in its first call, and the process that makes it."""
    spec = put(folder, SLOW.replace("SECONDS", str(seconds)))
    process = subprocess.Popen(
        [*CHECK, spec, "--seconds", "50"], cwd=folder, start_new_session=True, stderr=subprocess.PIPE
    )
    note = folder / "pid"
    until = time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    candidate = int(note.read_text())
    assert candidate != process.pid
    return process, candidate


@pytest.mark.parametrize(
    ("send", "sent", "status"),
    [
        (os.kill, signal.SIGTERM, -signal.SIGTERM),
        (os.kill, signal.SIGHUP, -signal.SIGHUP),
        (os.kill, signal.SIGINT, 2),
        (os.killpg, signal.SIGINT, 2),  # as a terminal does
    ],
)
def test_whoever_ends_it_ends_the_candidate_too(
    send: Callable[[int, int], None], sent: signal.Signals, status: int, tmp_path: Path
) -> None:
    process, candidate = begun(tmp_path, 60)
    send(process.pid, sent)
    with process:
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == status, errors
    assert errors == (b"lstm-conformance: interrupted\n" if sent == signal.SIGINT else b"")
    with pytest.raises(ProcessLookupError):
        os.kill(candidate, 0)


def test_no_call_is_made_when_nobody_waits_any_more(tmp_path: Path) -> None:
    process, _ = begun(tmp_path, 0.3)
    process.kill()
    _, errors = process.communicate(timeout=20)  # until the candidate's process has ended too
    assert errors == b"lstm-conformance: interrupted\n"


def test_a_process_that_the_candidate_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    text = """
import os, time
from conformance.trial.tests.wrong import correct as lstm
if not (child := os.fork()):
    os.close(1), os.close(2), time.sleep(60), os._exit(0)
open("left", "w").write(str(child))
"""
    begun = time.monotonic()
    assert check(tmp_path, text).returncode == 0
    assert time.monotonic() - begun < 50
    os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)


def test_ending_the_interpreter_is_not_conforming(tmp_path: Path) -> None:
    done = check(tmp_path, "import os\ndef lstm(case):\n    os._exit(0)\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ended the interpreter before there was a report" in done.stderr


def test_one_that_crashes_ever_earlier_is_given_up(tmp_path: Path) -> None:
    text = """
import os
from conformance.trial.tests.wrong import correct
open("begun", "a").write(".")
left = 40 - os.path.getsize("begun")

def lstm(case):
    global left
    left -= 1
    return correct(case) if left else os.abort()
"""
    done = check(tmp_path, text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "crashed the interpreter 20 times, whichever calls were left out" in done.stderr
    assert (tmp_path / "begun").stat().st_size == 20


CORRECT = "from conformance.trial.tests.wrong import correct as lstm\n"


@pytest.mark.parametrize(
    ("text", "before", "status"),
    [
        (CORRECT, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN), 0),
        (CORRECT, lambda: os.close(2), 0),
        (CORRECT, lambda: os.close(1), 0),
        (
            "import os, signal\nsignal.pthread_sigmask(signal.SIG_UNBLOCK, [15])\nos.kill(os.getpid(), 15)\n",
            lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [15]),  # like a container's first process: it lives on
            128 + 15,
        ),
    ],
    ids=["children-ignored", "no-stderr", "no-stdout", "unkillable"],
)
def test_whatever_it_is_started_with(text: str, before: Callable[[], None], status: int, tmp_path: Path) -> None:
    arguments = ["repro", put(tmp_path, text), "plain-all-float64", "--traceback"]
    done = subprocess.run([*CHECK[:-1], *arguments], cwd=tmp_path, preexec_fn=before)
    assert done.returncode == status


def test_a_system_that_has_no_process_to_spare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(sys, "argv", ["lstm-conformance", "check", "ref"])
    assert main() == 2
    assert "Resource temporarily unavailable" in capsys.readouterr().err
