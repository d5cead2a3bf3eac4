"""Which layouts a known run leaves open, what is said when none fits, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import conformance
from conformance.cases.draw import Draw
from conformance.errors import LayoutError
from conformance.layouts.tests.packing import (
    PLAIN,
    VECTORS,
    Arrays,
    Packing,
    assert_found,
    assert_same,
    find,
    known_run,
    search,
)
from conformance.layouts.unknown import finding
from lstm_ref import LSTMParams
from lstm_ref.params import FloatArray


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


def test_where_all_would_take_too_long_a_part_is_compared_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = VECTORS["batch-33-float64"]
    arrays = Packing("cfio").arrays(vector.case.params, Draw("part"))
    known = known_run(vector.case, vector.expected, "btf")
    assert find(arrays, **known).remarks == ()
    monkeypatch.setattr(finding, "WHOLE_WORK", 1000)
    found = find(arrays, **known)
    assert_found(found, arrays, vector.case.params)
    assert found.remarks[0].startswith("Compared were the first 8 of 33 samples and 3 of 3 steps")
