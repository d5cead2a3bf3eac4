"""Every head with every loss, as models with what to train them on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from conformance.cases.draw import Draw
from conformance.implementations.training import IDENTITY_OUTPUT
from lstm_ref import LSTMParams, Options
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray
from lstm_ref.training import (
    Dense,
    Model,
    cross_entropy,
    first_unit_squared_error,
    half_squared_error,
    mean_squared_error,
)
from lstm_ref.training.losses import Loss, Target
from lstm_ref.training.model import State

B, T, D, H, K = 3, 5, 2, 4, 6
HEADS = ("dense", "dense-last", "softmax", "softmax-last", "none")
LOSSES = (mean_squared_error, half_squared_error, first_unit_squared_error, cross_entropy)


@dataclass(frozen=True)
class Combination:
    """A head and a loss that can go together.

    Attributes
    ----------
    head : str
        One of `HEADS`.
    loss : callable
        One of `LOSSES`.
    options : Options
    """

    head: str
    loss: Loss
    options: Options = PLAIN

    def __str__(self) -> str:
        identity = "-identity" if self.options == IDENTITY_OUTPUT else ""
        return f"{self.head}-{self.loss.__name__}{identity}"

    @cached_property
    def model(self) -> Model:
        """In float64; every weight is drawn, biases too."""
        draw = Draw("training")
        params = LSTMParams(draw.uniform(1.0, D, 4 * H), draw.uniform(1.0, H, 4 * H), draw.uniform(1.0, 4 * H))
        softmax, last = self.head.startswith("softmax"), self.head.endswith("last")
        head = None if self.head == "none" else Dense(draw.uniform(1.0, H, K), draw.uniform(1.0, K), last, softmax)
        return Model(params, head, self.options)

    @cached_property
    def data(self) -> tuple[FloatArray, Target, State]:
        """x, target and initial state."""
        draw = Draw("training data")
        units = H if self.head == "none" else K
        y: Target = draw.uniform(1.0, B, T, units)
        if self.loss is first_unit_squared_error:
            y = y[..., 0]
        if self.loss is cross_entropy:
            y = draw.integers(units, B, T)
        state = draw.uniform(1.0, B, H), draw.uniform(1.0, B, H)
        return draw.uniform(1.0, B, T, D), y[:, -1] if self.head.endswith("last") else np.ascontiguousarray(y), state


COMBINATIONS = [
    Combination(head, loss)
    for head in HEADS
    for loss in LOSSES
    if not (head.startswith("softmax") and loss is cross_entropy)  # which takes logits
]
COMBINATIONS.append(Combination("none", first_unit_squared_error, IDENTITY_OUTPUT))
