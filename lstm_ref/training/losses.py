"""Losses: each gives its value, and its gradient with respect to the prediction.

With ŷ the prediction, y the target, and n the number of ŷ's elements, or for the cross-entropy of samples and steps:

    mean squared error           Σ (ŷ − y)² / n                gradient 2 (ŷ − y) / n
    half the squared error       Σ (ŷ − y)² / 2                gradient ŷ − y
    of the first unit            Σ (ŷ₀ − y)²                   gradient 2 (ŷ₀ − y), and 0 for all other units
    cross-entropy of logits z    −Σ log softmax(z)[y] / n      gradient (softmax(z) − onehot(y)) / n
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, UsageError, shape_error
from lstm_ref.params import FloatArray

Target: TypeAlias = npt.NDArray[Any]
"""What is to be predicted: of the prediction's dtype, or integers that number classes."""
Loss: TypeAlias = Callable[[FloatArray, Target], tuple[float, FloatArray]]
"""Prediction and target to the loss and the prediction's gradient."""


def mean_squared_error(prediction: FloatArray, target: Target) -> tuple[float, FloatArray]:
    """The mean of the squared errors of all elements.

    Parameters
    ----------
    prediction : array of any shape
    target : array of the same shape

    Returns
    -------
    loss : float
    d_prediction : array of the same shape

    Raises
    ------
    ShapeError, DTypeError
    """
    error = _error(prediction, target)
    return float((error**2).mean()), 2.0 * error / error.size


def half_squared_error(prediction: FloatArray, target: Target) -> tuple[float, FloatArray]:
    """Half the sum of the squared errors of all elements; see `mean_squared_error`."""
    error = _error(prediction, target)
    return float((error**2).sum()) / 2.0, error


def first_unit_squared_error(prediction: FloatArray, target: Target) -> tuple[float, FloatArray]:
    """The sum of the squared errors of the first unit, over all samples and steps; other units have no part in it.

    Parameters
    ----------
    prediction : array (B, T, K) or (B, K)
    target : array (B, T) or (B,)

    Returns
    -------
    loss : float
    d_prediction : array of the prediction's shape

    Raises
    ------
    ShapeError, DTypeError
    """
    error = _error(prediction[..., 0], target)
    gradient = np.zeros_like(prediction)
    gradient[..., 0] = 2.0 * error
    return float((error**2).sum()), gradient


def cross_entropy(prediction: FloatArray, target: Target) -> tuple[float, FloatArray]:
    """The cross-entropy of logits, its mean over all samples and steps.

    Parameters
    ----------
    prediction : array (B, T, K) or (B, K)
        The logits of K classes.
    target : array (B, T) or (B,) of int
        The right classes, 0 to K − 1.

    Returns
    -------
    loss : float
    d_prediction : array of the prediction's shape

    Raises
    ------
    ShapeError, DTypeError
    UsageError
        For a target that is no class.
    """
    if not np.issubdtype(target.dtype, np.integer):
        raise DTypeError(f"target has dtype {target.dtype}, expected integers: cross_entropy takes classes.")
    _require_shape(target, prediction.shape[:-1])
    K = prediction.shape[-1]
    if target.min(initial=0) < 0 or target.max(initial=0) >= K:
        raise UsageError(f"target has classes {target.min()} to {target.max()}, expected 0 to {K - 1}, of {K} logits.")
    shifted = prediction - prediction.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    right = target[..., np.newaxis] == np.arange(K)
    return -float(log_p[right].mean()), (np.exp(log_p) - right) / target.size


def _error(prediction: FloatArray, target: Target) -> FloatArray:
    _require_shape(target, prediction.shape)
    if target.dtype != prediction.dtype:
        raise DTypeError(
            f"target has dtype {target.dtype}, but the prediction has {prediction.dtype}. "
            f"Convert it with target.astype('{prediction.dtype}')."
        )
    return np.asarray(prediction - target)


def _require_shape(target: Target, expected: tuple[int, ...]) -> None:
    if target.shape != expected:
        remedy = "A head with last_step has predictions without an axis of time, any other head has them for each step"
        symbols = "that of what is predicted"
        raise shape_error("target", symbols, expected, target.shape, remedy)
