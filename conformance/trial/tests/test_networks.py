"""A candidate on trial with networks: what it is asked for, the flat form of its cases, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance.case import Case
from conformance.cases.features import FEATURES, features
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.matrix import Spec
from conformance.cases.network import NetworkSpec
from conformance.errors import CandidateError
from conformance.fixtures.store import golden
from conformance.report.html import render
from conformance.report.json_report import NOTHING
from conformance.trial.call import outcome_of
from conformance.trial.declare import asked_features, meets
from conformance.trial.runner import run
from conformance.trial.tests.networks import SPECS, build, network, write
from lstm_ref import Options

EVERY = (
    *SPECS,
    NetworkSpec(3, 5, 4, (2, 3), "both", "sum", projection=2, mask="right", dropout="both"),
    NetworkSpec(3, 5, 4, (2,), "reverse", peephole=True, options=Options(clip=1.0, coupled_gates=True)),
    NetworkSpec(3, 5, 4, (4, 2), "both", None, dropout="between", options=Options("relu", go_backwards=True)),
    NetworkSpec(3, 5, 4, (3,), mask="left", options=Options(zero_output_for_mask=True, return_sequences=False)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("networks"), (NetworkSpec(3, 4, 2, (3,)), *SPECS))


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.id)
def test_a_case_is_the_same_after_its_flat_form(spec: NetworkSpec) -> None:
    case = spec.build()
    layers = json.loads(json.dumps(layers_of(case)))
    again = of_arrays(arrays_of(case), case.id, case.dtype, layers)
    assert arrays_of(again).keys() == arrays_of(case).keys()
    assert all(arrays_of(again)[name] is array for name, array in arrays_of(case).items())
    assert (layers_of(again), again.shapes, again.axes) == (layers_of(case), case.shapes, case.axes)
    assert features(again) == features(case)


def test_every_feature_is_seen_and_a_plain_case_has_none() -> None:
    assert frozenset().union(*(features(spec.build()) for spec in EVERY)) == set(FEATURES)
    assert features(Spec(2, 3, 4, 5).build()) == frozenset()


def test_vectors_that_have_features_are_read_if_they_are_asked_for(folder: Path) -> None:
    assert [vector.case.single for vector in golden(["float64"], folder)] == [True]
    stacked = golden(["float32"], folder, {"stacked", "bidirectional"})
    assert [len(vector.case.layers) for vector in stacked] == [1, 2]
    whole = golden(["float64"], folder, FEATURES)
    for vector, spec in zip(whole[1:], SPECS, strict=True):
        expected = arrays_of(build(spec))
        assert all(np.array_equal(array, expected[name]) for name, array in arrays_of(vector.case).items())
        assert vector.expected.keys() == vector.case.shapes.keys()


def test_without_takes_features_away_and_some_bring_others_with_them() -> None:
    assert asked_features(frozenset({"merge"}), frozenset()) == {"merge", "bidirectional"}
    assert asked_features(frozenset(FEATURES), frozenset({"mask"})) == set(FEATURES) - {"mask", "zero-output"}
    case = SPECS[0].build()
    assert not meets(case, frozenset())
    assert meets(case, frozenset(), frozenset({"stacked", "bidirectional"}))
    assert not meets(case, frozenset({"bias"}), frozenset(FEATURES))


def test_who_says_nothing_is_asked_for_the_plain_lstm_and_told_of_the_rest(folder: Path) -> None:
    report = run(network, "network", folder=folder)
    assert report.conforms()
    assert (report.asked, report.not_asked) == ((), tuple(FEATURES))
    assert {features(trial.case) for trial in report.trials.values()} == {frozenset()}


def test_a_network_is_judged_by_every_quantity_of_its_layers(folder: Path) -> None:
    def buggy(case: Case) -> conformance.Result:
        result = network(case)
        name = "layers.1.reverse.d_bias"
        return result | ({name: result[name] * 2} if name in result else {})

    report = run(conformance.candidate(features="all", without=("widths",))(buggy), "buggy", folder=folder)
    assert [result.quantity for result in report.failures] == ["layers.1.reverse.d_bias"] * 2
    assert report.failures[0].message.startswith("layers.1.reverse.d_bias: 8 of 8 numbers are wrong; worst at unit=")
    assert "widths" not in report.asked
    assert {"mask", "clip"} <= set(report.not_met)
    assert "layers.1.reverse.d_bias" in render(report, NOTHING, "buggy")


def test_gradients_may_be_nested_by_layers_and_states_be_lists() -> None:
    case = SPECS[1].build()
    flat = network(case)
    nested = {name: flat[name] for name in ("output", "d_x")}
    nested |= {name: [flat[f"layers.{k}.{name}"] for k in range(2)] for name in ("h", "c", "d_h0", "d_c0")}
    weights = ("d_kernel", "d_recurrent_kernel", "d_bias")
    nested["layers"] = [{"forward": {n: flat[f"layers.{k}.forward.{n}"] for n in weights}} for k in range(2)]
    outcome = outcome_of(lambda _: nested | {"layers.7.h": 1}, case)
    assert outcome.unknown == ("layers.7.h",)
    assert outcome.result.keys() == case.shapes.keys()
    assert all(np.array_equal(outcome.result[name], flat[name]) for name in case.shapes)


def test_a_feature_that_is_none_is_refused_with_the_list() -> None:
    with pytest.raises(CandidateError, match=r"features=\['stack'\] are none; write all, or some of stacked, widths"):
        conformance.candidate(features="stack")
