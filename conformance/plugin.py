"""The pytest door: options and the closing summary. Loaded in everybody's pytest runs, it does nothing unasked.

Nothing that imports NumPy is imported at its head: it would slow down all those runs, and NumPy would start a thread for every
core before `pytest_configure` has said which cores this process has.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.report.summary import Check

CHECK = "lstm-conformance check"
NOT_RUN = "lstm-conformance not run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's own options."""
    group = parser.getgroup("lstm-conformance")
    group.addoption(
        "--lstm-published",
        type=Path,
        metavar="DIR",
        help="where `python -m conformance.suite.published DIR` put published checkpoints",
    )
    group.addoption(
        "--lstm-documented",
        type=Path,
        metavar="README",
        help="fail if the closing summary is not the one that this file shows of `make conformance`",
    )
    group.addoption(
        "--lstm-own-cores", action="store_true", help="with pytest-xdist: each worker runs on cores of its own (Linux)"
    )
    group.addoption("--lstm-candidate", metavar="SPEC", help="with --pyargs conformance: put this candidate on trial")
    group.addoption(
        "--lstm-profile",
        choices=("forward", "training", "full", "trajectory"),
        help="what to ask of it (default: training if it gives any gradient, else forward)",
    )
    group.addoption(
        "--lstm-features",
        default="",
        metavar="NAME,...",
        help="what to ask of it beyond the plain LSTM, as stacked,bidirectional,mask; or `all`",
    )
    group.addoption("--lstm-strict", action="store_true", help="remarks on it are failures")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a candidate, its test module is all that is collected of this package; without one, all but it."""
    if collection_path.suffix != ".py" or Path(__file__).parent not in collection_path.parents:
        return None
    wanted = collection_path.name == "test_candidate.py"
    if config.getoption("--lstm-candidate") is not None:
        return not wanted
    return True if wanted else None


def pytest_configure(config: pytest.Config) -> None:
    """Collect what the tests record; where it is asked for, give each parallel worker cores of its own.

    Two workers whose libraries each start a thread per core wait for each other most of the time.
    NumPy, PyTorch and TensorFlow start as many threads as their process may use cores when they are
    imported, and none of them is imported yet when this runs.
    """
    collector = _Collector(config.getoption("--lstm-documented"))
    config.pluginmanager.register(collector, "lstm-conformance-collector")
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.getoption("--lstm-own-cores") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
        if len(cores) >= count:
            os.sched_setaffinity(0, cores[number::count])


class _Collector:
    """Gathers the recorded checks in the process that prints the summary."""

    def __init__(self, documented: Path | None) -> None:
        self.documented = documented
        self.undocumented = False
        self.checks: list[Check] = []
        self.not_run: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.skipped:  # what cannot be run may be known before the call
            return
        from conformance.report.summary import Check

        for name, value in report.user_properties:
            if name == CHECK:
                self.checks.append(Check(**json.loads(str(value))))
            elif name == NOT_RUN:
                self.not_run.append(str(value))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Turn a run that passed into one that failed if it does not end as the README says."""
        if self.documented is None or hasattr(session.config, "workerinput"):
            return
        from conformance.report.documentation import shows
        from conformance.report.summary import by_feature, summarise

        beside = self.documented.parent / "lstm_ref" / "README.md"
        self.undocumented = not shows(self.documented, summarise(self.checks, self.not_run)) or not shows(
            beside, by_feature(self.checks), "text make conformance, by feature"
        )
        if self.undocumented and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.checks and not self.not_run:
            return
        from conformance.report.summary import by_feature, summarise

        terminalreporter.section("conformance of lstm_ref")
        table = by_feature(self.checks)
        for line in [*summarise(self.checks, self.not_run), *([""] if table else []), *table]:
            terminalreporter.write_line(line)
        if self.undocumented:
            why = ", as not all parts ran" if self.not_run else ""
            told = f"This is not what {self.documented} and lstm_ref/README.md show{why}."
            terminalreporter.write_line(told, red=True)
