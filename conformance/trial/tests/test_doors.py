"""The pytest doors: a decorator for a user's own suite, and --pyargs without writing a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import conformance
from conformance.errors import CandidateError
from conformance.fixtures.store import golden
from conformance.trial.checks import CHECKS
from conformance.trial.tests import wrong

SUITE = """
import conformance
from conformance.trial.tests.wrong import {name}

@conformance.parametrize({name}, expected_failures={expected})
def test_mine(check):
    check()
"""

CHECKED = sum(len(vector.case.shapes) for vector in golden()) + 2 * len(CHECKS)
"""How many checks there are of a candidate that takes and gives everything."""


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def suite(folder: Path, name: str, expected: str = "{}") -> str:
    (folder / "test_mine.py").write_text(SUITE.format(name=name, expected=expected))
    return pytest_run(folder).stdout


def test_one_test_per_check(tmp_path: Path) -> None:
    printed = suite(tmp_path, "correct")
    assert f"{CHECKED} passed" in printed


def test_failures_are_single_and_say_what_is_wrong(tmp_path: Path) -> None:
    printed = suite(tmp_path, "grad_recurrent_uses_new_hidden")
    assert "FAILED test_mine.py::test_mine[plain-all-float64:d_recurrent_kernel]" in printed
    assert "numbers are wrong; worst at from=" in printed
    assert "d_x]" not in printed


def test_expected_failures_are_strict(tmp_path: Path) -> None:
    every = "{c: 'known' for v in ('plain-all', 'one-step') for c in (f'{v}-float64:d_recurrent_kernel',)}"
    printed = suite(tmp_path, "grad_recurrent_uses_new_hidden", every)
    assert "2 xfailed" in printed
    printed = suite(tmp_path, "correct", "{'plain-all-float64': 'was wrong once'}")
    assert "9 failed" in printed
    assert "[XPASS(strict)] was wrong once" in printed


def test_an_expected_failure_that_matches_nothing_or_has_no_reason_is_an_error() -> None:
    with pytest.raises(CandidateError, match="match no check: plain-everything"):
        conformance.parametrize(wrong.correct, expected_failures={"plain-everything": "why not"})
    with pytest.raises(CandidateError, match="without a reason: plain-all-float64"):
        conformance.parametrize(wrong.correct, expected_failures={"plain-all-float64": " "})


def test_a_case_that_is_expected_to_fail_may_pass_in_part(tmp_path: Path) -> None:
    printed = suite(tmp_path, "grad_recurrent_uses_new_hidden", "{'plain-all-float64': 'known'}")
    assert "1 xfailed" in printed
    assert "XPASS" not in printed


@pytest.mark.parametrize("options", [{"against": "torhc"}, {"profile": "trainig"}])
def test_a_misspelt_option_is_an_error_and_not_an_empty_suite(options: dict[str, str]) -> None:
    with pytest.raises(CandidateError, match="is none of"):
        conformance.parametrize(wrong.correct, **options)  # type: ignore[arg-type]  # the misuse


def test_nothing_to_check_is_an_error() -> None:
    @conformance.candidate(without=conformance.QUANTITIES)
    def nothing(case: conformance.Case) -> conformance.Result:
        return {}

    with pytest.raises(CandidateError, match="nothing is left to check"):
        conformance.parametrize(nothing)


def test_what_is_declared_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from conformance.zoo.adapters import time_major_class as lstm")
    (tmp_path / "test_mine.py").write_text(
        SUITE.format(name="x", expected={})
        .replace("conformance.trial.tests.wrong import x", "mine import lstm")
        .replace("(x,", "(lstm,")
    )
    printed = pytest_run(tmp_path).stdout
    assert "failed" not in printed
    assert "skipped" in printed, "chunks needs a state"


def test_a_candidate_on_trial_without_writing_a_test(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, "--pyargs", "conformance", "--lstm-candidate", f"{wrong.__file__}:grad_batch_mean")
    assert done.returncode == 1
    assert "test_conforms[plain-all-float64:d_kernel]" in done.stdout
    assert f"{CHECKED} passed" in pytest_run(tmp_path, "--pyargs", "conformance", "--lstm-candidate", "ref").stdout
    forward = pytest_run(
        tmp_path,
        "--pyargs",
        "conformance",
        "--lstm-profile",
        "forward",
        "--lstm-candidate",
        f"{wrong.__file__}:forward_only",
    )
    assert forward.returncode == 0


def test_a_candidate_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, "--pyargs", "conformance", "--lstm-candidate", "nothing.py:lstm")
    assert done.returncode != 0
    assert "there is no file nothing.py" in done.stdout + done.stderr


@pytest.mark.usefixtures("every_core")
def test_a_worker_with_cores_of_its_own_has_no_more_threads_than_those(tmp_path: Path) -> None:
    """More threads than cores wait for each other: NumPy counts cores when it is imported, which has to be late enough."""
    (tmp_path / "test_threads.py").write_text(
        "import os\nimport numpy\nfrom threadpoolctl import threadpool_info\n"
        "def test_threads():\n"
        "    assert len(os.sched_getaffinity(0)) < os.cpu_count()\n"
        "    assert {pool['num_threads'] for pool in threadpool_info()} == {len(os.sched_getaffinity(0))}\n"
    )
    done = pytest_run(tmp_path, "-n", "2", "--lstm-own-cores", "-p", "conformance.suite.conftest", "test_threads.py")
    assert "1 passed" in done.stdout, done.stdout
