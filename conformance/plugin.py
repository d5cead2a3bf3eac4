"""The pytest door: options, the fixture that a conformance test ends with, and the closing summary."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.report.summary import Check, summarise

CHECK = "lstm-conformance check"
NOT_RUN = "lstm-conformance not run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's own options."""
    group = parser.getgroup("lstm-conformance")
    group.addoption(
        "--published",
        type=Path,
        metavar="DIR",
        help="where `python -m conformance.published DIR` put published checkpoints",
    )
    group.addoption("--lstm-candidate", metavar="SPEC", help="with --pyargs conformance: put this candidate on trial")
    group.addoption(
        "--lstm-profile",
        choices=("forward", "training"),
        default="training",
        help="what to ask of it (default: training)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a candidate, its test module is all that is collected of this package; without one, all but it."""
    if collection_path.suffix != ".py" or Path(__file__).parent not in collection_path.parents:
        return None
    wanted = collection_path.name == "test_candidate.py"
    if config.getoption("--lstm-candidate") is not None:
        return not wanted
    return True if wanted else None


def pytest_configure(config: pytest.Config) -> None:
    """Collect what the tests record, wherever they run; give each parallel worker cores of its own.

    Two workers whose libraries each start a thread per core wait for each other most of the time.
    NumPy, PyTorch and TensorFlow start as many threads as their process may use cores, and none of
    them is imported yet when this runs.
    """
    worker = getattr(config, "workerinput", None)
    if worker is not None and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
        if len(cores) >= count:
            os.sched_setaffinity(0, cores[number::count])
    config.pluginmanager.register(_Collector(), "lstm-conformance-collector")


@pytest.fixture
def verdict(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A function ``verdict(oracle, case, actual, expected)`` that compares all quantities and fails if one is wrong."""
    from conformance.compare import compare

    def judge(oracle: str, case: Any, actual: Any, expected: Any) -> None:
        comparisons = compare(case, actual, expected)
        assert comparisons, "nothing was compared"
        for comparison in comparisons:
            check = Check(
                oracle, case.dtype.name, comparison.quantity, case.sizes[1], comparison.share, comparison.relative
            )
            record_property(CHECK, check.to_json())
        wrong = [str(comparison) for comparison in comparisons if not comparison.passed]
        if wrong:
            pytest.fail(f"{case.id} differs from {oracle}:\n  " + "\n  ".join(wrong), pytrace=False)

    return judge


@pytest.fixture
def not_run(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function ``not_run(why)`` that ends a test which cannot be run here, and has it counted as that."""

    def end(why: str) -> None:
        record_property(NOT_RUN, why)
        pytest.skip(f"not run: {why}")  # the summary counts it

    return end


class _Collector:
    """Gathers the recorded checks in the process that prints the summary."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.not_run: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == CHECK:
                self.checks.append(Check(**json.loads(str(value))))
            elif name == NOT_RUN:
                self.not_run.append(str(value))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.checks and not self.not_run:
            return
        terminalreporter.section("conformance of lstm_ref")
        for line in summarise(self.checks, self.not_run):
            terminalreporter.write_line(line)
