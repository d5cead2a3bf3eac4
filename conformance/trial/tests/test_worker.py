"""`check` and `repro` of a candidate that misbehaves: what it does to its process stays there, and is told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.fixtures.store import golden
from conformance.trial.wire import receive, send
from conformance.trial.worker import Worker

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
    assert f"  wrong  In 8 of {len(golden())} cases {told}\n" in done.stdout


def test_after_ten_crashes_it_is_not_called_any_more(tmp_path: Path) -> None:
    done = check(tmp_path, CRASHES.replace("CONDITION", "case.sizes[1] > 5"), "--json", "report.json")
    assert done.returncode == 1
    told = [failure["message"] for failure in json.loads((tmp_path / "report.json").read_text())["failures"]]
    assert told == ["crashed the interpreter (Segmentation fault)"] * 10 * 9
    left = {entry["text"] for entry in json.loads((tmp_path / "report.json").read_text())["not_judged"]}
    assert "was not called any more after it had ended its process 10 times" in left


def test_repro_says_so_and_where(tmp_path: Path) -> None:
    spec = put(tmp_path, CRASHES.replace("CONDITION", "True"))
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "repro", spec, "plain-all-float64", "--traceback"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "crashed the interpreter (Segmentation fault)" in done.stdout
    assert 'kernel.py", line 6 in lstm' in done.stderr


def test_one_that_always_crashes_does_not_conform(tmp_path: Path) -> None:
    done = check(tmp_path, CRASHES.replace("CONDITION", "True"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "crashed the interpreter (Segmentation fault)" in done.stdout


def test_a_crash_while_it_is_imported_is_misuse(tmp_path: Path) -> None:
    done = check(tmp_path, "import os; os.abort()")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "kernel.py:lstm crashed the interpreter (Aborted) while it was imported." in done.stderr


CORRECT = "from conformance.trial.tests.wrong import correct as lstm\n"


@pytest.mark.parametrize(
    "text",
    [
        "import atexit, os; atexit.register(os.abort)",
        "import atexit, os; atexit.register(os._exit, 1)",
        "import os; os.chdir('/')",
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
        "import sys; sys.stdout.close()",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import sys; sys.setrecursionlimit(200)",
        "import builtins; builtins.open = None",
    ],
)
def test_what_it_does_to_its_process_stays_there(text: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    done = check(tmp_path, f"{CORRECT}{text}\n", "--json", "report.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "conforms"
    assert time.monotonic() - begun < 30


def test_what_it_prints_comes_behind_the_report_and_is_not_mixed_with_it(tmp_path: Path) -> None:
    text = """
import os, sys
from conformance.trial.tests.wrong import correct

def lstm(case):
    print("printed")
    os.write(1, b"written\\n")
    return correct(case)
"""
    done = check(tmp_path, text)
    assert done.returncode == 0
    assert "printed" not in done.stdout
    assert re.match(r"\nThe candidate printed \d+ lines; the last 10:\n(printed|written)\n", done.stderr)
    assert done.stderr.count("\n") == 12


def test_memory_can_be_limited(tmp_path: Path) -> None:
    text = (
        "import numpy as np\nfrom conformance.trial.tests.wrong import correct\n\ndef lstm(case):\n    np.ones(2**29)\n"
    )
    done = check(tmp_path, text + "    return correct(case)\n", "--memory", "3")
    assert done.returncode == 1
    assert re.search(r"raised \w*MemoryError", done.stdout)


def test_a_call_that_hangs_in_c_is_ended_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = """
import re
from conformance.trial.tests.wrong import correct

def lstm(case):
    if case.id == "plain-all-float64":
        re.match("(a+)+b", "a" * 60)
    return correct(case)
"""
    done = check(tmp_path, text, "--seconds", "0.5")
    assert done.returncode == 1
    assert "kernel.py:lstm incomplete (profile training" in done.stdout
    assert "Not judged, 1 case: plain-all-float64\n  gave no result within 0.5 s\n" in done.stdout


@pytest.mark.parametrize(
    "array",
    [
        np.ones(()),
        np.ones((0, 3)),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3, dtype=">f4"),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.ma.masked_greater(np.arange(3.0), 1),
    ],
    ids=["single", "empty", "transposed", "swapped", "dates", "masked"],
)
def test_every_kind_of_array_comes_through_the_pipe(array: np.ndarray[Any, Any]) -> None:
    pipe = BytesIO()
    send(pipe, {}, {"c": array, "h": np.array([None]), "output": np.ones(2)})
    pipe.seek(0)
    header, came = receive(pipe)
    assert header["odd"] == {"h": "ndarray"}
    assert (came["c"].dtype, came["c"].tolist()) == (array.dtype, np.asarray(array).tolist())
    assert came["c"].flags.writeable
    assert came["output"].tolist() == [1, 1]


def test_a_call_costs_little_more_than_the_candidate_takes() -> None:
    case = next(vector.case for vector in golden() if vector.case.id == "plain-all-float64")
    with Worker("ref") as worker:
        times = [timed(worker, case) for _ in range(300)]
    assert sorted(times)[10] < 2e-3, "0.2 ms on a quiet machine, with the call itself"


def timed(worker: Worker, case: Case) -> float:
    begun = time.perf_counter()
    assert worker(case).result
    return time.perf_counter() - begun


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


def undisturbed() -> None:
    """Take signals as a new process does, whatever nohup or a shell's background job told this one."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def begun(folder: Path, seconds: float) -> tuple[subprocess.Popen[bytes], int]:
    """A `check` that is in its first call, and the process that makes it."""
    spec = put(folder, SLOW.replace("SECONDS", str(seconds)))
    process = subprocess.Popen(
        [*CHECK, spec, "--seconds", "50"], cwd=folder, start_new_session=True, stderr=subprocess.PIPE,
        preexec_fn=undisturbed,
    )  # fmt: skip
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
        (os.kill, signal.SIGTERM, 128 + signal.SIGTERM),
        (os.kill, signal.SIGHUP, 128 + signal.SIGHUP),
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
    process, candidate = begun(tmp_path, 0.3)
    process.kill()
    process.communicate(timeout=20)
    until = time.monotonic() + 20
    while Path(f"/proc/{candidate}").exists():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_process_that_the_candidate_leaves_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
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
    stat = Path(f"/proc/{(tmp_path / 'left').read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", (
        "it is ended, whoever waits for it"
    )


def test_ending_the_interpreter_is_not_conforming(tmp_path: Path) -> None:
    done = check(tmp_path, "import os\ndef lstm(case):\n    os._exit(0)\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert "ended the interpreter (exit status 0)" in done.stdout


@pytest.mark.parametrize(
    ("text", "before", "status"),
    [
        (CORRECT, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN), 0),
        (CORRECT, lambda: os.close(2), 0),
        (CORRECT, lambda: os.close(1), 0),
    ],
    ids=["children-ignored", "no-stderr", "no-stdout"],
)
def test_whatever_it_is_started_with(text: str, before: Callable[[], None], status: int, tmp_path: Path) -> None:
    arguments = ["repro", put(tmp_path, text), "plain-all-float64", "--traceback"]
    done = subprocess.run([*CHECK[:-1], *arguments], cwd=tmp_path, preexec_fn=before)
    assert done.returncode == status


@pytest.mark.parametrize("act", ["scribble()", "os.fork()"])
def test_what_is_written_into_the_pipe_is_no_answer(act: str, tmp_path: Path) -> None:
    text = f"""
import os
from contextlib import suppress
from conformance.trial.tests.wrong import correct

def scribble():
    for fd in range(3, 12):
        with suppress(OSError):
            os.write(fd, b"x" * 64)

def lstm(case):
    if case.id == "plain-all-float64":
        {act}
    return correct(case)
"""
    done = check(tmp_path, text, "--json", "report.json", "--seconds", "2")
    assert done.returncode == 1
    told = json.loads((tmp_path / "report.json").read_text())
    assert {failure["message"] for failure in told["failures"]} <= {
        "wrote into the pipe of its answers, or answered twice"
    }
    assert len({failure["case"] for failure in told["failures"]}) == 1, (
        "one call fails, and none gets the numbers of another"
    )
