"""Programs as candidates: one that misbehaves in a case fails that one, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

import conformance
from conformance.case import Case
from conformance.errors import CandidateError, ProcessError
from conformance.fixtures.store import golden
from conformance.languages.program import Program, process
from conformance.languages.tests.misbehaving import CASE
from conformance.report import json_report
from conformance.trial.call import caller
from conformance.trial.results import Report
from conformance.trial.runner import run

HERE = Path(__file__).parent
CHECK = [sys.executable, "-m", "conformance", "check"]


def command(what: str) -> str:
    return shlex.join([sys.executable, str(HERE / "misbehaving.py"), what])


def case(id: str = CASE) -> Case:
    return next(vector.case for vector in golden() if vector.case.id == id)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tried(what: str, seconds: float = 10.0) -> tuple[Report, Program]:
    with Program(command(what), seconds) as program:
        report = run(program, what)
    return report, program


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waits for is as good as gone."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    ("what", "message", "restarts"),
    [
        ("crash", "crashed (Aborted)", 1),
        ("junk", "wrote 'step 1 of 3' on standard output, where only answers belong", 1),
        ("another-call", 'answered with "call": ', 1),
        ("key", "answered with call, results, output; expected call, and results or error", 0),
        ("error", "answered with the error: no memory left", 0),
        ("short", "gave output ", 0),
        ("no-base64", "gave output data that is no base64", 0),
        ("list", "gave output data that is no base64", 0),
        ("dtype", 'gave output the dtype "float16", expected one of float64, float32', 0),
        ("array-key", "gave output as dtype, shape, data, order; expected an object of shape and data, and dtype", 0),
        ("gradient", "gave d_kernel of shape (20, 3), expected (3, 20), as the weights have in its layout", 0),
        ("gap", "gave no d_recurrent_kernel, and a gradient that comes behind it in its layout", 0),
        ("closes-stdout", "closed the pipe to its process", 1),
    ],
)
def test_what_is_wrong_with_one_answer_fails_that_case_alone(what: str, message: str, restarts: int) -> None:
    report, _ = tried(what)
    assert {result.trial for result in report.failures} == {CASE}
    assert len(report.failures) == len(case().shapes)
    for result in report.failures:
        assert result.message.startswith(message)
    assert report.program is not None
    assert report.program.restarts == restarts
    assert report.counts()["passed"] == report.counts()["checks"] - len(report.failures)


def test_what_it_said_during_a_call_that_failed_is_kept_with_it() -> None:
    report, program = tried("crash")
    assert report.program is not None
    assert report.program.said == {CASE: "about to abort"}
    assert program.printed == "about to abort\n"
    told = json_report.as_dict(report, json_report.NOTHING)
    jsonschema.validate(told, json_report.schema())
    assert told["program"]["standard_error"] == [{"case": CASE, "text": "about to abort"}]


def test_a_shape_that_is_wrong_is_compared_and_told_as_any_candidate_s() -> None:
    report, _ = tried("shape")
    assert [(r.trial, r.quantity) for r in report.failures] == [(CASE, "output")]
    assert "has shape" in report.failures[0].message


def test_a_quantity_that_there_is_not_is_told() -> None:
    report, _ = tried("unknown-quantity")
    assert report.unknown == ("y",)


@pytest.mark.parametrize("what", ["spin", "hang", "flood", "endless-line"])
def test_a_call_that_does_not_end_is_ended_and_the_rest_goes_on(what: str) -> None:
    begun = time.monotonic()
    report, program = tried(what, 0.3)
    assert time.monotonic() - begun < 30
    status = "failed" if what == "endless-line" else "not judged"
    assert {(r.trial, r.status) for r in report.results if r.status != "passed"} <= {
        (CASE, "not judged"),
        (CASE, status),
    }
    assert report.program is not None
    assert report.program.restarts == 1
    assert gone(int(Path("begun").read_text()))
    assert len(program.printed) <= 1 << 16


def test_a_full_pipe_of_standard_error_stops_nobody() -> None:
    report, _ = tried("chatty")
    assert report.conforms()


def test_one_that_is_slow_to_start_is_waited_for() -> None:
    report, _ = tried("slow-start", 0.5)
    assert report.conforms()


def test_what_it_has_begun_itself_is_ended_with_it() -> None:
    report, _ = tried("leaves-a-child")
    assert report.conforms()
    until = time.monotonic() + 5
    while not gone(int(Path("child").read_text())):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("what", "told"),
    [("dies-later", "ended (exit status 4) before it answered"), ("changes-its-mind", "declares something else when")],
)
def test_one_that_cannot_be_begun_again_fails_the_calls_that_follow(what: str, told: str) -> None:
    report, _ = tried(what)
    messages = {result.message for result in report.failures if result.trial != CASE}
    assert len(messages) == 1
    assert next(iter(messages)).startswith("could not be begun again: ")
    assert told in next(iter(messages))
    assert "was not called any more after it had ended its process 10 times" in {r.message for r in report.not_judged}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("dies", "ended (exit status 3) before it answered the handshake; it said: no such thing as a GPU."),
        ("junk-first", "wrote 'Loading the model...' on standard output, where only answers belong"),
        ("silent", "did not answer the handshake within 1.2 s"),
        ("never-answers", "did not answer the handshake within 1.2 s"),
        ("version", '"version":2}, expected {"protocol":"lstm-conformance","version":1}'),
        ("unknown-key", "declares gates, which is nothing; there are protocol, version, arrays, dtypes"),
        ("arrays", 'declares "arrays": "hex", expected one of base64, numbers'),
        ("dtypes", 'declares "dtypes": ["float16"], expected some of float64, float32'),
        ("without", "without=['h1'] names neither inputs"),
        ("features", 'declares "features": "mask", expected a list of names'),
        ("layout", "declares a layout that is none: gates='ifcc'"),
        ("layout-key", 'declares "layout": {"order":"ifgo"}, expected an object with some of gates (str)'),
        ("batch", 'declares "batch": 2, expected 1 for one sample at a time'),
        ("batch-and-features", 'declares features and "batch" or "axes"'),
        ("projection-and-layout", "declares projection or peephole and a layout"),
    ],
)
def test_a_handshake_that_fails_is_misuse_in_one_line(what: str, told: str) -> None:
    done = subprocess.run(
        [*CHECK, "--process", command(what), "--seconds", "0.2"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("no-such-program at all", "'no-such-program' cannot be started: No such file or directory"),
        ("", "the command is empty"),
        ("node 'my_lstm.js", "is no command: No closing quotation"),
        ("/tmp", "'/tmp' cannot be started: Permission denied"),
    ],
)
def test_a_command_that_is_none_is_said_to_be_none(words: str, told: str) -> None:
    with pytest.raises(CandidateError, match=told), Program(words):
        pass


def test_no_shell_sees_the_command() -> None:
    with pytest.raises(CandidateError), Program(f"{sys.executable} -c pass ; touch came"):
        pass
    assert not Path("came").exists()


def test_both_ways_to_name_it_are_one_and_a_failure_can_be_repeated_without_this_package() -> None:
    done = subprocess.run([*CHECK, "--process", command("error")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    repeat = next(line for line in done.stdout.splitlines() if line.startswith("Repeat it:"))
    words = shlex.split(repeat.removeprefix("Repeat it:"))
    assert words == ["lstm-conformance", "repro", f"process:{command('error')}", CASE]
    again = subprocess.run([*CHECK[:-1], *words[1:]], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "output              failed        answered with the error: no memory left" in again.stdout
    other = subprocess.run(
        [*CHECK[:-1], "repro", "--seconds", "5", CASE, f"--process={command('error')}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.stdout == again.stdout
    alone = again.stdout.partition("The same without lstm-conformance:")[2]
    shell = subprocess.run(["bash", "-c", alone], capture_output=True, text=True, check=True)
    assert json.loads(shell.stdout.splitlines()[1]) == {"call": 1, "error": "no memory\nleft"}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("leaves-out", 'Give them, or declare it at the handshake: "without": ["d_x"].'),
        ("one-dtype", 'If it does not know float64, declare that: "dtypes": ["float32"].'),
        ("crash", "On standard error: about to abort"),
        ("crash", "A program: begun again 1 time; not put to inputs-unchanged (what it is given are copies)"),
    ],
)
def test_a_report_says_it_in_the_words_of_the_protocol(what: str, told: str) -> None:
    done = subprocess.run(
        [*CHECK, "--process", command(what), "--html", "report.html"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert told in done.stdout
    if what == "crash":
        assert "about to abort" in Path("report.html").read_text()


def test_in_python_it_is_a_candidate_like_any_other() -> None:
    lstm = conformance.process(command("error"))
    other = case("plain-all-float32")
    assert lstm(other)["d_kernel"].shape == other.shapes["d_kernel"]
    with pytest.raises(ProcessError, match="answered with the error: no memory left"):
        lstm(case())
    assert {result.trial for result in run(lstm, "mine").failures} == {CASE}
    assert caller(lstm) is not lstm.program, "a trial has a process of its own"


def test_it_is_ended_when_nobody_holds_it_any_more() -> None:
    lstm = process(command("none"))
    assert lstm(case())
    pid = int(Path("begun").read_text())
    assert not gone(pid)
    del lstm
    assert gone(pid)


def test_the_pytest_door_takes_it() -> None:
    words = ["-q", "--pyargs", "conformance", "-p", "no:cacheprovider", "-k", "plain-all or behaviour"]
    words += ["--lstm-candidate", f"process:{command('error')}"]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], capture_output=True, text=True, check=False)
    assert "9 failed, 73 passed" in done.stdout, done.stdout[-2000:]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_the_check_ends_the_program(sent: signal.Signals) -> None:
    checking = subprocess.Popen(
        [*CHECK, "--process", command("hang")], start_new_session=True, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 20
    while not Path("begun").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(checking.pid, sent)
    checking.wait(20)
    assert gone(int(Path("begun").read_text()))
