"""A training is in the band as long as every loss is, and where it leaves is told."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.judging.tolerance import MARGIN, roundoff
from conformance.judging.trajectory import Trajectory, allowed_errors, perturbed

DOUBLE = np.dtype("float64")
KNOWN = np.array([4.0, 2.0, 1.0, 0.5])


def beside(*actual: float, ended: str = "") -> Trajectory:
    return Trajectory("task", "float64", KNOWN, np.array([0.125, 0.125, 0.25, 0.5]), np.array(actual), ended)


def test_losses_within_the_allowed_error_stay_in_the_band() -> None:
    found = beside(4.05, 2.0, 0.75, 0.5)
    assert found.left is None
    assert found.worst == 1.0
    assert str(found) == "task: it stays in the band for all 4 updates, at most 1 of the allowed error"


@pytest.mark.parametrize("bad", [2.126, 1.874, float("nan"), float("inf")])
def test_the_first_loss_outside_is_where_it_leaves(bad: float) -> None:
    found = beside(4.0, bad, 9.0, 0.5)
    assert found.left == 2
    assert str(found).startswith(f"task: it leaves the band at update 2 of 4: loss {bad!r}, expected 2.0, error ")
    assert str(found).endswith("allowed 0.125")


def test_one_that_ends_before_says_why() -> None:
    assert str(beside(4.0, 2.0, ended="raised")) == "task: it ends after 2 of 4 updates: raised"
    assert beside(ended="raised").worst == 0.0


def test_what_is_allowed_never_shrinks_and_is_at_least_some_roundoffs_of_the_largest_loss() -> None:
    runs = [KNOWN, KNOWN + np.array([0.0, 1e-9, 0.0, 1e-10]), KNOWN - np.array([0.0, 1e-12, 1e-8, 0.0])]
    expected = [8 * roundoff(DOUBLE) * 4.0, 8e-9, 8e-8, 8e-8]
    assert 2 * MARGIN == 8
    np.testing.assert_allclose(allowed_errors(KNOWN, runs, DOUBLE), expected, rtol=1e-6)


def test_every_weight_is_perturbed_by_itself_and_relative_to_itself() -> None:
    weights = {"a": np.array([1.0, 1000.0, 0.0]), "b": np.ones((2, 2))}
    moved = perturbed(weights, 1e-3, np.random.default_rng(0))
    relative = np.abs(moved["a"][:2] / weights["a"][:2] - 1)
    assert moved["a"][2] == 0.0
    assert ((relative > 0) & (relative <= 1e-3)).all()
    assert len({*moved["b"].ravel(), *moved["a"][:1]}) == 5
