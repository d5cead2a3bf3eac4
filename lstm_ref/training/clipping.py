"""Gradient clipping, of all weights' gradients together, before the optimizer sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstm_ref.errors import UsageError
from lstm_ref.params import FloatArray
from lstm_ref.training.optimizers import Arrays


@dataclass(frozen=True)
class ClipByNorm:
    """Gradients whose common Euclidean norm exceeds a limit are scaled down to it: g ← g · min(1, max_norm / ‖g‖).

    Parameters
    ----------
    max_norm : float

    Notes
    -----
    So it is in Keras, as ``global_clipnorm``; its ``clipnorm`` is of each weight by itself. PyTorch's
    ``torch.nn.utils.clip_grad_norm_`` multiplies by min(1, max_norm / (‖g‖ + 1e-6)): a little less is left.
    """

    max_norm: float

    def __post_init__(self) -> None:
        _require_limit("max_norm", self.max_norm)

    def __call__(self, gradients: Arrays) -> dict[str, FloatArray]:
        """The clipped gradients."""
        norm = float(np.sqrt(sum(float((g**2).sum()) for g in gradients.values())))
        scale = min(1.0, self.max_norm / norm) if norm else 1.0
        return {name: g * scale for name, g in gradients.items()}


@dataclass(frozen=True)
class ClipByValue:
    """Every element of the gradients is cut to [−limit, limit]: ``torch.nn.utils.clip_grad_value_``, Keras's ``clipvalue``.

    Parameters
    ----------
    limit : float
    """

    limit: float

    def __post_init__(self) -> None:
        _require_limit("limit", self.limit)

    def __call__(self, gradients: Arrays) -> dict[str, FloatArray]:
        """The clipped gradients."""
        return {name: np.clip(g, -self.limit, self.limit) for name, g in gradients.items()}


def _require_limit(name: str, value: float) -> None:
    if not value > 0:
        raise UsageError(f"{name} is {value!r}, expected a positive number.")
