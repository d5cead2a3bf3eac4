"""The catalogue's command: it lists, explains, and proves; conformance.suite.test_adequacy runs every bug."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.cli import main
from conformance.diagnosis.bugs import adequacy, bugs, catalogue
from conformance.diagnosis.bugs.entry import GROUPS, enter
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.bugs.seen import SEEN

FEW = ("gate-order-iofc", "state-leaks", "grad-batch-mean")


def test_listed_by_group_with_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"{len(bugs())} bugs;")
    groups = [line.split()[0] for line in lines[:-2]]
    assert sorted(groups, key=GROUPS.index) == groups
    assert set(groups) == set(GROUPS)


def test_one_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs", "grad-cell-overwritten"]) == 0
    printed = capsys.readouterr().out
    assert "grad-cell-overwritten (backward)" in printed
    assert "Repair:  dc += dh * o" in printed
    assert "Seen:    https://github.com/apache/mxnet/issues/4057" in printed


def test_what_was_seen_in_public_is_of_bugs_that_there_are() -> None:
    assert set(SEEN) <= {bug.slug for bug in bugs().values()} | {bug.family for bug in bugs().values()}


def test_an_unknown_one_is_misuse_and_like_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs", "final-state"]) == 2
    assert "there are final-states-swapped, final-state-first-step." in capsys.readouterr().err
    assert main(["bugs", "--json", "x"]) == 2
    assert main(["bugs", "--matrix", "--diagnose", "3"]) == 2
    assert main(["bugs", "--diagnose", "1000000"]) == 2
    assert "1000000 pairs were asked for; the catalogue has 0 to" in capsys.readouterr().err
    assert main(["bugs", "--diagnose", "-1"]) == 2


def test_families_have_their_members() -> None:
    members: dict[str, int] = {}
    for bug in bugs().values():
        members[bug.family] = members.get(bug.family, 0) + 1
    assert members["gate-order"] == 23
    assert members["sigmoid-epsilon"] == 3
    assert members["grad-x-misses-gate"] == 4


def test_a_slug_is_entered_once_and_into_a_group_that_there_is() -> None:
    with pytest.raises(ValueError, match="in the catalogue already"):
        enter("cell", "gates-tanh", "t", "s", "r")(HookableLSTM)
    with pytest.raises(ValueError, match="is no group"):
        enter("elsewhere", "new", "t", "s", "r")(HookableLSTM)


def test_the_matrix_says_what_is_caught_and_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [catch for slug in FEW for catch in adequacy.catches(slug)]
    monkeypatch.setattr(adequacy, "matrix", lambda progress: found)
    assert main(["bugs", "--matrix", "--json", str(tmp_path / "matrix.json")]) == 0
    printed = capsys.readouterr().out
    assert "3 bugs in 2 dtypes: 6 of 6 caught" in printed
    assert "ONNX's LSTM node tests, by their own measure, catch" in printed
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert "repeatable" in written["bugs"]["state-leaks"]["float32"]["behaviours"]
    assert set(written["bugs"]["grad-batch-mean"]["float64"]["margins"]) == {"d_kernel", "d_recurrent_kernel", "d_bias"}

    missed = adequacy.Catch("new", "float64", {"output": 3.0}, ())
    monkeypatch.setattr(adequacy, "matrix", lambda progress: [*found, missed, missed])
    assert main(["bugs", "--matrix"]) == 1
    assert "6 of 8 caught" in capsys.readouterr().out


def test_each_candidate_is_its_own() -> None:
    assert catalogue.bugs()["state-leaks"].candidate() is not catalogue.bugs()["state-leaks"].candidate()
