"""The layout of weights is found by what they compute: golden vectors put into every layout come back."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import conformance
from conformance.draw import Draw
from conformance.errors import LayoutError
from conformance.fixtures.store import Golden, golden
from conformance.tests.packing import ORDERS, Arrays, Packing, known_run, random_packing
from conformance.unknown_layout.python import code
from lstm_ref import LSTMParams, reorder_gates
from lstm_ref.params import FloatArray

VECTORS = {vector.case.id: vector for vector in golden()}
PLAIN = VECTORS["plain-all-nostate-float64"]
RANDOM = [
    "plain-all-float64",
    "plain-all-nostate-float32",
    "plain-output-nobias-float64",
    "sizes-b3-t5-d4-h2-float32",
    "sizes-b5-t3-d9-h17-float64",
    "sizes-b2-t3-d7-h4-float64",
    "one-sample-float64",
    "one-feature-float32",
    "batch-is-time-float64",
    "stateless-b3-t6-d9-h8-float32",
]


def find(arrays: Arrays, **known: Any) -> conformance.LayoutFinding:
    return conformance.find_layout(arrays, **known)


def search(
    vector: Golden, packing: Packing, draw: Draw, only: tuple[str, ...] = ()
) -> tuple[conformance.LayoutFinding, Arrays]:
    arrays = packing.arrays(vector.case.params, draw)
    known = known_run(vector.case, vector.expected, packing.axes)
    dropped = [name for name in ("output", "h", "c") if only and name not in only]
    return find(arrays, **{n: a for n, a in known.items() if n not in dropped}), arrays


def assert_same(actual: LSTMParams, expected: LSTMParams) -> None:
    for name in ("kernel", "recurrent_kernel"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))
    if expected.bias is None:
        assert actual.bias is None or not actual.bias.any()
    else:
        assert actual.bias is not None
        np.testing.assert_allclose(actual.bias, expected.bias, rtol=0, atol=4 * float(np.finfo(expected.dtype).eps))


def by_its_code(lines: str, arrays: Arrays) -> LSTMParams:
    names: dict[str, Any] = {"arrays": arrays}
    exec(lines, names)
    assert isinstance(names["params"], LSTMParams)
    return names["params"]


def assert_found(found: conformance.LayoutFinding, arrays: Arrays, expected: LSTMParams) -> None:
    assert found.verdict == "one", found.remarks
    fit = found.fits[0]
    assert_same(fit.params, expected)
    for way in fit.ways:
        assert_same(by_its_code(code(way), arrays), expected)
    assert fit.error < found.tolerance
    assert all(other.error > 100 * found.tolerance for other in found.nearest)


@pytest.mark.parametrize("number", range(120))
def test_any_layout_is_found_back(number: int) -> None:
    draw = Draw(f"layout {number}")
    vector = VECTORS[RANDOM[number % len(RANDOM)]]
    packing = random_packing(draw, vector.case)
    found, arrays = search(vector, packing, draw)
    assert_found(found, arrays, vector.case.params)


@pytest.mark.parametrize("order", ORDERS)
def test_every_gate_order_is_found_back_and_named(order: str) -> None:
    found, arrays = search(PLAIN, Packing(order, bias="sum", left=True), Draw(order))
    assert_found(found, arrays, PLAIN.case.params)
    assert found.fits[0].layout == conformance.Layout(order, transposed=True, biases=2)


@pytest.mark.parametrize(("joined", "left", "split"), list(product(("", "xh", "hx"), (False, True), (False, True))))
def test_the_layout_that_is_named_gives_the_arrays_back(joined: str, left: bool, split: bool) -> None:
    layout = conformance.Layout("ofic", joined, left, split)
    given = {str(n): w for n, w in enumerate(layout.weights(PLAIN.case.params))}
    arrays = {f"{n} {k}": block for n, w in given.items() for k, block in enumerate(w)} if split else given
    known = known_run(PLAIN.case, PLAIN.expected, "btf")
    found = find(arrays, **known)
    assert_found(found, arrays, PLAIN.case.params)
    assert found.fits[0].layout == layout


@pytest.mark.parametrize(
    "packing", [Packing("fico", left=True), Packing("ocif", "crosswise"), Packing("icof", "split")]
)
def test_as_many_features_as_units(packing: Packing) -> None:
    vector = VECTORS["square-float64"]
    found, arrays = search(vector, packing, Draw("square"))
    assert_found(found, arrays, vector.case.params)


@pytest.mark.parametrize("only", [("h",), ("c",), ("h", "c"), ("output",)])
@pytest.mark.parametrize("id", ["plain-all-float64", "sizes-b3-t8-d5-h6-float32", "long-100-float64"])
def test_one_known_result_is_enough(only: tuple[str, ...], id: str) -> None:
    found, arrays = search(VECTORS[id], Packing("iofc", left=True, bias="halves", leading=True), Draw(id), only)
    assert_found(found, arrays, VECTORS[id].case.params)


def test_the_last_output_is_enough() -> None:
    case, expected = PLAIN.case, PLAIN.expected
    arrays = Packing("cfio", joined="xh").arrays(case.params, Draw("last"))
    assert_found(conformance.find_layout(arrays, x=case.x, output=expected["h"]), arrays, case.params)


@pytest.mark.parametrize("axes", ["tf", "ft"])
def test_a_single_sequence(axes: str) -> None:
    vector = VECTORS["one-sample-float32"]
    case, expected = vector.case, vector.expected
    x, output = case.x[0], expected["output"][0]
    order = (1, 0) if axes == "ft" else (0, 1)
    arrays = Packing("iocf").arrays(case.params, Draw("single"))
    states = {"h0": case.h0[0], "c0": case.c0[0], "h": expected["h"][0]}
    found = conformance.find_layout(arrays, x=x.transpose(order), output=output.transpose(order), **states)
    assert_found(found, arrays, case.params)
    assert found.fits[0].ways[0].reading.axes == axes


def test_one_step_from_a_random_state_as_a_cell_takes_it() -> None:
    vector = VECTORS["one-step-float64"]
    case, expected = vector.case, vector.expected
    arrays = Packing("fico", left=True, bias="sum").arrays(case.params, Draw("cell"))
    found = conformance.find_layout(arrays, x=case.x[:, 0], h0=case.h0, c0=case.c0, h=expected["h"], c=expected["c"])
    assert_found(found, arrays, case.params)


def test_time_and_batch_of_one_length_are_told_apart() -> None:
    vector = VECTORS["batch-is-time-float64"]
    found, arrays = search(vector, Packing(axes="tbf"), Draw("axes"))
    assert_found(found, arrays, vector.case.params)
    assert {way.reading.axes for way in found.fits[0].ways} == {"tbf"}


def test_two_biases_for_each_gate() -> None:
    case, expected = PLAIN.case, PLAIN.expected
    assert case.params.bias is not None
    arrays = {f"w{k}": block for k, block in enumerate(np.split(case.params.kernel, 4, axis=1))}
    arrays |= {f"u{k}": block for k, block in enumerate(np.split(case.params.recurrent_kernel, 4, axis=1))}
    second = Draw("second").uniform(0.5, 20)
    arrays |= {f"b{k}": block for k, block in enumerate(np.split(case.params.bias - second, 4))}
    arrays |= {f"c{k}": block for k, block in enumerate(np.split(second, 4))}
    assert_found(conformance.find_layout(arrays, x=case.x, output=expected["output"]), arrays, case.params)


def test_kernels_in_cudnns_memory_order() -> None:
    p = PLAIN.case.params
    assert p.bias is not None
    kernel = np.hstack([block.T.reshape(3, 5) for block in np.split(p.kernel, 4, axis=1)])
    recurrent = np.hstack([block.T for block in np.split(p.recurrent_kernel, 4, axis=1)])
    arrays = {"a": kernel, "b": recurrent, "c": np.concatenate([p.bias / 4, p.bias * 0.75])}
    found = conformance.find_layout(arrays, x=PLAIN.case.x, output=PLAIN.expected["output"])
    assert_found(found, arrays, p)
    assert found.fits[0].layout is None


def test_names_and_other_arrays_decide_nothing() -> None:
    p = PLAIN.case.params
    arrays: Arrays = {
        "bias": reorder_gates(p.kernel, "ifco", "ofic"),
        "kernel": reorder_gates(p.recurrent_kernel, "ifco", "ofic"),
        "recurrent_kernel": reorder_gates(np.asarray(p.bias), "ifco", "ofic"),
        "peephole": np.ones(5),
        "dense": np.ones((5, 2)),
        "step": np.array(7),
        "vocabulary": np.array(["a", "b"]),
        "empty": np.zeros((0, 5)),
    }
    found = conformance.find_layout(arrays, x=PLAIN.case.x, output=PLAIN.expected["output"])
    assert_found(found, arrays, p)
    assert found.fits[0].ways[0].names == ("bias", "kernel", "recurrent_kernel")


def test_what_loads_the_same_is_one_finding_that_names_the_other_ways() -> None:
    p = PLAIN.case.params
    arrays = {"W": p.kernel, "U": p.recurrent_kernel, "b": np.asarray(p.bias), "zero": np.zeros(20)}
    found = conformance.find_layout(arrays, x=PLAIN.case.x, output=PLAIN.expected["output"])
    assert_found(found, arrays, p)
    assert {way.words()["bias"] for way in found.fits[0].ways} == {"'b' plus 'zero'", "'b'"}


def test_constant_weights_have_every_gate_order() -> None:
    x = np.array([[[1.0], [2.0]]])
    arrays = {"W": np.full((1, 8), 0.25), "U": np.full((2, 8), 0.5)}
    params = LSTMParams(arrays["W"], arrays["U"])
    z = 0.25
    c = np.tanh(z) / (1 + np.exp(-z))
    h = np.tanh(c) / (1 + np.exp(-z))
    z2 = 0.5 + h
    c = (c + np.tanh(z2)) / (1 + np.exp(-z2))
    h2 = np.tanh(c) / (1 + np.exp(-z2))
    found = conformance.find_layout(arrays, x=x, output=np.array([[[h, h], [h2, h2]]]))
    assert found.verdict == "one"
    assert_same(found.fits[0].params, params)
    assert len({way.order(way.kernel) for way in found.fits[0].ways}) == 24


def test_one_step_from_zero_leaves_the_recurrent_kernel_and_the_forget_gate_open() -> None:
    case, expected = PLAIN.case, PLAIN.expected
    arrays = Packing(left=True).arrays(case.params, Draw("step"))
    found = conformance.find_layout(arrays, x=case.x[:, :1], output=expected["output"][:, :1])
    assert found.verdict == "several"
    assert len(found.fits) == 4, "the recurrent blocks either way, the forget bias either way"
    assert any(np.array_equal(fit.params.recurrent_kernel, case.params.recurrent_kernel) for fit in found.fits)
    told = " ".join(found.remarks)
    assert "What differs is recurrent kernel, bias." in told
    assert "does not use the recurrent kernel" in told
    assert "does not use the forget gate" in told


def test_an_input_of_zeros_leaves_the_kernel_open() -> None:
    vector = VECTORS["zero-x-float64"]
    found, _ = search(vector, Packing(joined=""), Draw("zero"))
    assert found.verdict == "one", "the shapes of D=3 and H=5 leave one reading of the kernel"
    arrays = Packing("fico", "split").arrays(vector.case.params, Draw("zero split"))
    found = find(arrays, **known_run(vector.case, vector.expected, "btf"))
    assert found.verdict == "several"
    assert "x is zero throughout, so the kernel is not used." in found.remarks
    assert any(np.array_equal(fit.params.kernel, vector.case.params.kernel) for fit in found.fits)


def test_numbers_that_do_not_come_from_these_weights() -> None:
    case = PLAIN.case
    arrays = Packing().arrays(case.params, Draw("none"))
    found = conformance.find_layout(arrays, x=case.x, output=Draw("noise").uniform(0.7, 2, 4, 5))
    assert (found.verdict, found.fits, found.related) == ("none", (), ())
    assert len(found.nearest) == 3
    assert found.nearest[0].error > 0.1


def _sigmoid(z: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-z)))


RELATIVES: dict[str, tuple[Any, Any, Any]] = {
    "0.2 z + 0.5": (lambda z: np.clip(0.2 * z + 0.5, 0, 1), np.tanh, np.tanh),
    "z / 6 + 0.5": (lambda z: np.clip(z / 6 + 0.5, 0, 1), np.tanh, np.tanh),
    "h = o c": (_sigmoid, np.tanh, lambda c: c),
    "relu in place of tanh": (_sigmoid, lambda z: np.maximum(z, 0), lambda c: np.maximum(c, 0)),
    "relu around c": (_sigmoid, np.tanh, lambda c: np.maximum(c, 0)),
}


@pytest.mark.parametrize("words", RELATIVES)
def test_a_relative_of_an_lstm_is_named(words: str) -> None:
    case, p = PLAIN.case, PLAIN.case.params
    gate, inner, outer = RELATIVES[words]
    h, c, output = case.h0, case.c0, []
    for t in range(4):
        i, f, g, o = np.split(case.x[:, t] @ p.kernel + h @ p.recurrent_kernel + np.asarray(p.bias), 4, axis=1)
        c = gate(f) * c + gate(i) * inner(g)
        h = gate(o) * outer(c)
        output.append(h)
    arrays = Packing("fico", joined="hx").arrays(p, Draw("relative"))
    found = conformance.find_layout(arrays, x=case.x, output=np.stack(output, axis=1))
    assert found.verdict == "none"
    (related,) = found.related
    assert words in related.words
    assert_same(related.fit.params, p)


@pytest.mark.parametrize("output_too", [True, False])
def test_a_run_backwards_in_time_is_named(output_too: bool) -> None:
    case, expected = PLAIN.case, PLAIN.expected
    arrays = Packing("iofc").arrays(case.params, Draw("backwards"))
    output = expected["output"][:, ::-1] if output_too else expected["output"]
    found = conformance.find_layout(arrays, x=case.x[:, ::-1], output=output)
    assert found.verdict == "none"
    (related,) = found.related
    assert "backwards in time" in related.words
    assert ("order of computation" in related.words) is not output_too
    assert_same(related.fit.params, case.params)


def test_states_that_the_run_did_not_start_from_are_named() -> None:
    case, expected = PLAIN.case, PLAIN.expected
    arrays = Packing().arrays(case.params, Draw("state"))
    found = conformance.find_layout(arrays, x=case.x, output=expected["output"], h0=np.full((2, 5), 0.5))
    assert "without the h0 and c0" in found.related[0].words


def test_a_rounded_recording_is_recognised_and_a_tolerance_accepts_it() -> None:
    case, output = PLAIN.case, PLAIN.expected["output"]
    arrays = Packing("cofi").arrays(case.params, Draw("rounded"))
    found = conformance.find_layout(arrays, x=case.x, output=np.round(output, 4))
    assert found.verdict == "none"
    assert "--tolerance 1e-03 accepts it" in " ".join(found.remarks)
    assert_found(
        conformance.find_layout(arrays, x=case.x, output=np.round(output, 4), tolerance=1e-3), arrays, case.params
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-2), ("float32", 2e-5), ("float64", 1e-9)])
@pytest.mark.parametrize("kept_as", ["as it is", "float64"])
def test_the_default_tolerance_is_that_of_the_results_precision(dtype: str, tolerance: float, kept_as: str) -> None:
    case = PLAIN.case
    output = PLAIN.expected["output"].astype(dtype)
    arrays = Packing().arrays(case.params, Draw("precision"))
    found = conformance.find_layout(
        arrays, x=case.x, output=output if kept_as == "as it is" else output.astype(kept_as)
    )
    assert (found.verdict, found.tolerance) == ("one", tolerance)


def test_weights_of_mixed_and_odd_dtypes() -> None:
    case, p = PLAIN.case, PLAIN.case.params
    arrays = {"W": p.kernel.astype(">f8"), "U": p.recurrent_kernel.astype("float32"), "b": np.asarray(p.bias)}
    found = conformance.find_layout(arrays, x=case.x, output=PLAIN.expected["output"])
    assert_found(found, arrays, p)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    assert conformance.find_layout(half, x=case.x, output=PLAIN.expected["output"], tolerance=0.01).fits[
        0
    ].params.dtype == (np.float32)


def refusal(arrays: Arrays, **known: Any) -> str:
    with pytest.raises(LayoutError) as caught:
        find(arrays, **known)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_searched_is_refused_in_one_line() -> None:
    case, output = PLAIN.case, PLAIN.expected["output"]
    arrays = Packing().arrays(case.params, Draw("refused"))
    x = case.x
    assert "neither output nor h nor c" in refusal(arrays, x=x)
    assert "does not fit together: x (2, 4, 3), output (2, 3, 5)" in refusal(arrays, x=x, output=output[:, :3])
    assert "output holds NaN" in refusal(arrays, x=x, output=output * np.nan)
    assert "holds no number" in refusal(arrays, x=x[:0], output=output[:0])
    assert "expected (B, T, D)" in refusal(arrays, x=x[None], output=output)
    assert "x has dtype <U1" in refusal(arrays, x=np.array(["a"]), output=output)
    assert "With D=2 and H=5 that is a kernel (2, 20)" in refusal(arrays, x=x[..., :2], output=output)
    assert "there are no arrays" in refusal({}, x=x, output=output)
    both = np.concatenate([output, output], axis=2)
    assert "They look like an LSTM of 5 units; of an output of two directions" in refusal(arrays, x=x, output=both)
    gru = {"W": np.ones((15, 3)), "U": np.ones((15, 5))}
    assert "They look like three blocks of H, which a GRU has." in refusal(gru, x=x, output=output)
    projected = {"W": np.ones((28, 3)), "U": np.ones((28, 5)), "P": np.ones((5, 7))}
    assert "They look like an LSTM of 7 units with a projection to 5." in refusal(projected, x=x, output=output)
    assert "hold NaN" in refusal({**arrays, "odd": np.array([np.nan])}, x=x, output=output)
    assert "the tolerance 0 is none" in refusal(arrays, x=x, output=output, tolerance=0.0)
    for count in (12, 30):
        many = {str(n): Draw(str(n)).uniform(1.0, 5, 5) for n in range(count)}
        assert f"too many layouts fit the shapes of these {count} arrays" in refusal(many, x=output, output=output)
    split = Packing(stacking="split").arrays(case.params, Draw("split"))
    many = {f"b{n}": Draw(str(n)).uniform(1.0, 5) for n in range(30)}
    assert "too many layouts fit the shapes of these 39 arrays" in refusal({**split, **many}, x=x, output=output)


def test_many_square_matrices_and_vectors_beside_the_weights() -> None:
    vector = VECTORS["square-float64"]
    arrays = Packing("cfio").arrays(vector.case.params, Draw("beside"))
    arrays |= {f"dense {n}": Draw(str(n)).uniform(1.0, 4, 4) for n in range(20)}
    arrays |= {f"shift {n}": Draw(str(n)).uniform(1.0, 4) for n in range(20)}
    found = find(arrays, **known_run(vector.case, vector.expected, "btf"))
    assert_found(found, arrays, vector.case.params)
    assert "So many arrays could be one gate's matrix each that this was not tried." in " ".join(found.remarks)


def test_every_sample_and_every_step_count() -> None:
    case, expected = VECTORS["batch-33-float64"].case, VECTORS["batch-33-float64"].expected
    arrays = Packing("cfio").arrays(case.params, Draw("whole"))
    output = expected["output"].copy()
    assert_found(find(arrays, x=case.x, output=output, h0=case.h0, c0=case.c0), arrays, case.params)
    output[20, 2, 1] += 1e-3
    found = conformance.find_layout(arrays, x=case.x, output=output, h0=case.h0, c0=case.c0)
    assert found.verdict == "none"
    assert found.nearest[0].error == pytest.approx(1e-3 / np.abs(output).max())
