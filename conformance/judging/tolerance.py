"""The allowed error, and why it is what it is.

    allowed = MARGIN * max(deviation, scale) * roundoff

`deviation` is what random roundings do to this very case, in units of roundoff: the largest error that they give any
element of the quantity; see `conformance.judging.noise`. `scale` is the quantity's largest magnitude, and `roundoff` is the
dtype's unit roundoff, 2**-53 or 2**-24: nothing has to be better than one rounding. The allowed error is the same for each
element and does not depend on how many there are. No candidate has a part in it, nor has lstm_ref.

`MARGIN` is there because 32 runs do not show the worst case, and because an implementation's sigmoid and tanh may err by
two roundoffs or three. The largest error of PyTorch, Keras and onnx's evaluator in any quantity of the golden vectors is 1.7
times the larger of deviation and scale. In 100,000 random cases, with weights up to N(0, 8), it is 3.0 times, and nothing
correct was beyond four. `lstm-conformance sweep torch --measure` measures it.

Where two results are compared that both come of rounding, a live framework's and a candidate's, each may use up all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from conformance.case import Case
from conformance.judging.noise import RUNS, Noise, noise
from lstm_ref.params import FloatArray

Allowed: TypeAlias = Mapping[str, float]
"""Quantity to the largest error that an element of it may have."""

MARGIN = 4.0
FEWEST = 4
ENOUGH = 40_000
"""Perturbed runs times the numbers of the outputs, or of a sixteenth of the weights: where a run has many, fewer runs show
how far they get."""


def allowed_error(noise: Noise, dtype: np.dtype[Any]) -> float:
    """The largest error that an element of a quantity may have, compared with the true value.

    Parameters
    ----------
    noise : Noise
        Of the quantity.
    dtype : numpy.dtype
        float64 or float32.
    """
    return max(MARGIN * max(noise.deviation, noise.scale) * roundoff(dtype), smallest(dtype))


def allowed_from_truth(case: Case, dtype: np.dtype[Any], runs: int = RUNS) -> dict[str, float]:
    """The largest error of each quantity, where what is expected is true."""
    return {quantity: allowed_error(found, dtype) for quantity, found in noise(case, dtype, runs).items()}


def allowed_between(case: Case) -> Allowed:
    """The largest difference of each quantity, where what is expected was computed in the case's dtype."""
    B, T, _, _ = case.sizes
    every = [params for layer in case.layers for params in layer.directions.values()]
    outputs = B * T * sum(params.hidden_size for params in every)
    weights = sum(params.kernel.size + params.recurrent_kernel.size for params in every)
    runs = min(RUNS, max(FEWEST, ENOUGH // max(outputs, weights // 16, 1)))
    return {quantity: 2 * error for quantity, error in allowed_from_truth(case, case.dtype, runs).items()}


def roundoff(dtype: np.dtype[Any]) -> float:
    """The unit roundoff: 2**-53 for float64, 2**-24 for float32."""
    return float(np.finfo(dtype).eps) / 2


def smallest(dtype: np.dtype[Any]) -> float:
    """What counts as zero: 1000 times the smallest normal number.

    Below, numbers lose their last digits, and TensorFlow takes them for 0.
    """
    return 1000.0 * float(np.finfo(dtype).tiny)


def scale_of(expected: FloatArray) -> float:
    """The largest finite magnitude; 0 if there is none."""
    magnitudes = np.abs(expected)
    return float(magnitudes.max(initial=0.0, where=np.isfinite(magnitudes)))
