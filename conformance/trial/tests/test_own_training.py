"""A candidate with a head, a loss and an update of its own trains itself: right ones stay in the band, slips leave it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import conformance
from conformance.cases.tasks import TASKS, Task
from conformance.cli import main
from conformance.errors import CandidateError
from conformance.fixtures.trajectories import frozen
from conformance.implementations import built_in
from conformance.report import json_report
from conformance.trial.call import HANGS, InThread
from conformance.trial.doors import checks
from conformance.trial.runner import run
from conformance.trial.trajectory import Training, to_train
from conformance.zoo import training
from lstm_ref.training import SGD, train

GRADIENTS = ("d_kernel", "d_recurrent_kernel", "d_bias", "d_x", "d_h0", "d_c0")


def slow_learner(task: Task) -> Iterator[float]:
    """A slip: half the rate."""
    assert isinstance(task.optimizer, SGD)
    updates = train(task.model, task.batches, task.loss, SGD(task.optimizer.learning_rate / 2), epochs=60)
    return (update.loss for update in updates)


def short(task: Task) -> Iterator[float]:
    """Three updates."""
    return islice(training.counting(task), 3)


def failing(task: Task) -> Iterator[float]:
    """Three updates, and an exception."""
    yield from short(task)
    raise ArithmeticError("no more")


def lstm(case: Any) -> Any:
    """The right LSTM."""
    return built_in("ref")(case)


@conformance.candidate(trains={"counting": slow_learner, "cell": training.cell})
def with_a_slip(case: Any) -> Any:
    """Its gradients are right, and its training on the count is not."""
    return lstm(case)


@conformance.candidate(without=("float32", *GRADIENTS), trains={"cell": training.cell})
def without_gradients(case: Any) -> Any:
    """It keeps its gradients to itself."""
    return {name: array for name, array in lstm(case).items() if name not in GRADIENTS}


def judged(own: Callable[[Task], Any], task: str = "counting", seconds: float = 10.0) -> tuple[str, str]:
    """The status and the words of a candidate's own training."""

    @conformance.candidate(trains={task: own})
    def candidate(case: Any) -> Any:
        return lstm(case)

    result, trajectory = Training(frozen()[task], "float64", own=True).judged(InThread(candidate, seconds), frozenset())
    assert (result.id, result.quantity) == (f"trajectory:{task}:float64:own", "trajectory")
    assert trajectory is not None
    assert result.message == ("" if result.status == "passed" else str(trajectory))
    return result.status, str(trajectory)


def test_one_that_is_right_stays_in_the_band() -> None:
    status, told = judged(training.counting)
    assert status == "passed"
    assert told.startswith("counting by its own training: it stays in the band for all 200 updates, at most 0.")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (slow_learner, "it leaves the band at update 2 of 200: loss "),
        (short, "it ends after 3 of 200 updates: gave no more losses"),
        (failing, "it ends after 3 of 200 updates: raised ArithmeticError: no more ("),
        (lambda task: None, "it ends after 0 of 200 updates: returned None, expected the loss before each update"),
        (lambda task: ["much"], "it ends after 0 of 200 updates: raised ValueError: could not convert string to float"),
        (lambda task: [np.nan] * 200, "it leaves the band at update 1 of 200: loss nan, expected "),
    ],
)
def test_what_is_wrong_with_one_is_told(own: Callable[[Task], Any], told: str) -> None:
    status, words = judged(own)
    assert status == "failed"
    assert words.startswith(f"counting by its own training: {told}")


def sleeping(task: Task) -> Iterator[float]:
    """It takes too long."""
    time.sleep(5)
    yield 0.0


def test_one_that_takes_too_long_is_not_judged() -> None:
    status, told = judged(sleeping, seconds=0.02)
    assert status == "not judged"
    assert told.endswith("it ends after 0 of 200 updates: gave no result within 0.02 s")


def test_who_ran_out_of_time_again_and_again_is_not_called_any_more() -> None:
    call = InThread(conformance.candidate(trains={"cell": sleeping})(lambda case: lstm(case)), 0.02)
    told = [call.train("cell", "float64", 2).not_judged for _ in range(HANGS + 1)]
    assert set(told[:-1]) == {"gave no result within 0.02 s"}
    assert told[-1] == f"was not called any more after {HANGS} calls that ran out of time"


def test_losses_may_be_arrays_of_one_number() -> None:
    assert judged(lambda task: [np.array([[loss]]) for loss in frozen()["counting"].losses])[0] == "passed"


@pytest.mark.parametrize("name", TASKS)
def test_each_training_begins_with_arrays_of_its_own(name: str) -> None:
    def careless(task: Task) -> Iterator[float]:
        for array in (*task.model.weights.values(), *(a for batch in task.batches for a in batch), *(task.state or ())):
            array[:] = 0
        yield 0.0

    before = TASKS[name]()
    assert judged(careless, name)[0] == "failed"
    assert before.batches[0][0].any()
    assert before.model.params.kernel.any()
    assert any(target.any() for _, target in before.batches)
    assert before.state is None or before.state[0].any()


def test_it_is_trained_in_the_dtypes_that_it_knows_besides_what_its_gradients_do() -> None:
    def ids(without: tuple[str, ...], trains: tuple[str, ...]) -> list[str]:
        return [each.id for each in to_train(frozenset(without), frozenset(), frozenset(trains))]

    assert ids((), ("vectors",))[8:] == ["trajectory:vectors:float64:own", "trajectory:vectors:float32:own"]
    assert ids(("d_kernel", "float32"), ("cell", "sine")) == [
        "trajectory:sine:float64:own",
        "trajectory:cell:float64:own",
    ]


def test_who_gives_no_gradients_can_be_put_through_it() -> None:
    report = run(without_gradients, "mine", profile="trajectory")
    assert report.conforms()
    assert [trajectory.own for trajectory in report.trajectories] == [True]
    with pytest.raises(CandidateError, match=r"cannot be trained. If it trains itself, declare that with .*trains="):
        run(conformance.candidate(without=("d_kernel",))(lambda case: lstm(case)), "mine", profile="trajectory")


def test_every_report_says_that_the_training_is_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "report.json"
    asked = ["--profile", "trajectory", "--json", str(told), "--html", str(tmp_path / "report.html")]
    assert main(["check", f"{__file__}:with_a_slip", *asked]) == 1
    printed = capsys.readouterr().out
    assert "  float64  counting: it stays in the band for all 200 updates" in printed
    assert "  float64  counting by its own training: it leaves the band at update 2 of 200: loss " in printed
    assert "  float32  cell by its own training: it stays in the band for all 2 updates" in printed
    report = json.loads(told.read_text())
    jsonschema.validate(report, json_report.schema())
    own = [(each["task"], each["dtype"], each["left"]) for each in report["trajectories"] if each["own"]]
    assert own == [
        ("counting", "float64", 2),
        ("counting", "float32", 2),
        ("cell", "float64", None),
        ("cell", "float32", None),
    ]
    assert '<h3 id="trajectory:counting:float64:own">counting, float64, its own training</h3>' in (
        tmp_path / "report.html"
    ).read_text(encoding="utf-8")


def test_in_a_test_suite_it_is_a_check() -> None:
    found = {check.id: check for check in checks(with_a_slip, profile="trajectory")}
    with pytest.raises(pytest.fail.Exception, match="counting by its own training: it leaves the band at update 2"):
        found["trajectory:counting:float64:own"]()
    found["trajectory:cell:float64:own"]()
    assert not any(check.id.endswith(":own") for check in checks(with_a_slip, profile="training"))


@pytest.mark.parametrize("trains", [{"numbers": training.counting}, {"counting": 3}])
def test_a_training_of_no_task_is_refused(trains: dict[str, Any]) -> None:
    with pytest.raises(
        CandidateError, match=f"trains has '{next(iter(trains))}', expected functions, by names of tasks: sine"
    ):
        conformance.candidate(trains=trains)
