"""The tape's derivatives beside central differences, and how it puts cotangents together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conformance.implementations.arithmetic import ACTIVATIONS, HARD_SIGMOIDS
from conformance.implementations.certified import Intervals
from conformance.implementations.tape import Node, Tape
from lstm_ref.activations import ACTIVATIONS as REFERENCE

ALL = (*ACTIVATIONS, *HARD_SIGMOIDS)
POINTS = np.array([-4.1, -2.7, -1.3, -0.2, 0.3, 1.1, 2.3, 3.9])


def test_there_are_exactly_the_activations_that_options_may_name() -> None:
    assert set(ALL) == set(REFERENCE)


@pytest.mark.parametrize("name", ALL)
def test_an_activation_is_the_references_one(name: str) -> None:
    np.testing.assert_allclose(Tape().arithmetic.activated(name, POINTS, ""), REFERENCE[name].of(POINTS), rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("tape", [Tape, lambda: Tape(Intervals())], ids=["floats", "intervals"])
def test_the_slope_of_an_activation_is_that_of_central_differences(name: str, tape: Callable[[], Tape]) -> None:
    recorded, step = tape(), 1e-6
    z = recorded.leaf(POINTS)
    recorded.backpropagate([(recorded.activated(name, z), np.ones_like(POINTS))])
    floats = Tape().arithmetic
    differences = (floats.activated(name, POINTS + step, "") - floats.activated(name, POINTS - step, "")) / (2 * step)
    np.testing.assert_allclose([float(slope) for slope in z.cotangent[0]], differences, rtol=1e-6, atol=1e-9)


FUNCTIONS: dict[str, Callable[[Tape, Node, Node, Node], Node]] = {
    "sum": lambda tape, a, b, m: a + b,
    "bias": lambda tape, a, b, m: a + b[:, 0],
    "product": lambda tape, a, b, m: a * b,
    "square": lambda tape, a, b, m: a * a,
    "peephole": lambda tape, a, b, m: a * b[:, 1],
    "one minus": lambda tape, a, b, m: 1 - a,
    "matrix product": lambda tape, a, b, m: a @ m,
    "matrix used twice": lambda tape, a, b, m: (a @ m) * (b @ m),
    "parts": lambda tape, a, b, m: a[..., ::-1, :] * a[..., :1, :],
    "stacked": lambda tape, a, b, m: tape.stacked([a, b, a], -2),
    "joined": lambda tape, a, b, m: tape.joined([a, b, a]),
    "halved": lambda tape, a, b, m: tape.halved(a),
    "select": lambda tape, a, b, m: tape.select(np.eye(3, 4) > 0, a, b),
    "zero elsewhere": lambda tape, a, b, m: tape.select(np.eye(3, 4) > 0, a),
    "clipped": lambda tape, a, b, m: tape.clipped(a, 0.5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_derivative_of_an_operation_is_that_of_central_differences(name: str) -> None:
    random = np.random.default_rng(7)
    arrays = [random.normal(size=(3, 4)), random.normal(size=(3, 4)), random.normal(size=(4, 2))]

    def value(given: list[np.ndarray]) -> tuple[Tape, list[Node], Node]:
        tape = Tape()
        leaves = [tape.leaf(array) for array in given]
        return tape, leaves, FUNCTIONS[name](tape, *leaves)

    tape, leaves, result = value(arrays)
    cotangent = random.normal(size=result.value.shape[1:])
    tape.backpropagate([(result, cotangent)])
    for which, leaf in enumerate(leaves):
        numeric = np.zeros_like(arrays[which])
        for index in np.ndindex(numeric.shape):
            sides = []
            for sign in (1, -1):
                changed = [array.copy() for array in arrays]
                changed[which][index] += sign * 1e-6
                sides.append(float((value(changed)[2].value[0] * cotangent).sum()))
            numeric[index] = (sides[0] - sides[1]) / 2e-6
        found = np.zeros_like(numeric) if leaf.cotangent is None else leaf.cotangent[0]
        np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-8)


def test_a_value_may_have_another_gradient() -> None:
    tape = Tape()
    a, b = tape.leaf(np.array([1.0, 2.0])), tape.leaf(np.array([3.0, 4.0]))
    result = tape.valued(a, gradient=b) * tape.passed(b, lambda g: 10 * g)
    assert result.value.tolist() == [[3.0, 8.0]]
    tape.backpropagate([(result, np.ones(2))])
    assert a.cotangent is None
    assert b.cotangent.tolist() == [[3.0 + 10.0, 4.0 + 20.0]]


def test_nothing_is_differentiated_by_a_constant() -> None:
    tape = Tape()
    a, b = tape.constant(np.ones(2)), tape.leaf(np.ones(2))
    tape.backpropagate([(a * b, np.ones(2))])
    assert a.cotangent is None
    assert b.cotangent is not None
