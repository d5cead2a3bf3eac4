"""Curves on a logarithmic scale end where they are not finite, and skip what is not positive."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.report.html.curves import drawing

WIDTH, HEIGHT = 416, 100


def test_powers_of_ten_are_at_equal_heights() -> None:
    drawn = drawing([np.array([100.0, 10.0, 1.0])], "wide", WIDTH, HEIGHT)
    assert drawn.paths == [[(8.0, 0.0), (208.0, 50.0), (408.0, 100.0)]]
    assert drawn.rules == [(100.0, "1"), (50.0, "10"), (0.0, "100")]
    assert drawn.ticks == [(8.0, 0), (208.0, 1), (408.0, 2)]


def test_curves_share_their_scale() -> None:
    one, other = drawing([np.array([10.0, 1.0]), np.array([1.0, 0.1, 0.1])], "wide", WIDTH, HEIGHT).paths
    assert one == [(8.0, 0.0), (208.0, 50.0)]
    assert other == [(8.0, 50.0), (208.0, 100.0), (408.0, 100.0)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_curve_ends_where_it_is_not_finite(bad: float) -> None:
    (path,) = drawing([np.array([10.0, 1.0, bad, 1.0])], "wide", WIDTH, HEIGHT).paths
    assert len(path) == 2


def test_what_has_no_logarithm_is_left_out() -> None:
    (path,) = drawing([np.array([10.0, 0.0, 1.0])], "wide", WIDTH, HEIGHT).paths
    assert path == [(8.0, 0.0), (408.0, 100.0)]


def test_without_any_number_there_is_a_scale_and_no_curve() -> None:
    drawn = drawing([np.array([]), np.array([float("nan")])], "narrow", WIDTH, HEIGHT)
    assert drawn.paths == [[], []]
    assert drawn.rules == [(100.0, "1"), (0.0, "10")]
