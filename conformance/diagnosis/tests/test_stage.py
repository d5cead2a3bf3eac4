"""Which parts of what was given a result has."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.evidence import observe
from conformance.diagnosis.probes import drawn
from conformance.diagnosis.stage import Stage


def given(**others: Any) -> dict[str, Any]:
    return {**HookableLSTM()(drawn("float64", 2, 3)), **others}


def missing(result: dict[str, Any], base: dict[str, Any]) -> set[tuple[str, object]]:
    """The parts that a result has not as they were given."""
    stage = Stage([observe(drawn("float64", 2, 3), base)], ("output", "h", "d_kernel", "d_x"))
    return {(name, place) for _, name, place in stage.parts - stage.same([result], 1e-10)}


def test_a_part_is_a_step_a_gates_block_or_the_whole() -> None:
    output, kernel = given()["output"].copy(), given()["d_kernel"].copy()
    output[1, 2, 0] += 1e-6
    kernel[:, -1] *= 2
    assert missing(given(), given()) == set()
    assert missing(given(output=output, d_kernel=kernel, h=-given()["h"]), given()) == {
        ("output", 2), ("d_kernel", "o"), ("h", None),
    }  # fmt: skip


def test_what_is_no_number_is_the_same_as_itself_alone() -> None:
    odd, other = given()["h"].copy(), given()["h"].copy()
    odd[0, 0], odd[1, 1], other[0, 0], other[1, 1] = np.nan, np.inf, np.nan, -np.inf
    assert missing(given(h=odd), given(h=odd)) == set()
    assert missing(given(h=other), given(h=odd)) == {("h", None)}
    assert missing(given(), given(h=odd)) == {("h", None)}


def test_an_array_of_another_shape_has_nothing_of_it() -> None:
    assert missing(given(d_x=given()["d_x"][:, :1]), given()) == {("d_x", 0), ("d_x", 1), ("d_x", 2)}
