"""`check` and `repro`: a right LSTM conforms, a wrong one is told where, a misuse is one clear line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from junitparser import JUnitXml

import conformance
from conformance.cli import main
from conformance.report import json_report
from conformance.trial.results import Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong

WRONG = Path(wrong.__file__)

CAUGHT = {
    # slug: which checks have to fail, and which must not
    "sigmoid_epsilon": ({"output", "c"}, {"shapes", "dtype"}),
    "gate_order": ({"output"}, {"shapes"}),
    "recurrent_transposed": ({"output", "d_recurrent_kernel"}, {"dtype"}),
    "output_tanh_missing": ({"output"}, {"repeatable"}),
    "forget_ignored": ({"c"}, {"repeatable"}),
    "h0_ignored": ({"output", "chunks"}, {"repeatable"}),
    "final_states_swapped": ({"h", "c", "chunks"}, {"output", "d_x", "d_kernel"}),
    "grad_final_cell_ignored": ({"d_c0", "d_x", "d_kernel"}, {"output", "h", "c"}),
    "grad_final_hidden_ignored": ({"d_h0", "d_x"}, {"output", "h", "c"}),
    "grad_forget_uses_new_cell": ({"d_bias", "d_x"}, {"output", "h", "c"}),
    "grad_cell_carry_misses_forget": ({"d_c0", "d_x"}, {"output", "h", "c"}),
    "grad_recurrent_uses_new_hidden": (
        {"d_recurrent_kernel"},
        {"output", "h", "c", "d_x", "d_kernel", "d_bias", "d_h0"},
    ),
    "grad_batch_mean": ({"d_kernel", "d_recurrent_kernel", "d_bias"}, {"output", "h", "c", "d_x", "d_h0", "d_c0"}),
    "dtype_narrowed": ({"output", "d_x"}, {"dtype", "shapes"}),
    "state_leaks": ({"repeatable"}, {"dtype", "inputs-unchanged"}),
    "input_mutated": ({"inputs-unchanged"}, {"output", "d_x", "dtype"}),
    "batch_leak": ({"batch-order", "samples-independent", "output"}, {"repeatable", "dtype"}),
    "nan_at_saturation": ({"output"}, {"repeatable", "dtype"}),
    "wrong_shape": ({"output", "shapes"}, {"h", "c", "d_x"}),
    "raises": ({"output", "d_kernel"}, {"shapes", "repeatable"}),
    "exits": ({"output"}, {"shapes", "repeatable"}),
    "ignores_x": ({"output", "inputs-unchanged"}, {"shapes"}),
    "wipes_cotangents": ({"inputs-unchanged"}, {"repeatable", "output", "d_x"}),
    "wipes_everything": ({"inputs-unchanged"}, {"repeatable", "output", "d_x"}),
    "shared_buffer": ({"repeatable"}, {"inputs-unchanged", "dtype"}),
    "lazy": ({"output"}, {"repeatable", "shapes"}),
    "misnamed": (set(), {"output", "d_kernel"}),
}


def trial(name: str) -> Report:
    return run(getattr(wrong, name), name, seconds=2.0)


def statuses(report: Report, status: str) -> set[str]:
    return {result.quantity for result in report.results if result.status == status}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_wrong_lstm_does_not_conform_and_the_right_checks_say_so(name: str) -> None:
    report = trial(name)
    failed, sound = CAUGHT[name]
    assert not report.conforms()
    assert failed <= statuses(report, "failed")
    assert not sound & statuses(report, "failed")


def test_a_candidate_that_overwrites_its_inputs_does_not_change_what_it_is_compared_with() -> None:
    report = run(wrong.ignores_x, "ignores_x", against="torch")
    assert "output" in statuses(report, "failed")


def test_a_sigmoid_written_with_tanh_is_correct() -> None:
    assert run(wrong.tanh_sigmoid, "tanh_sigmoid").conforms()


def test_a_module_that_silences_an_overflow_stays_silent(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(
        "import numpy as np\nfrom conformance.trial.tests.wrong import sigmoid_overflow as lstm\nnp.seterr(over='ignore')\n"
    )
    program = "import sys; from conformance.cli import main; sys.exit(main(['check', 'quiet.py:lstm']))"
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True).returncode == 0


def test_the_forward_profile_looks_at_the_forward_pass_alone() -> None:
    assert run(wrong.grad_batch_mean, "mean", profile="forward").conforms()
    assert not run(wrong.grad_batch_mean, "mean", profile="training").conforms()


@pytest.mark.parametrize("without", [("bias",), ("d_output",), ("h0", "c0"), ("d_output", "d_h", "d_c")])
def test_whatever_is_declared_behaviour_is_checked(without: tuple[str, ...]) -> None:
    @conformance.candidate(without=without)
    def mutates(case: conformance.Case) -> conformance.Result:
        result = wrong.correct(case)
        case.x[...] *= 0.5
        return result

    report = run(mutates, "mutates")
    assert {r.quantity for r in report.failures} == {"inputs-unchanged"}


def test_in_both_dtypes_a_loose_sigmoid_exceeds_the_allowed_error_tenfold() -> None:
    report = trial("sigmoid_epsilon")
    for dtype in ("float64", "float32"):
        assert max(r.share or 0 for r in report.results if r.trial.endswith(dtype)) > 10


@pytest.mark.parametrize("name", ["ref", "torch", "keras"])
def test_correct_engines_conform_in_both_profiles(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name} conforms: all numbers are right (profile training, against fixtures)")
    assert "profile forward: conforms" in printed
    counted = re.search(r"([\d,]+) checks: ([\d,]+) passed, 0 failed, 0 not provided, 0 undeclared", printed)
    assert counted is not None
    assert counted[1] == counted[2]
    assert int(counted[1].replace(",", "")) >= 600


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_framework_begins_without_lines_of_its_own(name: str) -> None:
    program = f"from conformance.implementations import built_in; built_in({name!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["forward_only"], "profile training: not asked for; it gives no gradients"),
        (["correct", "--profile", "forward"], "profile training: conforms"),
        (["grad_final_cell_ignored", "--profile", "forward"], "profile training: does not conform"),
        (["forward_only", "--profile", "training"], "profile forward: conforms"),
    ],
)
def test_gradients_are_no_fault_of_who_gives_none_and_is_not_asked_for_them(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = arguments
    main(["check", f"{WRONG}:{name}", *options])
    assert told in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("oracle", ["torch", "keras"])
def test_a_trial_against_live_frameworks(oracle: str) -> None:
    good = run(wrong.correct, "correct", against=oracle)
    assert good.conforms()
    assert len([r for r in good.results if r.trial.startswith(f"{oracle}:")]) > 1000


def test_a_wrong_lstm_against_a_live_framework() -> None:
    report = run(wrong.grad_batch_mean, "mean", against="torch")
    assert statuses(report, "failed") == {"d_kernel", "d_recurrent_kernel", "d_bias"}


def test_an_exception_is_named_with_its_place() -> None:
    messages = {r.message for r in trial("raises").failures}
    assert any(re.fullmatch(r"raised ValueError: too long for me \(.*wrong\.py, line \d+\)", m) for m in messages)
    assert any("raised SystemExit: 3" in r.message for r in trial("exits").failures)


def test_a_candidate_that_gives_no_gradients_is_judged_by_its_forward_pass_unless_asked_otherwise() -> None:
    report = run(wrong.forward_only, "forward_only")
    assert (report.profile, report.conforms()) == ("forward", True)
    assert not report.conforms("training")
    assert report.counts("training")["undeclared"] > 500
    assert not run(wrong.forward_only, "forward_only", profile="training").conforms()


def test_a_misspelt_quantity_is_undeclared_and_its_key_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{WRONG}:misnamed"]) == 1
    printed = capsys.readouterr().out
    assert "Its results have unknown keys: dx" in printed
    assert 'Left out of the results without a word: "d_x"' in printed


def misuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, "more than one line"
    return captured.err


@pytest.mark.parametrize(
    ("content", "spec", "message"),
    [
        (None, "nothing.py:lstm", "there is no file nothing.py"),
        ("def other(case): ...", "mine.py:lstm", "has no 'lstm'; it has other"),
        ("def lstm(case):\n  return {", "mine.py:lstm", "line 2: "),
        ("import nonexistent_package", "mine.py:lstm", "No module named 'nonexistent_package'"),
        ("1 / 0", "mine.py:lstm", "raised ZeroDivisionError when it was imported: division by zero"),
        ("import sys; sys.exit('bye')", "mine.py:lstm", "raised SystemExit when it was imported: bye"),
        ("lstm = 3", "mine.py:lstm", "is a int, expected a callable"),
        ("def lstm(case): ...", "mine.py", "names a file and no function in it: write mine.py:NAME"),
        (None, "no.such.module:lstm", "there is no module 'no'"),
        (None, "lstm", "'lstm' is no candidate"),
        ("def lstm(case): return None", "mine.py:lstm", "Mostly: returned None, expected a mapping"),
        ("def lstm(case): return {'output': ['a']}", "mine.py:lstm", "Mostly: output: is a list"),
    ],
)
def test_misuse_is_one_clear_line_and_status_2(
    content: str | None,
    spec: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("mine.py").write_text(content)
    assert message in misuse(capsys, "check", spec)


def test_wrong_shapes_throughout_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert "can be compared. Mostly: " in misuse(capsys, "check", f"{WRONG}:transposed_throughout")


def test_a_bad_option_is_misuse() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", "ref", "--profile", "backward"])


def test_traceback_only_when_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "check", "nothing.py:lstm"]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (plain.returncode, plain.stderr) == (2, "lstm-conformance: there is no file nothing.py.\n")
    full = subprocess.run([*command, "--traceback"], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" in full.stderr


@pytest.mark.parametrize(
    "name", ["correct", "grad_final_cell_ignored", "state_leaks", "nan_at_saturation", "raises", "raises_odd_text"]
)
def test_json_report_keeps_its_schema_and_junit_can_be_read(name: str, tmp_path: Path) -> None:
    json_file, junit_file = tmp_path / "report.json", tmp_path / "report.xml"
    status = main(["check", f"{WRONG}:{name}", "--json", str(json_file), "--junit", str(junit_file)])
    report = json.loads(json_file.read_text())
    jsonschema.validate(report, json_report.schema())
    assert report["verdict"] == ("conforms" if status == 0 else "does not conform")
    counts = report["counts"]
    assert counts.pop("checks") == sum(counts.values())
    assert len(report["failures"]) == counts["failed"]
    read = JUnitXml.fromfile(str(junit_file))
    assert (read.tests, read.failures) == (sum(counts.values()), counts["failed"])
    assert (report["smallest_failure"] is None) == (status == 0)


def test_what_a_profile_does_not_ask_for_is_not_known_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    assert main(["check", f"{WRONG}:forward_only", "--json", str(old)]) == 0
    assert main(["check", f"{WRONG}:forward_only", "--baseline", str(old)]) == 0
    assert "  0 known to fail\n" in capsys.readouterr().out


def test_baseline_lists_new_failures_lost_checks_and_grown_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    assert main(["check", f"{WRONG}:correct", "--json", str(old)]) == 0
    assert main(["check", f"{WRONG}:correct", "--baseline", str(old)]) == 0
    assert "0 newly failing" in capsys.readouterr().out
    assert main(["check", f"{WRONG}:grad_batch_mean", "--baseline", str(old)]) == 1
    assert re.search(r"[1-9]\d* newly failing:\n    \S+:d_kernel", capsys.readouterr().out)
    assert main(["check", f"{WRONG}:forward_only", "--profile", "forward", "--baseline", str(old)]) == 1
    assert re.search(r"[1-9]\d* no longer run or judged:\n    \S+:d_x", capsys.readouterr().out)

    before = json.loads(old.read_text())
    for check in before["checks"]:
        if check["share"] is not None:
            check["share"] /= 1000
    old.write_text(json.dumps(before))
    assert main(["check", f"{WRONG}:correct", "--baseline", str(old)]) == 0, "growth alone is no regression"
    assert re.search(r"[1-9]\d* with an error more than ten times as large", capsys.readouterr().out)
    old.write_text("{}")
    assert "is no report" in misuse(capsys, "check", f"{WRONG}:correct", "--baseline", str(old))
    assert "there is no baseline" in misuse(capsys, "check", "ref", "--baseline", str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("name", "case"), [("grad_final_cell_ignored", "plain-all-float32"), ("output_tanh_missing", "long-200-float64")]
)
def test_repro_prints_a_program_that_shows_the_failure(
    name: str, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repro", f"{WRONG}:{name}", case]) == 1
    printed = capsys.readouterr().out
    actual = re.search(r"failed +\w+: .* expected (\S+), actual (\S+),", printed)
    assert actual is not None
    program = printed.partition("since the candidate imports it:\n\n")[2]
    assert "conformance." not in program.replace(str(WRONG), "")
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    ).stdout
    expected, wrong_value = float(actual[1]), float(actual[2])
    numbers = [float(word) for word in re.findall(r"(?:actual|expected) +(\S+)", shown)]
    assert numbers == pytest.approx([wrong_value, expected], rel=1e-6)


def test_repro_of_what_passes_and_of_what_is_no_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repro", "ref", "plain-all-float64"]) == 0
    assert "without lstm-conformance" not in capsys.readouterr().out
    assert "there is no case 'plain-all'" in misuse(capsys, "repro", "ref", "plain-all")
    assert "which no single case shows" in misuse(capsys, "repro", "ref", "behaviour:dtype:float64")
    zoo = "conformance.zoo.adapters:time_major_class"
    assert "declares that it cannot take the case plain-all-float64" in misuse(
        capsys, "repro", zoo, "plain-all-float64"
    )
    assert main(["repro", "ref", "plain-all-float64:d_x"]) == 0, "the id of a check names its case"


def test_a_report_goes_where_it_can_or_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no directory" in misuse(capsys, "check", "ref", "--json", str(tmp_path / "no" / "r.json"))
    assert "is a directory" in misuse(capsys, "check", "ref", "--junit", str(tmp_path))
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert main(["check", "ref", "--json", str(link)]) == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["verdict"] == "conforms"
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []
    piped = subprocess.run(
        [sys.executable, "-m", "conformance", "check", "ref", "--json", "/dev/stderr"], capture_output=True, text=True
    )
    assert json.loads(piped.stderr)["counts"]["failed"] == 0


def test_check_needs_neither_frameworks_nor_h5py_nor_flint() -> None:
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in 'torch tensorflow keras h5py flint covertable pytest jsonschema'.split():\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from conformance.cli import main\n"
        "sys.exit(main(['check', 'ref']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
