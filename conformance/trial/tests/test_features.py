"""What a candidate is asked for beyond the plain LSTM: declared, on the command line, in every report and at every door."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from junitparser import JUnitXml

import conformance
from conformance.case import Case, Result
from conformance.cases.features import FEATURES, features
from conformance.cases.network import NetworkSpec
from conformance.cli import main
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.diagnosis.diagnose import diagnose
from conformance.errors import CandidateError
from conformance.fixtures.store import golden
from conformance.implementations import built_in
from conformance.report import json_report
from conformance.trial.call import outcome_of
from conformance.trial.declare import asked_features, declared_features, named_features
from conformance.trial.doors import checks as doors
from conformance.trial.model import model_trials
from conformance.trial.results import Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong
from conformance.trial.worker import Worker
from lstm_ref import Layer, Options

BUGGY = """
import conformance
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.trial.tests.wrong import correct

made = network_bugs()[{slug!r}].candidate()

@conformance.candidate(features={features!r})
def lstm(case):
    return correct(case) if case.single else made(case)
"""


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


def buggy(slug: str) -> Callable[[Case], Result]:
    """A network with a bug; where it cannot show, it is the reference, which is faster."""
    bug, right = network_bugs()[slug], built_in("ref")
    made = bug.candidate()
    return lambda case: made(case) if bug.needs <= features(case) else right(case)


def cases_of(report: Report) -> list[frozenset[str]]:
    """The features of each case of a report."""
    return [features(trial.case) for trial in report.trials.values()]


def test_who_says_nothing_is_asked_for_the_plain_lstm_and_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{wrong.__file__}:correct"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("Asked for ")]
    assert told == [f"Asked for the plain LSTM alone; not for any of {', '.join(FEATURES)}"]


def test_what_is_declared_is_asked_for_and_nothing_else() -> None:
    network = conformance.candidate(features=("stacked", "bidirectional"))(lambda case: built_in("ref")(case))
    report = run(network, "network")
    assert report.conforms()
    assert report.asked == ("stacked", "bidirectional")
    assert "mask" in report.not_asked
    met = cases_of(report)
    assert {name for each in met for name in each} == {"stacked", "bidirectional"}
    assert frozenset() in met
    assert len(met) < len(golden(features=of(*FEATURES)))


def test_a_feature_brings_the_one_that_it_needs_and_what_is_lacked_takes_away_what_needs_it() -> None:
    assert asked_features(of("merge"), of()) == of("merge", "bidirectional")
    assert asked_features(of("zero-output", "stacked"), of("mask")) == of("stacked")


@pytest.mark.parametrize("asked", [{"features": frozenset(FEATURES)}, {"profile": "full"}])
def test_all_features_but_what_it_is_without(asked: dict[str, Any]) -> None:
    network = conformance.candidate(without=("mask",))(lambda case: built_in("ref")(case))
    report = run(network, "network", **asked)
    assert report.conforms()
    assert of(*report.asked) == frozenset(FEATURES) - {"mask", "zero-output"}
    assert not any("mask" in each for each in cases_of(report))
    assert report.profiles == (("forward", "training", "full") if "profile" in asked else ("forward", "training"))


def test_all_is_every_feature() -> None:
    assert named_features("all") == frozenset(FEATURES)
    assert named_features(" stacked, mask ,") == of("stacked", "mask")
    assert declared_features(conformance.candidate(features="all")(lambda case: {})) == frozenset(FEATURES)
    assert declared_features(lambda case: {}) == frozenset()


def test_an_unknown_feature_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CandidateError, match=r"features=\['staked'\] are none; write all, or some of stacked, widths"):
        conformance.candidate(features=("staked",))
    with pytest.raises(CandidateError, match=r"nor features .*bidirectional"):
        conformance.candidate(without=("biderectional",))
    with pytest.raises(CandidateError, match="some of stacked"):
        conformance.parametrize(wrong.correct, features="masks")
    assert main(["check", "ref", "--features", "masks"]) == 2
    assert "features=['masks'] are none; write all, or some of stacked" in capsys.readouterr().err


def test_the_reference_conforms_with_all_features_in_every_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html")}
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    assert main(["check", "ref", "--features", "all", *options]) == 0
    printed = capsys.readouterr().out
    assert f"Asked for the plain LSTM, {', '.join(FEATURES)}\n" in printed
    assert "d_projection" in printed
    report = json.loads(files["json"].read_text())
    jsonschema.validate(report, json_report.schema())
    assert report["features"] == {"asked": list(FEATURES), "not_asked": [], "not_met": []}
    ids = {check["id"] for check in report["checks"]}
    assert any(".reverse.d_recurrent_kernel" in id for id in ids)
    suite = JUnitXml.fromfile(str(files["junit"]))
    assert (suite.tests, suite.failures) == (len(ids), 0)
    assert "bidirectional" in files["html"].read_text()


def test_what_was_not_asked_for_is_in_the_json_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    json_report.write(run(wrong.correct, "correct", features=of("stacked")), path)
    told = json.loads(path.read_text())["features"]
    assert told["asked"] == ["stacked"]
    assert told["not_asked"] == [name for name in FEATURES if name != "stacked"]


def test_a_framework_is_asked_for_what_it_has_and_told_what_it_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "html")}
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    assert main(["check", "torch", "--features", "merge,zero-output,peephole", *options]) == 0
    printed = capsys.readouterr().out
    assert "\nIt declares that it is without: merge, peephole\n" in printed
    assert "\nAsked for the plain LSTM, bidirectional, mask, zero-output; not for stacked, " in printed
    why = "the outputs of a PackedSequence are zero at padding"
    assert re.search(rf"\nIt was not given \d+ cases, though it has all of their features: .*{why} \(\d+\)", printed)
    report = json.loads(files["json"].read_text())
    jsonschema.validate(report, json_report.schema())
    assert report["without"] == ["merge", "peephole"]
    assert why in [each["reason"] for each in report["not_given"]]
    assert why in files["html"].read_text()
    asked = {vector.case.id for vector in golden(features=of("bidirectional", "mask", "zero-output"))}
    judged = {check["id"].partition(":")[0] for check in report["checks"]} - {"behaviour"}
    assert len(asked - judged) == sum(each["cases"] for each in report["not_given"])


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("torch", ("merge", "reverse", "backwards", "peephole", "activations", "coupled", "clip")),
        ("keras", ("reverse", "projection", "peephole", "coupled", "clip")),
    ],
)
def test_a_framework_is_not_asked_for_what_it_has_not_and_who_calls_it_is(name: str, lacks: tuple[str, ...]) -> None:
    every = {vector.case.id: features(vector.case) for vector in golden(features=of(*FEATURES))}

    def asked(function: Callable[[Case], Result]) -> frozenset[str]:
        found = doors(function, features="all", profile="training")
        return frozenset().union(*(every[check.case] for check in found if check.case))

    assert asked(built_in(name)) == of(*FEATURES) - of(*lacks)
    assert asked(lambda case: built_in(name)(case)) == of(*FEATURES)


def test_a_case_that_a_framework_has_not_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repro", "torch", "reverse-float64"]) == 2
    assert "torch cannot take the case reverse-float64: torch.nn.LSTM has no reverse" in capsys.readouterr().err
    layer = Layer(golden()[0].case.params, options=Options(activation="relu"))
    with pytest.raises(
        CandidateError, match=r"torch has not what any of the cases asks for: torch\.nn\.LSTM has no activ"
    ):
        run(built_in("torch"), "torch", model=model_trials([layer]))


def test_a_wrong_network_is_told_which_layer_and_direction_and_which_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(BUGGY.format(slug="reverse-outputs-not-put-back", features=("stacked", "bidirectional")))
    assert main(["check", f"{path}:lstm"]) == 1
    printed = capsys.readouterr().out
    assert "layers.0.reverse.d_kernel: " in printed
    rows = [line for line in printed.splitlines() if line.startswith("d_kernel ")]
    assert len(rows) == 1  # all layers' together
    passed, failed = (int(text) for text in rows[0].split()[1:3])
    asked = of("stacked", "bidirectional")
    kernels = [name for v in golden(features=asked) for name in v.case.shapes if name.endswith("d_kernel")]
    assert passed + failed == len(kernels)
    assert failed > 0
    assert "Diagnosis: reverse-outputs-not-put-back explains all " in printed
    assert "Repair:   Turn the reverse direction's outputs round" in printed


def test_in_junit_xml_a_quantity_of_a_layer_has_its_whole_name(tmp_path: Path) -> None:
    from conformance.report import junit

    report = run(buggy("reverse-outputs-not-put-back"), "network", features=of("bidirectional"))
    junit.write(report, tmp_path / "report.xml")
    suites = JUnitXml.fromfile(str(tmp_path / "report.xml"))
    failed = [case.name for suite in suites for case in suite if any(r.message for r in case.result)]
    assert "bidirectional-float64:layers.0.reverse.d_kernel" in failed


def test_the_bug_of_a_network_is_named() -> None:
    network = buggy("mask-late")
    report = run(network, "network", features=of("mask"))
    found = diagnose(network, report)
    assert [(finding.bugs, finding.certain) for finding in found.findings] == [(("mask-late",), True)]
    looked_into = [r for r in report.failures if r.trial.endswith("float64")]
    assert found.findings[0].explains == found.findings[0].of == len(looked_into) > 0
    assert found.statements == ()


def test_while_the_plain_lstm_is_wrong_its_bug_is_named_and_networks_come_later() -> None:
    late = buggy("mask-late")

    def both(case: Case) -> Result:
        return late(case) if features(case) else wrong.grad_final_cell_ignored(case)

    report = run(both, "both", features=of("mask"))
    found = diagnose(both, report)
    assert [finding.bugs for finding in found.findings] == [("grad-final-cell-ignored",)]
    assert found.findings[0].explains == found.findings[0].of
    assert [statement.right for statement in found.statements] == [False]
    assert "cases with features fail as well: look into them once the plain LSTM is right" in found.statements[0].text


def test_a_network_that_raises_is_told_in_how_many_cases() -> None:
    def plain_only(case: Case) -> Result:
        if case.mask is not None:
            raise NotImplementedError("no masks yet")
        return wrong.correct(case)

    report = run(plain_only, "plain", features=of("mask"))
    found = diagnose(plain_only, report)
    assert found.findings == ()
    assert "raised NotImplementedError: no masks yet" in found.statements[0].text
    assert "catalogued bugs" not in str(found.statements)


# Results in parts.


def parts(case: Case) -> dict[str, Any]:
    """What the reference gives, with layers nested and, where widths differ, states as lists."""
    flat = dict(built_in("ref")(case))
    layers: list[dict[str, Any]] = [{} for _ in case.layers]
    nested: dict[str, Any] = {"layers": layers} if not case.single else {}
    for name, array in flat.items():
        first, *rest = name.split(".")
        if first != "layers":
            nested[name] = array
        elif len(rest) == 2:
            nested.setdefault(rest[1], []).append(array)
        else:
            layers[int(rest[0])].setdefault(rest[1], {})[rest[2]] = array
    return nested


SPECS = {
    "alike": NetworkSpec(2, 3, 4, (3, 3), direction="both"),
    "widths": NetworkSpec(2, 3, 4, (3, 2), direction="both"),
    "mask": NetworkSpec(2, 3, 4, (3,), mask="right"),
    "dropout": NetworkSpec(2, 3, 4, (3, 3), dropout="between", direction="both"),
}


@pytest.mark.parametrize("name", SPECS)
def test_results_in_parts_are_those_in_one(name: str) -> None:
    case = SPECS[name].build()
    outcome = outcome_of(parts, case)
    assert not outcome.failure
    assert outcome.unknown == ()
    assert outcome.result.keys() == case.shapes.keys()
    for quantity, array in built_in("ref")(case).items():
        assert (outcome.result[quantity] == array).all()
    assert outcome.now().keys() == case.shapes.keys()


def test_a_part_that_names_nothing_is_told_with_its_whole_name() -> None:
    case = SPECS["alike"].build()
    outcome = outcome_of(lambda case: {"layers": [{"forward": {"kernel": case.x}}]}, case)
    assert outcome.unknown == ("layers.0.forward.kernel",)


@pytest.mark.parametrize("name", SPECS)
def test_a_case_crosses_the_wire_as_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from conformance.trial.tests.test_features import parts as lstm\n")
    case = SPECS[name].build()
    with Worker(f"{path}:lstm") as worker:
        outcome = worker(case)
    right = built_in("ref")(case)
    assert outcome.failure == ""
    assert outcome.result.keys() == right.keys()
    assert all((outcome.result[quantity] == array).all() for quantity, array in right.items())


# The doors of pytest.

SUITE = """
import conformance
from conformance.implementations import built_in

def lstm(case):
    return built_in("ref")(case)

@conformance.parametrize(lstm, features=("stacked",))
def test_mine(check):
    check()
"""


def checks(asked: frozenset[str]) -> int:
    return sum(len(vector.case.shapes) for vector in golden(features=asked)) + 16


def test_both_doors_of_pytest_take_features(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    more = ["--pyargs", "conformance", "--lstm-candidate", "ref", "--lstm-features", "stacked"]
    for arguments in (["test_mine.py"], more):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert f"{checks(of('stacked'))} passed" in done.stdout
    assert checks(of("stacked")) > checks(of())
