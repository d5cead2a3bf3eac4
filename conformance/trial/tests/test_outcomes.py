"""Wrong, odd and not judged, kept apart: in the verdict, in every report and through every door."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from junitparser import JUnitXml

import conformance
from conformance.case import Case, Result
from conformance.cli import main
from conformance.fixtures.store import golden
from conformance.report import html, json_report
from conformance.report.json_report import NOTHING
from conformance.trial.call import SAME, InThread
from conformance.trial.doors import ConformanceRemark, checks
from conformance.trial.results import Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong

WRONG = Path(wrong.__file__)
SMALL = next(vector.case for vector in golden() if vector.case.id == "plain-all-float32")


def kinds(report: Report, status: str) -> set[str]:
    return {result.quantity for result in report.results if result.status == status}


ODD = {
    "dtype_widened": "dtype",
    "sigmoid_overflow": "quiet-when-saturated",
    "unstable_output_gate": "quiet-when-saturated",
}


@pytest.mark.parametrize("name", ODD)
def test_who_is_odd_and_right_conforms_with_a_remark_unless_asked_strictly(name: str) -> None:
    report = run(getattr(wrong, name), name)
    assert (report.verdict(), report.numbers_right) == ("conforms", True)
    assert kinds(report, "remark") == {ODD[name]}
    assert report.failures == ()
    strict = run(getattr(wrong, name), name, strict=True)
    assert (strict.verdict(), strict.numbers_right) == ("does not conform", True)


@pytest.mark.parametrize(
    ("arguments", "status", "first"),
    [
        (["sigmoid_overflow"], 0, "conforms, with 1 remark: all numbers are right (profile"),
        (["sigmoid_overflow", "--strict"], 1, "does not conform, with 1 remark, though all numbers are right (profile"),
        (["correct", "--strict"], 0, "conforms: all numbers are right (profile"),
        (["state_leaks"], 1, "does not conform (profile"),
        (["input_mutated"], 1, "does not conform, though all numbers are right (profile"),
    ],
)
def test_the_first_line_says_whether_all_numbers_are_right(
    arguments: list[str], status: int, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"{WRONG}:{arguments[0]}", *arguments[1:]]) == status
    assert capsys.readouterr().out.startswith(f"{WRONG}:{arguments[0]} {first}")


def test_every_report_shows_the_three_apart(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r.json", "r.xml", "r.html")]
    options = [
        word for file, kind in zip(files, ("json", "junit", "html"), strict=True) for word in (f"--{kind}", str(file))
    ]
    for strict in ([], ["--strict"]):
        assert main(["check", f"{WRONG}:dtype_widened", *options, *strict]) == len(strict)
        told = json.loads(files[0].read_text())
        jsonschema.validate(told, json_report.schema())
        assert (told["format"], told["strict"], told["numbers_right"]) == (2, bool(strict), True)
        assert [(r["kind"], r["dtype"]) for r in told["remarks"]] == [("dtype", "float32")]
        assert "float64 results for float32 input: output, h, c" in told["remarks"][0]["text"]
        assert (told["failures"], told["counts"]["remarks"], told["counts"]["failed"]) == ([], 1, 0)
        suite = JUnitXml.fromfile(str(files[1]))
        assert suite.failures == len(strict)
        page = files[2].read_text()
        assert ("Conforms, with 1 remark: all numbers are right." in page) == (not strict)
        assert 'id="remarks"' in page
        assert "float64 results for float32 input" in page


def test_float64_buffers_are_one_statement_and_what_else_is_wrong_is_told_of_both_dtypes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "conformance.trial.tests.test_outcomes:widened_and_wrong"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("float64 results for float32 input") == 1
    assert "in all of float64 and no others" not in printed
    assert re.search(r"bold|grad-batch-mean", printed)


def widened_and_wrong(case: Case) -> Result:
    return {name: array.astype(np.float64) for name, array in wrong.grad_batch_mean(case).items()}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_dtype_can_be_declared_away(dtype: str) -> None:
    @conformance.candidate(without=(dtype,))
    def one_only(case: Case) -> Result:
        assert case.dtype != dtype
        return wrong.correct(case)

    report = run(one_only, "one_only")
    assert report.conforms()
    assert len(report.results) > 700
    assert not any(result.id.endswith(dtype) for result in report.results)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_who_raises_in_one_dtype_is_judged_and_diagnosed_in_the_other(
    dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"{Path(__file__)}:only_{'float32' if dtype == 'float64' else 'float64'}"]) == 1
    printed = capsys.readouterr().out
    assert "grad-batch-mean" in printed
    assert f"was not called any more in {dtype} after it raised TypeError: no {dtype} here" in printed
    assert f"{SAME} times in a row" in printed
    assert f'declare that: conformance.candidate(without=("{dtype}",)).' in printed


def only(dtype: str, case: Case) -> Result:
    if case.dtype != dtype:
        raise TypeError(f"no {case.dtype} here")
    return wrong.grad_batch_mean(case)


def only_float32(case: Case) -> Result:
    return only("float32", case)


def only_float64(case: Case) -> Result:
    return only("float64", case)


def test_code_that_always_raises_is_told_its_exception_and_soon(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{Path(__file__)}:always_raises"]) == 1
    printed = capsys.readouterr().out
    assert "always_raises does not conform (profile forward" in printed
    assert "raised RuntimeError: not yet" in printed


called: list[str] = []


def always_raises(case: Case) -> Result:
    called.append(case.id)
    raise RuntimeError("not yet")


def test_thirty_times_the_same_exception_end_the_calls() -> None:
    called.clear()
    report = run(always_raises, "always_raises")
    assert 2 * SAME <= len(called) <= 2 * SAME + 20
    assert report.verdict() == "does not conform"


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_exception_without_a_text_is_told_by_its_name() -> None:
    def odd(case: Case) -> Result:
        raise UnprintableError

    outcome = InThread(odd)(SMALL)
    assert outcome.failure.startswith("raised UnprintableError: (whose text cannot be made)")


# Threads.


def test_all_calls_are_made_in_one_thread() -> None:
    import threading

    seen = set()

    def note(case: Case) -> Result:
        seen.add(threading.get_ident())
        return wrong.correct(case)

    assert run(note, "note").conforms()
    assert len(seen) == 1


# Warnings and rounding.


@pytest.mark.parametrize(
    ("warning", "remarks"),
    [
        (DeprecationWarning("old"), set()),
        (UserWarning("TF32 is on"), set()),
        (RuntimeWarning("overflow encountered in exp"), {"quiet-when-saturated"}),
    ],
)
def test_only_numeric_warnings_of_saturated_gates_are_remarked_on(warning: Warning, remarks: set[str]) -> None:
    def warns(case: Case) -> Result:
        if case.id.endswith("saturated"):
            warnings.warn(warning, stacklevel=1)
        return wrong.correct(case)

    assert kinds(run(warns, "warns"), "remark") == remarks


def test_a_warning_at_any_gate_says_nothing_of_saturated_ones() -> None:
    def warns(case: Case) -> Result:
        warnings.warn(RuntimeWarning("overflow encountered in exp"), stacklevel=1)
        return wrong.correct(case)

    assert run(warns, "warns").remarks == ()


def test_rounding_otherwise_from_call_to_call_is_a_remark() -> None:
    calls = iter(range(10**9))

    def rounds(case: Case) -> Result:
        result = dict(wrong.correct(case))
        result["output"] = result["output"] * (1 + next(calls) % 2 * np.finfo(case.dtype).eps)
        return result

    report = run(rounds, "rounds")
    assert report.conforms()
    assert kinds(report, "remark") == {"repeatable"}
    assert "not repeatable to the bit" in report.remarks[0].message


# Every door.


def test_a_forward_only_candidate_conforms_through_every_door(tmp_path: Path) -> None:
    assert run(wrong.forward_only, "forward_only").conforms()
    for check in checks(wrong.forward_only):
        check()
    suite = tmp_path / "test_mine.py"
    suite.write_text(
        "import conformance\nfrom conformance.trial.tests.wrong import forward_only\n\n"
        "@conformance.parametrize(forward_only)\ndef test_mine(check):\n    check()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, str(suite)], cwd=tmp_path, capture_output=True, text=True)
    assert re.search(r"^\d{3} passed", done.stdout, re.M), done.stdout
    options = ["--pyargs", "conformance", "--lstm-candidate", f"{WRONG}:forward_only"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert re.search(r"\d{3} passed", done.stdout), done.stdout
    assert "failed" not in done.stdout


def test_a_remark_is_a_warning_in_pytest_and_fails_strictly() -> None:
    def status(check: conformance.trial.doors.Check) -> str:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                check()
            except pytest.fail.Exception:
                return "failed"
        return "warned" if any(w.category is ConformanceRemark for w in caught) else "passed"

    ids = {True: "failed", False: "warned"}
    for strict, expected in ids.items():
        found = {check.id: status(check) for check in checks(wrong.sigmoid_overflow, strict=strict)}
        assert {id for id, said in found.items() if said != "passed"} == {
            f"behaviour:quiet-when-saturated:{dtype}" for dtype in ("float64", "float32")
        }
        assert expected in found.values()


def test_known_failures_pass_against_a_baseline_and_mended_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    assert main(["check", f"{WRONG}:grad_batch_mean", "--json", str(old)]) == 1
    assert main(["check", f"{WRONG}:grad_batch_mean", "--baseline", str(old)]) == 0
    assert re.search(r"[1-9]\d* known to fail:", capsys.readouterr().out)
    assert main(["check", f"{WRONG}:correct", "--baseline", str(old)]) == 0
    assert re.search(r"[1-9]\d* mended:\n    \S+:d_kernel", capsys.readouterr().out)
    assert main(["check", f"{WRONG}:gate_order", "--baseline", str(old)]) == 1
    known = json.loads(old.read_text())
    known["checks"] = [check for check in known["checks"] if "-t7-" not in check["id"]]
    old.write_text(json.dumps(known))
    capsys.readouterr()
    assert main(["check", f"{WRONG}:hangs", "--seconds", "0.3", "--baseline", str(old)]) == 1, "new, and not judged"


def test_the_line_that_repeats_a_failure_is_quoted_for_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my folder"
    folder.mkdir()
    (folder / "a.py").write_text("from conformance.trial.tests.wrong import gate_order as lstm\n")
    assert main(["check", f"{folder}/a.py:lstm"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Repeat it:"))
    words = shlex.split(line.removeprefix("Repeat it:"))
    assert words[:3] == ["lstm-conformance", "repro", f"{folder}/a.py:lstm"]
    assert main(words[1:]) == 1
    assert "lstm-conformance has to be there, since the candidate imports it" in capsys.readouterr().out


def test_a_page_of_what_was_not_judged_says_so() -> None:
    def late(case: Case) -> Result:
        return wrong.correct(case)

    report = run(late, "late")
    results = tuple(
        conformance.trial.results.CheckResult(r.id, r.trial, r.quantity, "not judged", "gave no result within 1 s")
        if r.trial == SMALL.id and not r.behaviour
        else r
        for r in report.results
    )
    from dataclasses import replace

    page = html.render(replace(report, results=results), NOTHING, "late.py:lstm")
    assert ">…</span>Incomplete</h1>" in page
    assert 'id="not-judged"' in page


def test_a_program_that_needs_nothing_of_this_package_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text(
        "import numpy as np\n\ndef lstm(case):\n    return {'output': case.x[..., :1] * 0 + 1}\n"
    )
    assert main(["repro", f"{tmp_path}/a.py:lstm", "one-unit-float64"]) == 1
    assert "The same without lstm-conformance:" in capsys.readouterr().out
