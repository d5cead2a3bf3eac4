"""The layout of weights is found by what they compute: golden vectors put into every layout come back."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import conformance
from conformance.cases.draw import Draw
from conformance.layouts.tests.packing import (
    ORDERS,
    PLAIN,
    VECTORS,
    Arrays,
    Packing,
    assert_found,
    find,
    known_run,
    random_packing,
    search,
)
from lstm_ref import reorder_gates

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
    found, arrays = search(
        VECTORS[id], Packing("iofc", left=True, bias="halves", leading=True, forget=True), Draw(id), only
    )
    assert_found(found, arrays, VECTORS[id].case.params)


@pytest.mark.parametrize("forget", [False, True])
def test_the_last_output_is_enough(forget: bool) -> None:
    case, expected = PLAIN.case, PLAIN.expected
    arrays = Packing("cfio", joined="xh", forget=forget).arrays(case.params, Draw("last"))
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
