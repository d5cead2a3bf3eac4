"""How near a training has to come to a known one: its losses, update by update.

Training magnifies what rounding does: a loss may depend on the weights so steeply that two correct runs in float64 agree to
15 digits for a hundred updates and to none after two thousand. So the allowed error is a function of the number of updates,
and it is measured on the very task: the known training is done again, several times, with every weight multiplied by
1 + u * sqrt(T) * delta before each update, u being the dtype's unit roundoff, T the number of time steps, each of which
rounds what it makes of the weights, and delta uniform in [-1, 1]. With `deviation` the largest difference of any such run's
loss from the known one up to update N, and `scale` the largest loss up to there,

    allowed(N) = 2 * MARGIN * max(deviation(N), u * scale(N))

MARGIN is that of `conformance.judging.tolerance`, and 2 as what is expected was computed, too, and is not the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from conformance.judging.tolerance import MARGIN, roundoff
from lstm_ref.params import FloatArray


def perturbed(weights: Mapping[str, FloatArray], size: float, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Weights, each multiplied by 1 + size * delta, with a delta of its own."""
    return {name: w * (1.0 + size * rng.uniform(-1.0, 1.0, w.shape)) for name, w in weights.items()}


def allowed_errors(known: FloatArray, runs: Sequence[FloatArray], dtype: np.dtype[Any]) -> FloatArray:
    """The allowed error of each of some losses, in their order; or of weights, of which the last one has that of all.

    Parameters
    ----------
    known : array (N,)
    runs : sequence of arrays (N,)
        Those of runs whose weights were perturbed by the dtype's roundoff.
    dtype : numpy.dtype

    Returns
    -------
    array (N,)
    """
    deviation = np.maximum.accumulate(np.max([np.abs(losses - known) for losses in runs], axis=0))
    scale = np.maximum.accumulate(np.abs(known))
    return np.asarray(2 * MARGIN * np.maximum(deviation, roundoff(dtype) * scale))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A training beside the known one.

    Attributes
    ----------
    task : str
    dtype : str
    expected, allowed : array (N,)
        The known losses before each update, and how far they may be missed.
    actual : array (M,)
        What it gave, M <= N: less if it ended before.
    ended : str
        Why it did; empty if it did not.
    own : bool
        Whether the candidate trained itself, with a head, a loss and an update of its own.
    """

    task: str
    dtype: str
    expected: FloatArray
    allowed: FloatArray
    actual: FloatArray
    ended: str = ""
    own: bool = False

    @cached_property
    def shares(self) -> FloatArray:
        """Each loss's error over the allowed one; infinite for what is not finite."""
        M = len(self.actual)
        with np.errstate(invalid="ignore", over="ignore"):
            shares = np.abs(self.actual - self.expected[:M]) / self.allowed[:M]
        return np.asarray(np.where(np.isfinite(shares), shares, np.inf))

    @property
    def worst(self) -> float:
        """The largest share; 0 if there is no loss."""
        return float(self.shares.max(initial=0.0))

    @property
    def left(self) -> int | None:
        """The first update whose loss is outside the band, counted from 1; None if there is none."""
        outside = np.flatnonzero(self.shares > 1)
        return int(outside[0]) + 1 if outside.size else None

    def __str__(self) -> str:
        N, left = len(self.expected), self.left
        name = f"{self.task} by its own training" if self.own else self.task
        if left is not None:
            expected, allowed, actual = (float(a[left - 1]) for a in (self.expected, self.allowed, self.actual))
            return (
                f"{name}: it leaves the band at update {left} of {N}: loss {actual!r}, expected {expected!r}, "
                f"error {abs(actual - expected):.3g}, allowed {allowed:.3g}"
            )
        if self.ended:
            return f"{name}: it ends after {len(self.actual)} of {N} updates: {self.ended}"
        return f"{name}: it stays in the band for all {N} updates, at most {self.worst:.2g} of the allowed error"
