"""The command `sweep`, and `repro` of what it wrote."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.cli import main
from conformance.errors import CONFORMS, DOES_NOT, MISUSE
from conformance.report.documentation import ROOT
from conformance.sweep.plan import BLOCK

WRONG = "conformance.sweep.tests.candidates:wrong"


def blocks(state: Path) -> list[int]:
    return [line["block"] for line in map(json.loads, state.read_text().splitlines()) if "block" in line]


def test_what_is_found_can_be_repeated_and_the_sweep_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["sweep", WRONG, "--workers", "1", "--state", "state", "--out", "small"]
    assert main([*words, "--cases", "64"]) == DOES_NOT
    first = capsys.readouterr().out
    assert "\n64 cases of seed 0, in " in first
    assert first.rstrip().endswith(": 1 disagree")
    assert f"lstm-conformance repro {WRONG} small/" in first
    (file,) = (tmp_path / "small").iterdir()
    assert main(["repro", WRONG, str(file)]) == DOES_NOT
    assert "c                   failed" in capsys.readouterr().out
    assert main(["repro", "ref", str(file)]) == CONFORMS
    capsys.readouterr()
    assert main([*words, "--cases", "128"]) == DOES_NOT
    again = capsys.readouterr().out
    assert "128 cases of seed 0, 64 of them now, in " in again
    assert first.split("\n\n")[1] in again
    assert sorted(blocks(tmp_path / "state")) == [0, 1]


def test_a_program_is_swept_and_a_changed_one_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "my_lstm.py"
    example = (ROOT / "conformance/languages/examples/my_lstm.py").read_text()
    program.write_text(example)
    words = ["sweep", f"process:{sys.executable} my_lstm.py", "--workers", "1", "--state", "state", "--cases"]
    assert main([*words, "64"]) == CONFORMS
    assert "64 cases of seed 0" in capsys.readouterr().out
    program.write_text(example + "\n")
    assert main([*words, "128"]) == MISUSE
    assert "state" in capsys.readouterr().err


def test_a_program_that_ends_in_every_call_is_called_in_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ends.py").write_text(
        'import sys\nsys.stdin.readline()\nprint(\'{"protocol":"lstm-conformance","version":1,"arrays":"numbers"}\', flush=True)\n'
        "sys.stdin.readline()\nsys.exit(3)\n"
    )
    assert main(["sweep", f"process:{sys.executable} ends.py", "--workers", "1", "--cases", "16"]) == DOES_NOT
    printed = capsys.readouterr().out
    assert "16 disagree" in printed
    repeat = next(line for line in printed.splitlines() if line.startswith("Repeat it:"))
    assert shlex.split(repeat)[4] == f"process:{sys.executable} ends.py"
    assert "not called any more" not in printed


def test_a_sweep_that_was_killed_is_taken_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    words = ["sweep", "ref", "--cases", str(10 * BLOCK), "--workers", "1", "--state", str(state), "--measure"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "conformance", *words], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not (state.exists() and blocks(state)):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = len(blocks(state))
    assert 0 < done < 10
    assert main(words) == CONFORMS
    told = capsys.readouterr().out
    assert f"640 cases of seed 0, {640 - done * BLOCK} of them now, in " in told
    assert sorted(blocks(state)) == list(range(10))
    assert (
        sum(
            int(line.split(")")[1].split()[1].replace(",", ""))
            for line in told.splitlines()
            if line.startswith("weights")
        )
        == 640
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.py:lstm"], "there is no file nothing.py"),
        (["certified"], "it is no candidate of a sweep"),
        (["ref", "--workers", "2", "--scheduler", "tcp://x:1"], "exclude each other"),
        (["ref", "--out", "file"], "file is a file, expected a folder"),
        (["ref", "--state", "nowhere/state"], "there is no directory nowhere"),
        (["ref", "--state", "file"], "file is no file of a sweep"),
        (["ref", "--features", "peephole,wings"], "are none"),
    ],
)
def test_misuse_is_told_in_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine\n")
    assert main(["sweep", *words, "--cases", "64"]) == MISUSE
    told = capsys.readouterr().err.strip()
    assert message in told
    assert "\n" not in told
    assert Path("file").read_text() == "mine\n"


@pytest.mark.parametrize("words", [["small.safetensors"], ["small.safetensors", "--model", "x.pt"]])
def test_a_file_that_is_no_case_is_refused(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.safetensors").write_bytes(b"x")
    assert main(["repro", "ref", *words]) == MISUSE
