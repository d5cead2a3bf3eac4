"""Sweeps as a whole: wherever they run, and whatever happens to their processes, each case counts once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from conformance.errors import CandidateError
from conformance.sweep import block
from conformance.sweep.block import calling, drawn, run_block
from conformance.sweep.plan import BLOCK, HANGS, Plan, Tally
from conformance.sweep.processes import Executor, Processes
from conformance.sweep.run import planned, sweep
from conformance.sweep.state import State
from conformance.sweep.tests.candidates import FLAG, LONG

MODULE = "conformance.sweep.tests.candidates"
CASES = 5 * BLOCK - 7


class Here:
    """Computes blocks in this process, the last one first."""

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        block.let_go()

    def run(self, plan: Plan, blocks: Iterable[int], stop: int) -> Iterator[tuple[int, Tally]]:
        for number in sorted(blocks, reverse=True):
            yield number, run_block(plan, number, stop)


def swept(
    name: str,
    folder: Path,
    executor: Executor | None = None,
    cases: int = CASES,
    state: Path | None = None,
    seconds: float = 10.0,
) -> tuple[int, Tally, list[str]]:
    said: list[str] = []
    spec = name if name == "ref" else f"{MODULE}:{name}"
    with calling(spec, seconds, None) as call:
        plan = planned(spec, call)
        with State(state, plan, cases) as known, executor or Here() as at_work:
            computed, tally = sweep(
                plan, cases, at_work, known, call, folder,
                say=lambda finding, path: f"{finding.kind} in {finding.case.sizes}: {path}",
                told=said.append,
                progress=lambda done, total: None,
            )  # fmt: skip
    return computed, tally, said


@pytest.fixture(scope="module")
def long_ones() -> tuple[int, ...]:
    plan = Plan("ref", "", 0, (), (), ("float64", "float32"), False, False, 10.0, None)
    return tuple(number for number in range(CASES) if drawn(plan, number)[1].sizes[1] >= LONG)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, in which the flag of `killer` is, and those who are killed find it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_correct_candidate_is_right_in_every_case(alone: Path) -> None:
    assert swept("ref", alone)[:2] == (CASES, Tally(CASES))
    assert not [*alone.iterdir()]


def test_what_is_wrong_is_found_where_it_is_and_nowhere_else(alone: Path, long_ones: tuple[int, ...]) -> None:
    _, tally, said = swept("wrong", alone / "out")
    assert tuple(failing.number for failing in tally.failing) == long_ones
    assert len(long_ones) > 2
    assert tally.cases == CASES
    assert [text.partition(":")[0] for text in said] == [f"c in (1, {LONG}, 1, 1)"]
    assert len([*(alone / "out").iterdir()]) == 1


def test_a_process_that_is_killed_costs_nothing_and_nothing_counts_twice(
    alone: Path, long_ones: tuple[int, ...]
) -> None:
    computed, tally, _ = swept("killer", alone, Processes(2))
    assert FLAG.exists()
    assert computed == tally.cases == CASES
    assert tuple(failing.number for failing in tally.failing) == long_ones
    assert tally == swept("killer", alone)[1]


@pytest.mark.parametrize(("name", "kind"), [("crashing", "ended the interpreter"), ("raising", "raised ValueError")])
def test_what_ends_or_raises_is_a_case_that_fails(
    name: str, kind: str, alone: Path, long_ones: tuple[int, ...]
) -> None:
    _, tally, said = swept(name, alone)
    assert [(failing.number, failing.kind) for failing in tally.failing] == [(number, kind) for number in long_ones]
    assert said[0].startswith(f"{kind} in (1, {LONG}, 1, 1): ")


def test_a_sweep_ends_after_some_calls_that_hang(alone: Path, long_ones: tuple[int, ...]) -> None:
    _, tally, _ = swept("hanging", alone, seconds=0.2)
    assert tally.hung == HANGS
    assert [failing.number for failing in tally.failing] == [*long_ones[:HANGS]]
    assert (
        tally.cases == (long_ones[HANGS - 1] // BLOCK + 1) * BLOCK
    )  # the other cases of that block were computed as well


def test_a_sweep_goes_on_where_it_was_and_comes_to_the_same(alone: Path) -> None:
    state, first = alone / "state", 2 * BLOCK
    assert swept("wrong", alone, cases=first, state=state)[0] == first
    computed, tally, said = swept("wrong", alone, state=state)
    assert computed == CASES - first
    assert (tally, said) == swept("wrong", alone)[1:]
    assert swept("wrong", alone, state=state) == (0, tally, said)


def test_a_candidate_without_gradients_is_asked_for_none(alone: Path) -> None:
    assert swept("forward", alone)[1] == Tally(CASES)


def test_what_cannot_be_compared_is_a_misuse(alone: Path) -> None:
    with pytest.raises(CandidateError, match="hold none of the quantities"):
        swept("foreign", alone)
