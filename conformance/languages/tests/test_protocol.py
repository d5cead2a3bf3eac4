"""What goes over the pipe keeps its schema, in every layout and with every feature, and comes back as it went."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from conformance.case import Case, Result
from conformance.cases.features import FEATURES
from conformance.cases.flat import arrays_of, of_arrays
from conformance.fixtures.store import golden
from conformance.implementations import built_in
from conformance.languages import protocol
from conformance.languages.protocol import (
    HELLO,
    AnswerError,
    Declaration,
    declaration,
    encoded,
    request,
    results,
    weight_names,
)
from conformance.layouts.layout import Layout

SCHEMA = json.loads((Path(protocol.__file__).parent / "protocol.schema.json").read_text())
VALID = jsonschema.Draft202012Validator(SCHEMA)
PLAIN = {**HELLO, "arrays": "base64"}
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"gates": "iofc"},
    {"joined": "hx", "transposed": True, "split": True, "axes": "tfb"},
    {"gates": "ogif", "biases": 2, "axes": "tbf"},
    {"joined": "xh", "split": True, "biases": 2, "axes": "ftb"},
]
BIG = [vector for vector in golden(("float64",), features=frozenset(FEATURES)) if np.prod(vector.case.x.shape) < 200]


def declared(**told: Any) -> Declaration:
    VALID.validate({**PLAIN, **told})
    return declaration(encoded({**PLAIN, **told}).encode())


def array(told: dict[str, Any]) -> np.ndarray[Any, Any]:
    """An array out of a message, read as the README says."""
    data, dtype = told["data"], told["dtype"]
    flat = np.array(data, dtype) if isinstance(data, list) else np.frombuffer(base64.b64decode(data), f"{dtype}")
    return flat.reshape(told["shape"])


def told(given: np.ndarray[Any, Any], numbers: bool) -> dict[str, Any]:
    """An array for an answer."""
    if numbers:
        return {"shape": list(given.shape), "data": given.reshape(-1).tolist()}
    data = base64.b64encode(np.ascontiguousarray(given).tobytes()).decode()
    return {"dtype": given.dtype.name, "shape": list(given.shape), "data": data}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALID.validate(HELLO)
    assert SCHEMA["$defs"]["declaration"]["properties"].keys() == set(protocol.KEYS)
    assert SCHEMA["$defs"]["declaration"]["properties"]["layout"]["properties"].keys() == protocol.LAYOUT.keys()


@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize("vector", BIG, ids=lambda vector: vector.vector)
def test_every_kind_of_case_comes_through(vector: Any, numbers: bool) -> None:
    case: Case = vector.case
    spoken = declared(arrays="numbers" if numbers else "base64")
    message = json.loads(request(case, 3, spoken))
    VALID.validate(message)
    assert (message["call"], message["id"], message["dtype"]) == (3, case.id, case.dtype.name)
    came = {name: array(each) for name, each in message["arrays"].items()}
    prefix = "params." if case.single else ""
    weights = {"kernel", "recurrent_kernel", "bias", "projection", "peephole"}
    named = {f"{prefix}{name}" if name in weights else name: each for name, each in came.items()}
    again = arrays_of(of_arrays(named, case.id, message["dtype"], message["layers"]))
    expected = arrays_of(case)
    for name, each in again.items():
        if name.endswith("bias") and name not in expected:
            assert not each.any(), "a bias that there is not comes as zeros"
        else:
            assert np.array_equal(each, expected[name])
            assert each.dtype == expected[name].dtype


@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_layout_turns_weights_and_arrays_and_turns_gradients_back(layout: dict[str, Any], numbers: bool) -> None:
    spoken = declared(layout=layout, arrays="numbers" if numbers else "base64")
    case = next(vector.case for vector in golden(("float64",)) if vector.vector == "sizes-b4-t6-d2-h3")
    expected = built_in("ref")(case)
    kept = Layout(**layout)
    message = json.loads(request(case, 1, spoken))
    came = {name: array(each) for name, each in message["arrays"].items()}
    for name, weights in zip(weight_names(kept), kept.weights(case.params), strict=True):
        assert np.array_equal(came[name], weights)
    assert np.array_equal(came["x"], kept.sequence(case.x))
    assert np.array_equal(came["d_c"], kept.state(case.d_c))
    given = in_layout(kept, expected)
    answer = {"call": 1, "results": {name: told(each, numbers) for name, each in given.items()}}
    VALID.validate(answer)
    found = results(encoded(answer).encode(), case, 1, spoken)
    assert found.keys() == expected.keys()
    for name in expected:
        assert np.array_equal(found[name], expected[name]), name


def in_layout(layout: Layout, result: Result) -> dict[str, np.ndarray[Any, Any]]:
    """A result as a program of this layout would give it."""
    from lstm_ref import LSTMParams

    weights = layout.weights(LSTMParams(result["d_kernel"], result["d_recurrent_kernel"], result["d_bias"]))
    given = {f"d_{name}": np.array(each) for name, each in zip(weight_names(layout), weights, strict=True)}
    if "d_recurrent_bias" in given:  # both are added: their gradients are the same
        given["d_recurrent_bias"] = given["d_bias"]
    for name in ("output", "d_x"):
        given[name] = layout.sequence(result[name])
    return given | {name: layout.state(result[name]) for name in ("h", "c", "d_h0", "d_c0")}


def test_numbers_that_json_has_not() -> None:
    case = golden(("float64",))[0].case
    size = int(np.prod(case.shapes["output"]))
    spoken = declared(arrays="numbers")
    for text, number in (("NaN", np.nan), ("Infinity", np.inf), ("-Infinity", -np.inf), (None, np.nan), (7, 7.0)):
        answer = {"call": 1, "results": {"output": {"shape": [size], "data": [text] * size}}}
        VALID.validate(answer)
        found = results(json.dumps(answer).encode(), case, 1, spoken)["output"]
        assert np.array_equal(found, np.full(size, number), equal_nan=True)
    strange = of_arrays(arrays_of(case) | {"x": np.full_like(case.x, -np.inf)}, "strange", "float64")
    message = json.loads(request(strange, 1, spoken))
    VALID.validate(message)
    assert set(message["arrays"]["x"]["data"]) == {"-Infinity"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1.0]], "gave output 'list' for a number, expected one flat list of numbers"),
        (["1.0"], "gave output '1.0' for a number"),
        ([True], "gave output 'bool' for a number"),
        ("AAAA", "gave output no list, expected one"),
        ([1.0, 2.0], "gave output 2 numbers, expected 1 for its shape [1]"),
        ([10**400], "gave output an integer that is beyond every float"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(data: Any, message: str) -> None:
    case = golden(("float64",))[0].case
    answer = {"call": 1, "results": {"output": {"shape": [1], "data": data}}}
    with pytest.raises(AnswerError) as caught:
        results(json.dumps(answer).encode(), case, 1, declared(arrays="numbers"))
    assert str(caught.value).startswith(message)


def test_what_a_layout_does_not_tell_is_refused_whoever_asks() -> None:
    every = golden(("float64",), features=frozenset(FEATURES))
    stacked = next(v.case for v in every if len(v.case.layers) > 1)
    peephole = next(v.case for v in every if v.case.params.peephole is not None and v.case.single)
    single = next(v.case for v in every if v.vector == "plain-all")
    refusals = [
        [spoken.refusal(case) for case in (single, stacked, peephole)]
        for spoken in (declared(), declared(layout={"gates": "iofc"}), declared(batch=1))
    ]
    assert [list(map(bool, row)) for row in refusals] == [
        [False, False, False],
        [False, False, True],
        [False, True, True],
    ]


@pytest.mark.parametrize("dtypes", [["float32"], ["float64"]])
def test_dtypes_that_are_not_named_are_declared_to_be_missing(dtypes: list[str]) -> None:
    assert declared(dtypes=dtypes).without == {"float64", "float32"} - set(dtypes)
