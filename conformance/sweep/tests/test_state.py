"""The file that a sweep is written down in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.errors import SweepError
from conformance.sweep.plan import BLOCK, Failing, Plan, Tally, Worst
from conformance.sweep.state import Look, State

PLAN = Plan("ref", "", 3, ("mask",), (), ("float64", "float32"), False, True, 10.0, None)
TALLY = Tally(
    BLOCK, 0, (Failing(70, "d_x", "d_x: 1 of 1"),), 2, (71,), (), 9, {"1.0 float64": Worst(4, 0.5, 66)}
)  # fmt: skip


def written(path: Path, cases: int = 4 * BLOCK) -> State:
    with State(path, PLAN, cases) as state:
        state.finished(1, TALLY)
        state.found("d_x", Look("d_x", "said"))
        state.finished(0, Tally(BLOCK))
    return state


def test_what_was_written_is_known_again(tmp_path: Path) -> None:
    before = written(tmp_path / "s")
    with State(tmp_path / "s", PLAN, 4 * BLOCK) as state:
        assert state.tallies == before.tallies == {0: Tally(BLOCK), 1: TALLY}
        assert state.looked_into == {"d_x": Look("d_x", "said")}


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_of_a_line_that_was_cut_off_nothing_is_taken(cut: int, tmp_path: Path) -> None:
    written(path := tmp_path / "s")
    path.write_bytes(path.read_bytes()[:-cut])
    with State(path, PLAN, 4 * BLOCK) as state:
        assert state.tallies == {1: TALLY}
        state.finished(2, Tally(BLOCK))
    with State(path, PLAN, 4 * BLOCK) as state:
        assert state.tallies == {1: TALLY, 2: Tally(BLOCK)}


def test_more_cases_may_be_asked_for_and_a_block_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    written(tmp_path / "s", 2 * BLOCK - 5)
    with State(tmp_path / "s", PLAN, 9 * BLOCK) as state:
        assert state.tallies == {0: Tally(BLOCK)}


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 4}, "seed"), ({"candidate": "torch"}, "candidate"), ({"content": "other"}, "content")],
)
def test_the_file_of_another_sweep_is_refused(change: dict[str, object], named: str, tmp_path: Path) -> None:
    content = (written(path := tmp_path / "s").path or path).read_bytes()
    with pytest.raises(SweepError, match=f"its {named} differs"), State(path, replace(PLAN, **change), 64):  # type: ignore[arg-type]  # one of its fields
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["{}\n", "no JSON\n", json.dumps({"block": 1}) + "\n", "\n", "some notes of mine"])
def test_another_file_is_refused_and_stays_as_it_is(content: str, tmp_path: Path) -> None:
    (path := tmp_path / "notes").write_text(content)
    with pytest.raises(SweepError, match="is no file of a sweep"), State(path, PLAN, 64):
        pass
    assert path.read_text() == content


def test_two_sweeps_do_not_share_a_file(tmp_path: Path) -> None:
    with (
        State(tmp_path / "s", PLAN, 64),
        pytest.raises(SweepError, match="another sweep is at work"),
        State(tmp_path / "s", PLAN, 64),
    ):
        pass


def test_the_sum_of_tallies_does_not_depend_on_their_order() -> None:
    other = replace(
        TALLY, failing=(Failing(5, "h", "h"),), worst={"1.0 float64": Worst(1, 0.5, 3), "8.0 float32": Worst(1, 1.0, 6)}
    )
    assert TALLY + other == other + TALLY
    assert (TALLY + other).worst["1.0 float64"] == Worst(5, 0.5, 3)
    assert [failing.number for failing in (TALLY + other).failing] == [5, 70]
