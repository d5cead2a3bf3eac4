"""An LSTM that is known by its cases alone is trained as one that is known from inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.case import Case
from conformance.cases.tasks import TASKS
from conformance.implementations import built_in
from conformance.implementations.by_case import differentiator
from lstm_ref.training import differentiate


@pytest.mark.parametrize("steps", [None, 1, 5, 12, 100])
@pytest.mark.parametrize("name", TASKS)
def test_however_it_is_called_the_gradients_are_those_of_the_whole(name: str, steps: int | None) -> None:
    task = TASKS[name]()
    x, target = task.batches[0]
    expected = differentiate(task.model, x, target, task.loss, task.state)
    found = differentiator(built_in("ref"), "one", steps_in_call=steps)(task.model, x, target, task.loss, task.state)
    assert found.loss == pytest.approx(expected.loss, rel=1e-13)
    assert found.gradients.keys() == expected.gradients.keys()
    for gradient, other in (
        *((found.gradients[name], expected.gradients[name]) for name in expected.gradients),
        *zip(found.state, expected.state, strict=True),
    ):
        np.testing.assert_allclose(gradient, other, atol=1e-13 * np.abs(other).max())


@pytest.mark.parametrize(("by_state", "given"), [(True, "d_h"), (False, "d_output")])
def test_the_last_steps_gradient_is_given_where_it_is_taken(by_state: bool, given: str) -> None:
    task, met = TASKS["counting"](), []

    def lstm(case: Case) -> Any:
        met.append(case)
        return built_in("ref")(case)

    found = differentiator(lstm, "one", last_by_state=by_state)(task.model, *task.batches[0], task.loss, None)
    last = met[-1]
    assert {name for name in ("d_output", "d_h", "d_c") if getattr(last, name).any()} == {given}
    expected = differentiate(task.model, *task.batches[0], task.loss)
    np.testing.assert_allclose(found.gradients["kernel"], expected.gradients["kernel"], rtol=1e-12)


@pytest.mark.parametrize("steps", [None, 5])
def test_enlarged_cotangents_change_no_bit_of_the_gradients(steps: int | None) -> None:
    task, largest = TASKS["classification"](), []

    def lstm(case: Case) -> Any:
        largest.append(np.abs(case.d_output).max())
        return built_in("ref")(case)

    plain, enlarged = (
        differentiator(lstm, "one", steps_in_call=steps, scale=scale)(task.model, *task.batches[0], task.loss, None)
        for scale in (1.0, 64.0)
    )
    half = len(largest) // 2
    assert max(largest[half:]) == 64 * max(largest[:half]) > 0
    for name, gradient in plain.gradients.items():
        np.testing.assert_array_equal(enlarged.gradients[name], gradient)


def test_in_parts_all_that_is_handed_on_is_needed() -> None:
    task, met = TASKS["classification"](), []

    def lstm(case: Case) -> Any:
        met.append(case)
        return built_in("ref")(case)

    differentiator(lstm, "one", steps_in_call=5)(task.model, *task.batches[0], task.loss, None)
    forward, backward = met[:3], met[3:]
    assert [case.x.shape[1] for case in met] == [5, 5, 2, 2, 5, 5]
    assert all(case.h0.any() and case.c0.any() for case in forward[1:])
    assert all(case.d_h.any() and case.d_c.any() and case.d_output.any() for case in backward[1:])
