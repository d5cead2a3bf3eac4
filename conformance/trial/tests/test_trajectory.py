"""A candidate is trained with its own gradients: right ones go where PyTorch and Keras go, wrong ones leave the band."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

import conformance
from conformance.case import Case, Result
from conformance.cli import main
from conformance.diagnosis.bugs import bugs
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.diagnose import diagnose
from conformance.errors import CandidateError
from conformance.fixtures.trajectories import Frozen, frozen
from conformance.implementations import built_in
from conformance.judging.trajectory import Trajectory
from conformance.report import html, json_report
from conformance.trial.call import Caller, InThread, Outcome
from conformance.trial.doors import checks
from conformance.trial.results import CheckResult, Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong
from conformance.trial.trajectory import Training, to_train
from conformance.zoo import adapters

PLAIN = ("cell", "classification", "counting", "sine")
FIRST = 4
"""So many updates show every catalogued bug."""


def beginning(name: str) -> Frozen:
    """A task's first updates."""
    known = frozen()[name]
    allowed = {dtype: errors[:FIRST] for dtype, errors in known.allowed.items()}
    return Frozen(known.task, known.losses[:FIRST], allowed, known.allowed_weights)


def followed(
    lstm: Callable[[Case], Any], known: Frozen, dtype: str = "float64", without: tuple[str, ...] = ()
) -> tuple[CheckResult, Trajectory]:
    result, trajectory = Training(known, dtype).judged(InThread(lstm), frozenset(without))
    assert trajectory is not None
    assert (result.status == "passed") == (trajectory.left is None and not trajectory.ended)
    return result, trajectory


@pytest.mark.parametrize("slug", [slug for slug, bug in bugs().items() if bug.group == "backward"])
def test_a_bug_leaves_the_band_if_it_changes_a_weights_gradient(slug: str) -> None:
    left = {name for name in PLAIN if followed(bugs()[slug].candidate(), beginning(name))[1].left is not None}
    only_of_x = bugs()[slug].family == "grad-x-misses-gate"
    assert bool(left) != only_of_x, f"left in {left}"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", frozen())
def test_a_right_lstm_stays_in_the_band(name: str, dtype: str) -> None:
    result, trajectory = followed(built_in("ref"), frozen()[name], dtype)
    assert (result.status, result.message) == ("passed", "")
    assert trajectory.worst < 0.6
    assert len(trajectory.actual) == len(frozen()[name].losses)


@pytest.mark.parametrize("lstm", ["torch", "keras", "zoo", "hookable"])
@pytest.mark.parametrize("name", PLAIN)
def test_so_does_any_other_right_lstm(name: str, lstm: str) -> None:
    others: dict[str, Callable[[Case], Any]] = {"zoo": adapters.column_vectors, "hookable": HookableLSTM()}
    assert followed(others.get(lstm) or built_in(lstm), beginning(name))[1].worst < 0.6


def test_where_the_last_steps_gradient_goes_is_as_declared() -> None:
    met: list[Case] = []

    def lstm(case: Case) -> Result:
        met.append(case)
        return built_in("ref")(case)

    for without, given in (((), "d_h"), (("d_h",), "d_output"), (("d_output",), "d_h")):
        met.clear()
        followed(lstm, beginning("counting"), without=without)
        assert {name for case in met for name in ("d_output", "d_h", "d_c") if getattr(case, name).any()} == {given}


def test_a_sequence_comes_in_parts_only_if_all_is_there_to_hand_on() -> None:
    met: list[int] = []

    def lstm(case: Case) -> Result:
        met.append(case.x.shape[1])
        return built_in("ref")(case)

    followed(lstm, beginning("classification"))
    assert met[:6] == [5, 5, 2, 2, 5, 5]
    met.clear()
    followed(lstm, beginning("classification"), without=("c",))
    assert met[:2] == [12, 12]


def test_a_task_that_cannot_be_taken_is_not_provided() -> None:
    training = Training(frozen()["cell"], "float64")
    result, trajectory = training.judged(InThread(built_in("ref")), frozenset(("h0", "c0")))
    assert (result.status, result.message, trajectory) == ("not provided", "it takes no c0 and no h0", None)


def test_tasks_are_those_whose_features_are_asked_for_in_the_dtypes_that_are_known() -> None:
    def names(without: tuple[str, ...] = (), asked: tuple[str, ...] = ()) -> set[tuple[str, str]]:
        trainings = to_train(frozenset(without), frozenset(asked), frozenset())
        return {(training.known.task.name, training.dtype) for training in trainings}

    assert names() == {(name, dtype) for name in PLAIN for dtype in ("float64", "float32")}
    assert names(("float32",), ("activations",)) == {(name, "float64") for name in (*PLAIN, "vectors")}


def changed(**results: Any) -> Callable[[Case], Any]:
    """The right LSTM with other results from the fifth call on."""
    calls = [0]

    def lstm(case: Case) -> Any:
        calls[0] += 1
        result = dict(built_in("ref")(case))
        for name, value in results.items() if calls[0] > 4 else ():
            result[name] = value(result[name]) if callable(value) else value
            if result[name] is None:
                del result[name]
        return result

    return lstm


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ({"d_bias": None}, "counting: it ends after 2 of 4 updates: d_bias is missing from the result"),
        (
            {"output": lambda a: a[0]},
            r"counting: it ends after 2 of 4 updates: output has shape (6, 8), expected (1, 6, 8)",
        ),
        (
            {"output": np.ones(2)},
            "counting: it ends after 2 of 4 updates: output has shape (2,), expected (1, 6, 8)",
        ),
        (
            {"d_kernel": lambda a: np.full(a.shape, "much")},
            "counting: it ends after 2 of 4 updates: its result could not be used: ValueError",
        ),
        ({"output": lambda a: a * np.nan}, "counting: it leaves the band at update 3 of 4: loss nan, expected "),
    ],
)
def test_what_cannot_be_trained_with_ends_the_training_and_is_told(results: dict[str, Any], told: str) -> None:
    with np.errstate(all="ignore"):
        result, _ = followed(changed(**results), beginning("counting"))
    assert result.status == "failed"
    assert result.message.startswith(told)


def test_an_exception_ends_the_training() -> None:
    def lstm(case: Case) -> Any:
        raise ValueError("no")

    result, trajectory = followed(lstm, beginning("counting"))
    assert result.message.startswith("counting: it ends after 0 of 4 updates: raised ValueError: no")
    assert trajectory.actual.size == 0


def test_what_ran_out_of_time_is_not_judged_unless_it_had_left_the_band() -> None:
    class Slow(Caller):
        def __init__(self, lstm: Callable[[Case], Any]) -> None:
            super().__init__(1.0, frozenset())
            self.lstm = lstm

        def __call__(self, case: Case) -> Outcome:
            self.calls += 1
            return Outcome(dict(self.lstm(case))) if self.calls < 7 else Outcome(not_judged="gave no result within 1 s")

    training = Training(beginning("counting"), "float64")
    result, _ = training.judged(Slow(built_in("ref")), frozenset())
    assert result.status == "not judged"
    assert result.message == "counting: it ends after 3 of 4 updates: gave no result within 1 s"
    result, _ = training.judged(Slow(wrong.grad_final_hidden_ignored), frozenset())
    assert result.status == "failed"


def only_in_training(case: Case) -> Result:
    """Right in every case of the suite, and wrong where it is trained."""
    result = dict(built_in("ref")(case))
    return result | {"d_bias": -result["d_bias"]} if case.id.startswith("trajectory:") else result


@cache
def report() -> Report:
    return run(only_in_training, "only_in_training", profile="trajectory")


def test_training_counts_in_its_own_profile_alone() -> None:
    assert (report().verdict(), report().verdict("training"), report().verdict("forward")) == (
        "does not conform",
        "conforms",
        "conforms",
    )
    assert report().profiles == ("forward", "training", "trajectory")
    assert {r.id for r in report().failures} == {
        f"trajectory:{name}:{dtype}" for name in PLAIN for dtype in ("float64", "float32")
    }
    assert report().counts()["checks"] == report().counts("training")["checks"] + 8
    assert not report().numbers_right
    assert diagnose(only_in_training, report()).findings == ()


def test_without_the_profile_nothing_is_trained() -> None:
    plain = run(only_in_training, "only_in_training")
    assert plain.conforms()
    assert plain.trajectories == ()
    assert "trajectory" not in plain.profiles


def test_the_json_report_has_the_losses() -> None:
    told = json.loads(json.dumps(json_report.as_dict(report(), diagnose(only_in_training, report()))))
    jsonschema.validate(told, json_report.schema())
    assert [(t["task"], t["left"]) for t in told["trajectories"] if t["dtype"] == "float64"] == [
        (name, 2) for name in ("sine", "counting", "classification", "cell")
    ]
    first = told["trajectories"][0]
    assert len(first["expected"]) == len(first["actual"]) == len(first["allowed"]) == 150
    assert first["expected"][0] == pytest.approx(first["actual"][0], rel=1e-12)


def test_the_html_report_draws_both_curves_of_each() -> None:
    document = html.render(report(), diagnose(only_in_training, report()), "only_in_training")
    begin = document.index('<section id="trajectories">')
    section = document[begin : document.index("</section>", begin)]
    assert section.count('class="c0"/></svg>PyTorch and Keras') == 8
    known, candidate = re.findall(r'<path d="([^"]*)" class="c[01]"/>', section)[:2]
    assert known.count("L") == candidate.count("L") == 149
    assert known != candidate
    assert "sine: it leaves the band at update 2 of 150: loss " in section


def test_the_command_says_where_it_leaves_the_band(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = f"{Path(__file__)}:only_in_training"
    known, junit = tmp_path / "known.json", tmp_path / "report.xml"
    asked = ["--profile", "trajectory", "--features", "activations"]
    assert main(["check", "ref", *asked, "--json", str(known)]) == 0
    printed = capsys.readouterr().out
    assert "  float64  vectors: it stays in the band for all 250 updates, at most 0." in printed
    assert "trajectory                10" in printed
    assert main(["check", spec, *asked, "--baseline", str(known), "--junit", str(junit)]) == 1
    printed = capsys.readouterr().out
    assert "profile training: conforms" in printed
    assert "  float64  counting: it leaves the band at update 2 of 200: loss " in printed
    assert printed.count("counting: it leaves the band") == 2, "once for each dtype"
    assert "10 newly failing" in printed
    failures = [
        case.attrib["name"] for case in ElementTree.parse(junit).iter("testcase") if case.find("failure") is not None
    ]
    assert len(failures) == 10
    assert main(["repro", "ref", "trajectory:sine:float64"]) == 2
    assert "is a check of trajectory, which no single case shows" in capsys.readouterr().err


def test_who_cannot_be_trained_is_told_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{Path(wrong.__file__)}:forward_only", "--profile", "trajectory"]) == 1
    assert "it ends after 0 of 200 updates: d_kernel is missing from the result" in capsys.readouterr().out
    for without, told in (
        (("d_kernel", "bias"), "my declares that it is without d_kernel, bias: it cannot be trained"),
        (("d_output", "d_h"), "my declares that it is without d_output, d_h: it cannot be trained"),
    ):
        lstm = conformance.candidate(without=without)(lambda case: built_in("ref")(case))
        with pytest.raises(CandidateError, match=told):
            run(lstm, "my", profile="trajectory")
    with pytest.raises(CandidateError, match="it does not go with a model"):
        run(built_in("ref"), "ref", profile="trajectory", model=[])


def test_in_a_test_suite_each_training_is_a_check() -> None:
    found = {check.id: check for check in checks(only_in_training, profile="trajectory")}
    assert {id for id in found if id.startswith("trajectory:")} == {r.id for r in report().failures}
    with pytest.raises(pytest.fail.Exception, match="cell: it leaves the band at update 2 of 2"):
        found["trajectory:cell:float64"]()
    right = {check.id: check for check in checks(built_in("ref"), profile="trajectory")}
    right["trajectory:cell:float64"]()
    assert not any(check.id.startswith("trajectory:") for check in checks(built_in("ref"), profile="training"))
