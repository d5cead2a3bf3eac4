"""What a candidate gives may be arrays of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from conformance.case import Case
from conformance.trial.runner import run
from conformance.trial.tests import wrong


def kinds_of_arrays() -> dict[str, Callable[[Any], Any]]:
    def read_only(array: Any) -> Any:
        array.flags.writeable = False
        return array

    return {
        "torch": lambda a: torch.tensor(a, requires_grad=True) * 1.0,
        "tensorflow": tf.constant,
        "lists": lambda a: a.tolist(),
        "read-only": read_only,
        "reversed twice": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    }


@pytest.mark.parametrize("kind", ["torch", "tensorflow", "lists", "read-only", "reversed twice"])
def test_arrays_are_taken_as_they_are(kind: str) -> None:
    make = kinds_of_arrays()[kind]
    report = run(lambda case: {name: make(array) for name, array in wrong.correct(case).items()}, kind)
    assert (report.verdict(), report.remarks) == ("conforms", ())


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_bfloat16_is_compared_as_what_it_holds(framework: str) -> None:
    def coarse(case: Case) -> Any:
        result = wrong.correct(case)
        if framework == "torch":
            return {name: torch.tensor(array).to(torch.bfloat16) for name, array in result.items()}
        return {name: tf.constant(array, tf.bfloat16) for name, array in result.items()}

    report = run(coarse, "coarse")
    assert report.verdict() == "does not conform"
    assert {r.quantity for r in report.remarks} == {"dtype"}
    by_value = [r for r in report.failures if not r.behaviour]
    assert len(by_value) > 1000
    assert all(r.comparison is not None and not r.comparison.reason for r in by_value)


class Elsewhere:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("its numbers are on another device")


def test_what_is_no_array_costs_no_other_quantity() -> None:
    report = run(lambda case: {**wrong.correct(case), "d_x": Elsewhere()}, "elsewhere")
    by_value = [r for r in report.failures if not r.behaviour]
    assert {(r.quantity, "is a Elsewhere, expected" in r.message) for r in by_value} == {("d_x", True)}
