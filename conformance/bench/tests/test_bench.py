"""The benchmark's parts: what is timed is right, how it is timed is right; no time of an LSTM is asserted."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.bench import floor, table, timing
from conformance.bench.competitors import COMPETITORS
from conformance.bench.floor import flops, products
from conformance.bench.grid import FULL, GRIDS
from conformance.bench.memory import peak
from conformance.bench.pair import Pair, environment
from conformance.bench.record import Job, Measured, Timing
from conformance.bench.targets import TARGETS, Target, verdicts
from conformance.case import FORWARD, QUANTITIES, Case, Implementation, Result
from conformance.cases.matrix import Spec
from conformance.errors import OracleError
from conformance.implementations import built_in, reference
from conformance.implementations.prepared import Prepared
from conformance.judging.compare import compare
from conformance.judging.tolerance import allowed_between
from lstm_ref.errors import UnsupportedError

SMALL = (3, 4, 2, 5)
JOB = Job(SMALL, "float64", backward=True, seconds=0.001)
LIBRARIES = [name for name in COMPETITORS if name != "matmul"]


def loop(count: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(count):
            pass

    return work


def wrong(case: Case, actual: Result, oracle: Implementation) -> list[str]:
    """What differs from an oracle, of what there is."""
    comparisons = compare(case, actual, oracle(case), allowed_between(case))
    return [str(c) for c in comparisons if c.quantity in actual and not c.passed]


@pytest.mark.parametrize("unit", [1e-5, 1e-2], ids=["microseconds", "milliseconds"])
def test_ratio_of_known_times(unit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def work(seconds: float) -> Callable[[], None]:
        def done() -> None:
            now[0] += seconds

        return done

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    samples = timing.interleaved(work(unit), work(4 * unit), seconds=200 * unit)
    assert len(samples.ratios) > 3
    assert samples.ratios == pytest.approx([0.25] * len(samples.ratios))


def test_times_are_those_of_one_call() -> None:
    samples = timing.interleaved(lambda: time.sleep(0.001), lambda: time.sleep(0.004), seconds=0.1)
    assert 0.001 <= np.median(samples.one) < 0.003
    assert 0.004 <= np.median(samples.other) < 0.008


def test_a_sample_is_long_enough_for_the_clock() -> None:
    count = timing.repeats(loop(1))
    assert count > 1000
    assert timing.duration(loop(1), count) > timing.SHORTEST / 4
    assert timing.repeats(lambda: time.sleep(2 * timing.SHORTEST)) == 1


def test_who_was_last_goes_first_and_no_garbage_is_collected() -> None:
    calls: list[str] = []
    collected: list[bool] = []

    def step(name: str) -> None:
        calls.append(name)
        collected.append(gc.isenabled())
        time.sleep(timing.SHORTEST)

    samples = timing.interleaved(lambda: step("a"), lambda: step("b"), seconds=0.001)
    assert len(samples.one) == len(samples.other) == timing.FEWEST
    assert "".join(calls) == "ab" + "abbaabbaab", "once to warm up, then in turn"
    assert collected[:2] == [True, True]
    assert not any(collected[2:])
    assert gc.isenabled()


def test_with_a_rest_each_sample_begins_with_a_call_that_is_not_timed() -> None:
    began = [time.perf_counter()]
    pauses: list[float] = []

    def step() -> None:
        now = time.perf_counter()
        pauses.append(now - began[-1])
        began.append(now)
        time.sleep(0.03 if pauses[-1] > 0.04 else timing.SHORTEST)

    samples = timing.interleaved(step, step, seconds=0.001, rest=0.05)
    assert sum(pause > 0.04 for pause in pauses) == 2 * timing.FEWEST
    assert max(samples.one + samples.other) < 0.03


def test_a_pair_that_takes_too_long_gets_fewer_samples_and_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LONGEST", 0.02)
    samples = timing.interleaved(lambda: time.sleep(0.005), lambda: time.sleep(0.01), seconds=0.001)
    count = len(samples.ratios)
    assert count < timing.FEWEST
    found = Measured(0.5, 0.5, 0.5, count, 0.005, 0.01, 0.0)
    assert f"0.50 (n={count})" in table.row(JOB, [Timing("torch", 1, 1, JOB, found)])


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_what_is_timed_is_the_whole_pass_and_right(name: str, backward: bool) -> None:
    dtype = "float32" if name == "onnxruntime" else "float64"
    case = Spec(*SMALL, dtype).build()
    if backward and name.startswith("onnx"):
        with pytest.raises(UnsupportedError, match="no backward pass"):
            COMPETITORS[name].prepare()(case, backward)
        return
    ready = COMPETITORS[name].prepare()(case, backward)
    actual = ready.result(ready.step())
    assert set(actual) == set(QUANTITIES if backward else FORWARD)
    assert wrong(case, actual, built_in("torch" if name == "keras" else "keras")) == []


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "both"])
def test_lstm_ref_is_timed_on_the_whole_pass(backward: bool) -> None:
    case = Spec(*SMALL).build()
    ready = reference.prepared(case, backward)
    actual = ready.result(ready.step())
    assert set(actual) == set(QUANTITIES if backward else FORWARD)
    assert wrong(case, actual, built_in("torch")) == []


def test_what_computes_something_else_is_not_timed() -> None:
    def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Case, bool], Prepared]:
        def prepare(case: Case, backward: bool) -> Prepared:
            ready = reference.prepared(case, backward)

            def result(given: Any) -> Result:
                right = dict(ready.result(given))
                return right | {name: change(right[name])}

            return Prepared(ready.step, result)

        return prepare

    assert timing.measure(JOB, reference.prepared).error == 0.0
    with pytest.raises(OracleError, match=r"its d_kernel differs from lstm_ref's by .* not timed"):
        timing.measure(JOB, changed("d_kernel", lambda a: a * 1.001))
    with pytest.raises(OracleError, match=r"its h has shape \(5, 3\), expected lstm_ref's, \(3, 5\)"):
        timing.measure(JOB, changed("h", lambda a: a.T))
    with pytest.raises(OracleError, match="its c differs"):
        timing.measure(JOB, changed("c", lambda a: a * np.nan))


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("sizes", [SMALL, (1, 7, 3, 6)])
def test_the_floor_does_the_flops_that_it_states(
    sizes: tuple[int, int, int, int], backward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = products(Spec(*sizes).build(), backward)
    monkeypatch.setattr(floor, "products", lambda case, backward: wanted)
    for *_, out in wanted:
        out.fill(np.nan)
    floor.prepared(Spec(*sizes).build(), backward).step()
    for left, right, out in {id(product.out): product for product in wanted}.values():  # the last into each
        np.testing.assert_allclose(out, left @ right, rtol=0, atol=1e-12)
    done = [2 * left.shape[0] * left.shape[1] * right.shape[1] for left, right, _ in wanted]
    B, T, D, H = sizes
    each_step, at_once = 2 * B * H * 4 * H, 2 * T * B * D * 4 * H
    assert sum(done) == flops(sizes, backward)
    assert done.count(each_step) == T * (2 if backward else 1)
    assert done.count(at_once) == (3 if backward else 1)
    assert done.count(T * each_step) == (1 if backward else 0)


def test_the_floor_multiplies_numbers_that_are_there() -> None:
    found = products(Spec(*SMALL).build(), backward=True)
    assert len(found) > 4
    for left, right, _ in found:
        assert np.isfinite(left).all()
        assert np.isfinite(right).all()
        assert np.abs(left).max() > 0


def test_memory_of_training_holds_the_results_and_grows_with_them() -> None:
    B, D, H = 4, 3, 5
    results = {T: 8 * B * T * (H + D) for T in (500, 1000)}  # output and d_x
    found = {T: peak((B, T, D, H), "float64", backward=True).peak for T in results}
    assert found[500] > results[500]
    assert found[1000] - found[500] > results[1000] - results[500]
    assert peak((B, 1000, D, H), "float32", backward=True).peak == pytest.approx(found[1000] / 2, rel=0.1)


def test_memory_of_inference_beyond_the_output_does_not_grow() -> None:
    B, D, H = 8, 16, 32
    beyond = [peak((B, T, D, H), "float64", backward=False).peak - 8 * B * T * H for T in (2000, 6000)]
    assert beyond[0] > 0
    assert beyond[1] == pytest.approx(beyond[0], rel=0.02)


def timings(ratio: float, against: str = "torch", threads: int = 1, dtype: str = "float64") -> list[Timing]:
    jobs = [Job(sizes, dtype, True, 1.0) for sizes in FULL]
    return [Timing(against, threads, 1, job, Measured(ratio, ratio, ratio, 9, ratio, 1.0, 0.0)) for job in jobs]


def test_targets_are_met_missed_or_not_measured() -> None:
    target = Target("torch", 0.8, "at every size", dtypes=("float64",))
    assert target.verdict(timings(0.8)).met is True
    missed = target.verdict([*timings(0.7)[:-1], *timings(0.93)[-1:], *timings(0.6, "matmul")])
    assert missed.met is False
    assert missed.found == (
        "worst: 0.930 at (64, 50, 256, 512) in float64, where the products alone take 1.55; measured 8 of 8, missed 1"
    )
    for other in (timings(0.1, threads=2), timings(0.1, "keras"), timings(0.1, dtype="float32")):
        assert target.verdict(other).met is None
    assert replace(target, strict=True).verdict(timings(0.8)).met is False
    refused = [Timing("torch", 1, 1, Job(FULL[0], "float64", True, 1.0), None, "it cannot")]
    assert target.verdict(refused).met is None


def test_every_target_is_about_sizes_of_the_full_grid() -> None:
    assert len(verdicts([])) == len(TARGETS) == 9
    assert {sizes for target in TARGETS for sizes in target.sizes} == set(FULL)
    assert len(TARGETS[3].sizes) + len(TARGETS[4].sizes) == len(FULL)
    assert set(GRIDS["small"]) < set(FULL)


@pytest.mark.usefixtures("every_core")
def test_a_pair_has_the_threads_that_were_asked_for() -> None:
    for threads in (1, 2):
        with Pair("matmul", threads) as pair:
            assert pair.time(JOB).numpy_threads == threads
        asked = "import torch; print(torch.get_num_threads())"
        told = subprocess.run([sys.executable, "-c", asked], env=environment(threads), capture_output=True, text=True)
        assert told.stdout.strip() == str(threads)


def test_a_process_that_dies_is_told_and_replaced() -> None:
    with Pair("matmul", 1) as pair:
        died = pair.time(replace(JOB, dtype="float63"))
        assert died.measured is None
        assert died.reason.startswith("its process ended with status 1: TypeError: ")
        assert pair.time(JOB).measured is not None


def test_a_process_that_cannot_start_is_told() -> None:
    with Pair("nobody", 1) as pair:
        assert pair.time(JOB).reason == "its process ended with status 1: KeyError: 'nobody'"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_disagreement_counts_on_either_side_and_is_a_share_of_the_largest_number(sign: int) -> None:
    case = Spec(*SMALL).build()
    own = {"output": np.array([0.25, -0.5]), "h": np.zeros(2)}
    near = {"output": np.array([0.25, -0.5 + sign * 2.0**-53]), "h": np.zeros(2)}
    assert timing.disagreement(case, own, near) == 2.0**-52
    with pytest.raises(OracleError, match="its output differs"):
        timing.disagreement(case, own, {"output": own["output"] + sign})


def test_a_target_that_is_to_be_beaten_is_not_met_by_being_equal() -> None:
    strict = Target("keras", 1.0, "at every size", dtypes=("float64",), strict=True)
    assert strict.verdict(timings(1.0, "keras")).met is False
    assert strict.verdict(timings(0.99, "keras")).met is True
