"""Optimizers: each makes new weights of weights and their gradients, and keeps what it has to in a memory that is handed on.

Weights and gradients are dicts with the same names; arrays are never written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from lstm_ref.errors import UsageError
from lstm_ref.params import FloatArray

Arrays: TypeAlias = Mapping[str, FloatArray]


class Optimizer(Protocol):
    """What `lstm_ref.training.train` takes for an optimizer."""

    def step(self, weights: Arrays, gradients: Arrays, memory: Any = None) -> tuple[dict[str, FloatArray], Any]:
        """New weights, and the memory for the next step.

        Parameters
        ----------
        weights, gradients : mapping of str to array
            With the same names and shapes.
        memory : optional
            What the step before returned; None for the first step.
        """
        ...


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum if that is not 0.

        v ← momentum v + g        w ← w − learning_rate v

    Parameters
    ----------
    learning_rate : float
    momentum : float

    Raises
    ------
    UsageError
        For a learning rate that is not positive, or a momentum that is not in [0, 1).

    Notes
    -----
    So it is in ``torch.optim.SGD``. ``keras.optimizers.SGD`` multiplies by the learning rate before it accumulates, which is
    the same as long as the rate stays the same.
    """

    learning_rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("learning_rate", self.learning_rate)
        _require_share("momentum", self.momentum)

    def step(self, weights: Arrays, gradients: Arrays, memory: Any = None) -> tuple[dict[str, FloatArray], Any]:
        """New weights and velocities; see `Optimizer.step`."""
        velocity = dict(gradients)
        if memory is not None:
            velocity = {name: self.momentum * memory[name] + g for name, g in gradients.items()}
        return {name: w - self.learning_rate * velocity[name] for name, w in weights.items()}, velocity


@dataclass(frozen=True)
class Adam:
    """Adam, with the bias correction of the step t = 1, 2, ...

        m ← beta_1 m + (1 − beta_1) g        m̂ = m / (1 − beta_1ᵗ)
        v ← beta_2 v + (1 − beta_2) g²       v̂ = v / (1 − beta_2ᵗ)
        w ← w − learning_rate m̂ / (√v̂ + epsilon)

    Parameters
    ----------
    learning_rate : float
    beta_1, beta_2 : float
    epsilon : float
    epsilon_uncorrected : bool
        Whether epsilon is added to √v, before the bias correction: then √v̂ + epsilon / √(1 − beta_2ᵗ) is divided by.

    Raises
    ------
    UsageError
        For a learning rate or an epsilon that is not positive, or a beta that is not in [0, 1).

    Notes
    -----
    Source: Kingma & Ba 2015, algorithm 1, which is ``torch.optim.Adam``. ``keras.optimizers.Adam`` is the form at the end of
    their section 2, ``epsilon_uncorrected=True``: with the same epsilon the two frameworks take different steps, in the first
    ones with beta_2 = 0.999 as if Keras's epsilon were up to 32 times as large. Their defaults differ, too, 1e-8 and 1e-7.
    """

    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_uncorrected: bool = False

    def __post_init__(self) -> None:
        _require_positive("learning_rate", self.learning_rate)
        _require_positive("epsilon", self.epsilon)
        _require_share("beta_1", self.beta_1)
        _require_share("beta_2", self.beta_2)

    def step(self, weights: Arrays, gradients: Arrays, memory: Any = None) -> tuple[dict[str, FloatArray], Any]:
        """New weights, and the steps taken with both moments; see `Optimizer.step`."""
        zeros = {name: np.zeros_like(g) for name, g in gradients.items()}
        before, first, second = (0, zeros, zeros) if memory is None else memory
        t = before + 1
        first = {name: self.beta_1 * first[name] + (1.0 - self.beta_1) * g for name, g in gradients.items()}
        second = {name: self.beta_2 * second[name] + (1.0 - self.beta_2) * g**2 for name, g in gradients.items()}
        rate = self.learning_rate / (1.0 - self.beta_1**t)
        correction = (1.0 - self.beta_2**t) ** 0.5
        epsilon = self.epsilon / correction if self.epsilon_uncorrected else self.epsilon
        moved = {
            name: w - rate * first[name] / (np.sqrt(second[name]) / correction + epsilon) for name, w in weights.items()
        }
        return moved, (t, first, second)


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise UsageError(f"{name} is {value!r}, expected a positive number.")


def _require_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"{name} is {value!r}, expected a number from 0 up to, but not including, 1.")
