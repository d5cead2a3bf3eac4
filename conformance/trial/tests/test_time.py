"""Calls that take too long: what counts as time, who is ended, and what comes of the rest."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import ClassVar

import pytest

from conformance.case import Case, Result
from conformance.cli import main
from conformance.fixtures.store import golden
from conformance.trial.call import HANGS, SLOW, Caller, InThread, Outcome, within
from conformance.trial.runner import run
from conformance.trial.tests import wrong

WRONG = Path(wrong.__file__)
SMALL = next(vector.case for vector in golden() if vector.case.id == "plain-all-float32")


def test_time_on_a_loaded_machine_does_not_count() -> None:
    def sleeps(case: Case) -> Result:
        time.sleep(0.25)
        return wrong.correct(case)

    call = InThread(sleeps, seconds=0.1)
    call.calls = 1  # the first call has time to compile
    assert call(SMALL).result
    assert call.hangs == 0


@pytest.mark.parametrize(("used", "clock", "ended"), [(1.1, 0.0, False), (0.0, 6.1, False), (0.9, 5.9, True)])
def test_a_call_is_ended_by_its_computing_time_or_long_after(
    used: float, clock: float, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waited = iter((False, False, True))

    def wait(most: float) -> bool:
        now[0] = clock
        return next(waited)

    times = iter((0.0, used))
    assert within(1.0, wait, lambda: next(times)) == ended


def test_what_runs_out_of_time_is_not_judged_and_the_rest_comes_smallest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert main(["check", f"{WRONG}:hangs", "--seconds", "0.3", "--json", str(report)]) == 1
    printed = capsys.readouterr().out
    assert f"{WRONG}:hangs incomplete (profile training" in printed
    told = json.loads(report.read_text())
    assert told["verdict"] == "incomplete"
    texts = [entry["text"] for entry in told["not_judged"]]
    late = {
        e["check"].rpartition(":")[0] for e in told["not_judged"] if e["text"].endswith("gave no result within 0.3 s")
    }
    assert len(late) == HANGS
    assert any(f"after {HANGS} calls that ran out of time" in text for text in texts)
    assert told["counts"]["failed"] == 0
    assert told["counts"]["passed"] > 100


class Late(Caller):
    """Runs out of time in its first calls."""

    seen: ClassVar[list[Case]] = []

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        self.seen.append(case)
        return self._ran_out() if len(self.seen) <= SLOW else Outcome(dict(wrong.correct(case)))


def test_the_smallest_come_first_from_the_third_that_runs_out_of_time_on() -> None:
    Late.seen.clear()
    run(Late(1.0, frozenset()), "late")
    planned = [vector.case.id for vector in golden()]
    assert [case.id for case in Late.seen[:SLOW]] == planned[:SLOW]
    rest = [math.prod(case.sizes) for case in Late.seen[SLOW : len(planned)]]
    assert rest == sorted(rest)
