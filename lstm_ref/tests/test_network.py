"""What a caller of the reference can rely on besides the numbers, which conformance.suite compares."""

from __future__ import annotations

import dis
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest

import lstm_ref
from lstm_ref import sequence
from lstm_ref.errors import DTypeError, ShapeError, UsageError
from lstm_ref.params import FloatArray

DTYPES = ["float64", "float32"]
GRADIENTS = ("d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias")


def network(D: int = 3, H: int = 5, dtype: str = "float64", bias: bool = True) -> lstm_ref.Network:
    rng = np.random.default_rng(1)
    kernel, recurrent, b = (rng.uniform(-0.8, 0.8, shape) for shape in ((D, 4 * H), (H, 4 * H), 4 * H))
    return lstm_ref.Network(lstm_ref.LSTMParams(kernel, recurrent, b if bias else None).astype(dtype))


def arrays(B: int, T: int, D: int = 3, H: int = 5, dtype: str = "float64") -> list[FloatArray]:
    """x, h0, c0, d_output, d_h, d_c."""
    rng = np.random.default_rng(2)
    shapes = ((B, T, D), (B, H), (B, H), (B, T, H), (B, H), (B, H))
    return [rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes]


def record(run: lstm_ref.Run) -> sequence.Record:
    """What is remembered of the only direction."""
    [[direction]] = run.records
    assert isinstance(direction.time, sequence.Record)
    return direction.time


def test_gradients_are_the_slopes_of_the_loss() -> None:
    net, (x, h0, c0, d_output, d_h, d_c) = network(), arrays(2, 4)
    p = net.params
    assert p.bias is not None
    values = {"d_x": x, "d_h0": h0, "d_c0": c0}
    values |= {"d_kernel": p.kernel, "d_recurrent_kernel": p.recurrent_kernel, "d_bias": p.bias}

    def loss(v: dict[str, FloatArray]) -> float:
        params = lstm_ref.LSTMParams(v["d_kernel"], v["d_recurrent_kernel"], v["d_bias"])
        output, (h, c) = lstm_ref.Network(params)(v["d_x"], (v["d_h0"], v["d_c0"]))
        return float((d_output * output).sum() + (d_h * h).sum() + (d_c * c).sum())

    gradients = net.backward(net.forward(x, (h0, c0)), d_output, d_h, d_c)
    step = 1e-5
    for name, value in values.items():
        direction = np.random.default_rng(3).uniform(-1, 1, value.shape)
        slope = (loss(values | {name: value + step * direction}) - loss(values | {name: value - step * direction})) / (
            2 * step
        )
        assert (getattr(gradients, name) * direction).sum() == pytest.approx(slope, rel=1e-8), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(2, 7, 3, 5), (1, 1, 1, 1), (3, 700, 2, 64), (5, 2, 3, 1)])
def test_inference_gives_the_numbers_of_the_forward_pass_to_the_bit(
    sizes: tuple[int, int, int, int], dtype: str
) -> None:
    B, T, D, H = sizes
    net, (x, h0, c0, *_) = network(D, H, dtype), arrays(B, T, D, H, dtype)
    output, (h, c) = net(x, (h0, c0))
    run = net.forward(x, (h0, c0))
    for ours, theirs in ((output, run.output), (h, run.h), (c, run.c)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(output[:, -1], h)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_result_has_the_dtype_of_the_input(dtype: str) -> None:
    net, (x, h0, c0, *cotangents) = network(dtype=dtype), arrays(2, 4, dtype=dtype)
    run = net.forward(x, (h0, c0))
    gradients = net.backward(run, *cotangents)
    results = [run.output, run.h, run.c, *(getattr(gradients, name) for name in GRADIENTS)]
    assert {a.dtype.name for a in results} == {dtype}


def test_nothing_given_is_written_to_and_a_run_can_be_used_twice() -> None:
    net, given = network(), arrays(2, 4)
    p = net.params
    assert p.bias is not None
    every = [*given, p.kernel, p.recurrent_kernel, p.bias]
    before = [a.copy() for a in every]
    for a in every:
        a.setflags(write=False)
    x, h0, c0, *cotangents = given
    run = net.forward(x, (h0, c0))
    first, second = net.backward(run, *cotangents), net.backward(run, *cotangents)
    for a, b in zip(every, before, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in GRADIENTS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_changing_the_input_or_the_output_after_the_forward_pass_changes_no_gradient() -> None:
    net, (x, h0, c0, *cotangents) = network(), arrays(2, 4)
    expected = net.backward(net.forward(x, (h0, c0)), *cotangents)
    run = net.forward(x, (h0, c0))
    for a in (x, h0, c0, run.output, run.h, run.c):
        a[:] = 7.0
    actual = net.backward(run, *cotangents)
    for name in GRADIENTS:
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))


def test_a_cotangent_left_out_is_zero() -> None:
    net, (x, h0, c0, d_output, d_h, d_c) = network(), arrays(2, 4)
    run = net.forward(x, (h0, c0))
    whole = net.backward(run, d_output, d_h, d_c)
    parts = [net.backward(run, d_output=d_output), net.backward(run, d_h=d_h), net.backward(run, d_c=d_c)]
    for name in GRADIENTS:
        np.testing.assert_allclose(sum(getattr(p, name) for p in parts), getattr(whole, name), rtol=0, atol=1e-13)


def test_state_left_out_is_zero_and_a_sequence_may_be_run_in_two_halves() -> None:
    net, (x, *_) = network(), arrays(2, 8)
    zeros = np.zeros((2, 5))
    whole, (h, c) = net(x)
    np.testing.assert_array_equal(whole, net(x, (zeros, zeros))[0])
    first, state = net(x[:, :3])
    second, (h2, c2) = net(x[:, 3:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-15)
    np.testing.assert_allclose([h2, c2], [h, c], rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("B", [1, 3])
def test_many_steps_at_once_are_as_many_single_steps(B: int, dtype: str) -> None:
    T, H = 3 * sequence.WORTH_A_COPY, sequence.ROWS_COPIED + 3
    net, (x, h0, c0, *_) = network(3, H, dtype), arrays(B, T, 3, H, dtype)
    output, last = net(x, (h0, c0))
    state, close = (h0, c0), 100 * float(np.finfo(dtype).eps)
    for t in range(T):
        step, state = net(x[:, t : t + 1], state)
        np.testing.assert_allclose(step[:, 0], output[:, t], rtol=0, atol=close)
    np.testing.assert_allclose(state, last, rtol=0, atol=close)


def test_results_are_contiguous_and_share_no_memory() -> None:
    net, (x, h0, c0, *cotangents) = network(), arrays(2, 4)
    run = net.forward(x, (h0, c0))
    gradients = net.backward(run, *cotangents)
    tape = record(run).tape
    assert tape is not None
    results = [run.output, run.h, run.c, *(getattr(gradients, name) for name in GRADIENTS)]
    others = [tape.x, tape.cells, tape.tanh_c, tape.h, x, h0, c0, *cotangents]
    for number, result in enumerate(results):
        assert result.flags.c_contiguous
        assert not any(np.shares_memory(result, other) for other in [*others, *results[:number]])


@pytest.mark.parametrize("sizes", [(0, 4, 3, 5), (2, 0, 3, 5)], ids=["no samples", "no steps"])
def test_empty_sequences_and_batches(sizes: tuple[int, int, int, int]) -> None:
    B, T, D, H = sizes
    net, (x, h0, c0, d_output, d_h, d_c) = network(D, H), arrays(B, T, D, H)
    run = net.forward(x, (h0, c0))
    gradients = net.backward(run, d_output, d_h, d_c)
    assert run.output.shape == (B, T, H)
    np.testing.assert_array_equal(gradients.d_kernel, np.zeros((D, 4 * H)))
    if T == 0:
        np.testing.assert_array_equal(run.c, c0)
        np.testing.assert_array_equal(gradients.d_h0, d_h)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", [1, 2, 5, 16])
def test_no_warning_and_no_nan_at_any_finite_input(dtype: str, H: int) -> None:
    net, (x, h0, c0, *cotangents) = network(3, H, dtype), arrays(4, 6, 3, H, dtype)
    with np.errstate(all="raise"):
        for factor in (0.0, 1e-30, 1.0, 1e3, 1e30):
            run = net.forward(x * np.dtype(dtype).type(factor), (h0, c0))
            gradients = net.backward(run, *cotangents)
            assert np.isfinite(run.output).all()
            assert all(np.isfinite(getattr(gradients, name)).all() for name in GRADIENTS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_one_sample_stays_in_that_sample(value: float) -> None:
    net, (x, h0, c0, *cotangents) = network(), arrays(4, 6)
    clean = net.forward(x, (h0, c0))
    x[1, 2, 0] = value
    run = net.forward(x, (h0, c0))
    gradients, others = net.backward(run, *cotangents), [0, 2, 3]
    np.testing.assert_array_equal(run.output[others], clean.output[others])
    np.testing.assert_array_equal(run.output[1, :2], clean.output[1, :2])
    assert np.isfinite(gradients.d_x[others]).all()
    assert np.isfinite(gradients.d_h0[others]).all()
    if np.isnan(value):
        assert np.isnan(run.output[1, 2:]).all()


@pytest.mark.parametrize("steps", [sequence.Steps, sequence.StepsBack], ids=["forward", "backward"])
def test_two_threads_at_once_keep_their_error_handling(steps: type, monkeypatch: pytest.MonkeyPatch) -> None:
    net, (x, *_, d_c), both, call = network(), arrays(2, 4), Barrier(2, timeout=30), steps.__call__

    def meet(*given: Any) -> Any:
        both.wait()
        return call(*given)

    monkeypatch.setattr(steps, "__call__", meet)

    def after(how: Any) -> str:
        with np.errstate(all=how):
            net.backward(net.forward(x), d_c=d_c)
            return np.geterr()["over"]

    with ThreadPoolExecutor(2) as pool:  # NumPy 1 mixed them up
        assert list(pool.map(after, ["raise", "print"])) == ["raise", "print"]


def test_inference_memory_does_not_grow_with_the_sequence() -> None:
    net = network(4, 8)

    def extra(T: int) -> int:
        x = np.ones((1, T, 4))
        tracemalloc.start()
        output, _ = net(x)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak - output.nbytes

    block = sequence.block_length(1, 8, np.dtype("float64"))
    assert extra(8 * block) < 1.05 * extra(2 * block)


def peak(call: Callable[[], Any]) -> int:
    """The most memory, in bytes, that was taken at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(1, 20_000, 2, 8), (64, 150, 3, 32), (33, 1200, 5, 4)])
def test_checkpoints_change_no_bit(sizes: tuple[int, int, int, int], dtype: str) -> None:
    B, T, D, H = sizes
    net, (x, h0, c0, *cotangents) = network(D, H, dtype), arrays(B, T, D, H, dtype)
    whole, pieces = net.forward(x, (h0, c0)), net.forward(x, (h0, c0), checkpoint_every=1)
    assert record(pieces).tape is None, "there are several pieces"
    assert record(whole).tape is not None
    for name in ("output", "h", "c"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))
    expected, actual = net.backward(whole, *cotangents), net.backward(pieces, *cotangents)
    for name in GRADIENTS:
        np.testing.assert_array_equal(getattr(expected, name), getattr(actual, name), err_msg=name)


def test_the_tape_grows_with_the_sequence_by_what_is_documented_and_checkpoints_by_less() -> None:
    net, B, D, H = network(4, 16), 8, 4, 16
    numbers = B * (7 * H + D) + B * H  # a step of the tape, and of the output

    def training(T: int, every: int | None = None) -> int:
        x = np.ones((B, T, D))
        return peak(lambda: net.forward(x, checkpoint_every=every))

    step = (training(30_000) - training(20_000)) / 10_000
    assert step == pytest.approx(8 * numbers, rel=0.02)
    step = (training(30_000, 1) - training(20_000, 1)) / 10_000
    assert step == pytest.approx(8 * B * (D + H), rel=0.05), "x and the output alone"


@pytest.mark.parametrize("every", [0, -3, 2.5, "all"])
def test_checkpoints_every_nothing_are_refused(every: Any) -> None:
    with pytest.raises(UsageError, match="expected a number of steps"):
        network().forward(arrays(2, 4)[0], checkpoint_every=every)


def test_a_hundred_thousand_steps_take_no_more_memory_than_ten_thousand() -> None:
    net = network(4, 8)

    def extra(T: int) -> int:
        x = np.ones((1, T, 4))
        return peak(lambda: net(x)) - T * 8 * x.itemsize  # less the output

    assert extra(100_000) < 1.05 * extra(10_000)


FORWARD_WORK, BACKWARD_WORK = 12, 7
WORK = {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "BINARY_OP", "BINARY_SUBSCR", "BINARY_SLICE", "STORE_SUBSCR"}
"""The instructions in which Python hands work to NumPy: calls, operators and views."""


def work_per_step(pass_of: Callable[[int], Callable[[], Any]]) -> float:
    """How much of that one more step costs, in lstm_ref's own code."""
    package = str(Path(lstm_ref.__file__).parent)
    counts = []
    for T in (40, 60):
        call, seen = pass_of(T), 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal seen
            if not frame.f_code.co_filename.startswith(package):
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                seen += opcodes(frame.f_code)[frame.f_lasti] in WORK
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call()
        finally:
            sys.settrace(before)
        counts.append(seen)
    return (counts[1] - counts[0]) / 20


@cache
def opcodes(code: CodeType) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


def test_a_step_takes_no_more_calls_of_numpy_than_it_does_today() -> None:
    net = network()

    def forward(T: int) -> Callable[[], Any]:
        x, h0, c0, *_ = arrays(3, T)
        return lambda: net(x, (h0, c0))

    def backward(T: int) -> Callable[[], Any]:
        x, h0, c0, *cotangents = arrays(3, T)
        run = net.forward(x, (h0, c0))
        return lambda: net.backward(run, *cotangents)

    # eleven of NumPy's functions forward and six backward, and the call of the step itself
    assert 11 <= work_per_step(forward) <= FORWARD_WORK
    assert 6 <= work_per_step(backward) <= BACKWARD_WORK


def test_importing_brings_in_nothing_but_numpy_and_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import lstm_ref\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'lstm_ref', 'numpy'}))"
    )
    printed = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    names = eval(printed)  # a list of strings that the line above printed
    assert [name for name in names if not name.startswith(("_", "__"))] == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n, x, s: n(x[0]), ShapeError, r"x has shape \(4, 3\), expected \(B, T, D\) = \(any, any, 3\)"),
        (lambda n, x, s: n(x[:, :, :2]), ShapeError, r"x has shape \(2, 4, 2\)"),
        (lambda n, x, s: n(x, (s, s[:1])), ShapeError, r"c0 has shape \(1, 5\), expected \(B, H\) = \(2, 5\)"),
        (lambda n, x, s: n(x, s), UsageError, r"pair \(h0, c0\)"),
        (lambda n, x, s: n(x.astype("float32")), DTypeError, r"x has dtype float32, but the weights have float64"),
        (lambda n, x, s: n(x.astype("int64")), DTypeError, r"x has dtype int64, expected float64 or float32"),
        (lambda n, x, s: n(x.astype(">f8")), DTypeError, r"native byte order"),
        (
            lambda n, x, s: n(x, mask=np.ones((2, 3), bool)),
            ShapeError,
            r"mask has shape \(2, 3\), expected \(B, T\) = \(2, 4\)",
        ),
        (lambda n, x, s: n(x, mask=np.ones((2, 4))), DTypeError, r"mask has dtype float64, expected bool"),
        (lambda n, x, s: n.backward(n.forward(x)), UsageError, r"no cotangent"),
        (lambda n, x, s: n.backward(n.forward(x), d_h=s.T), ShapeError, r"d_h has shape \(5, 2\), expected \(B, H\)"),
        (lambda n, x, s: network().backward(n.forward(x), d_h=s), UsageError, r"not what this network's forward"),
        (lambda n, x, s: n.backward(None, d_h=s), UsageError, r"not what this network's forward"),
        (lambda n, x, s: lstm_ref.Network(x), UsageError, r"lstm_ref\.load"),
    ],
)
def test_misuse_is_named(call, error, message) -> None:  # type: ignore[no-untyped-def]  # rows of lambdas
    x, state, *_ = arrays(2, 4)
    with pytest.raises(error, match=message):
        call(network(), x, state)
