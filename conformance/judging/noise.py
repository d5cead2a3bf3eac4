"""What rounding alone does to a case, by Monte Carlo arithmetic: the plain equations, run many times with random roundings.

Every elementary operation's result is multiplied by 1 + u * delta, with u a unit roundoff and delta uniform in
[-1, 1]: the sigmoids, the tanhs, the products, the sums, forward and backward. How far such runs are from one
without perturbation is how far a correct implementation may be from the truth.

Roundings that meet in one number are drawn together, with the variance that they have together:

* the k roundings of a product of several factors, as one of 1 + u * sqrt(k) * delta;
* those of a matrix product. A sum S of n products p, each rounded, taken in some order, with every partial sum s
  rounded, errs with a variance of u**2 / 3 times the sum of all p**2 and all s**2 but the first. Implementations
  sum in different orders; over all of them that is in the mean, with Q the sum of p**2,

      w**2 = Q * (1 - 1/n) + (n + 1) / 6 * (Q + 2 * S**2)

  so that u * w * delta is added to each element of the product.

An implementation's sigmoid errs alike wherever its argument is alike, and over a sequence that may be at every step: the
errors then add up. So a gate has two perturbations, one of each step and one that stays the same for all of them, in each
direction of each layer.

The equations are those of `conformance.implementations.equations` on a tape whose operations are perturbed; and for the plain
LSTM, which most cases are of, those of `conformance.judging.plain`, written out for up to half the time.

The runs are computed in float64 with float32's roundoff, 2**-24. To first order deviations are proportional to the
roundoff, which makes them serve for float64 too; and as float64's own roundings are 2**29 times smaller, the
numbers hardly depend on the machine. A float64 case's numbers are rounded to float32 first, where all of them can be: that
is one more perturbation, as small as the others, and a case that there is in both dtypes is measured once. Only where float32
is not enough to compute a case at all, as where large weights make it chaotic, float64 has runs of its own, of its own
numbers, with a roundoff as small as float64's own roundings let it be.

Source: D. Stott Parker, Monte Carlo Arithmetic: exploiting randomness in floating-point arithmetic, UCLA CSD-970002, 1997.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.implementations.equations import Equations
from conformance.implementations.tape import Tape
from conformance.judging.plain import perturbed_plain, plain
from conformance.judging.roundings import RandomlyRounded
from lstm_ref.params import FloatArray

ROUNDOFF, FINER = 2.0**-24, 2.0**-48
"""What the runs are perturbed by: as a rule, and for float64 where that leads too far to be proportional."""
FAR = 1e-3
"""So far it leads too far: a deviation over the scale."""
RUNS = 32


@dataclass(frozen=True)
class Noise:
    """How one quantity of a case comes out when everything is rounded at random.

    Attributes
    ----------
    deviation : float
        The largest difference of a perturbed run from the unperturbed one, in any element; in units of roundoff.
    scale : float
        The largest magnitude in the unperturbed run.
    """

    deviation: float
    scale: float


def noise(case: Case, dtype: np.dtype[Any], runs: int = RUNS) -> dict[str, Noise]:
    """What random roundings do to each quantity of a case.

    Parameters
    ----------
    case : Case
        Its numbers are taken as they are, whatever its own dtype.
    dtype : numpy.dtype
        Whose roundings they are: float64's or float32's.
    runs : int
        How many perturbed runs there are.
    """
    found = _measured(_Numbers(_single(case)), runs, ROUNDOFF)
    if dtype == np.float64 and any(one.deviation * ROUNDOFF > FAR * one.scale for one in found.values()):
        return _measured(_Numbers(case), runs, FINER)
    return found


class _Numbers:
    """A case, equal to every other one of the same dtype, numbers and layers, whatever its id."""

    def __init__(self, case: Case) -> None:
        self.case = case
        digest = blake2b(f"{case.dtype} {layers_of(case)}".encode())
        for name, array in arrays_of(case).items():
            digest.update(f"{name} {np.shape(array)}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        self.digest = digest.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Numbers) and self.digest == other.digest


def _single(case: Case) -> Case:
    """The case in float32; as it is, where a number of it would become infinite or 0, or lose digits."""
    if case.dtype == np.float32:
        return case
    arrays = arrays_of(case)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = {name: a if name == "mask" else a.astype(np.float32) for name, a in arrays.items()}
        kept = all(
            np.all((np.abs(rounded[name] - a) <= ROUNDOFF * np.abs(a)) | ~np.isfinite(a))
            for name, a in arrays.items()
            if name != "mask"
        )
    return of_arrays(rounded, case.id, "float32", layers_of(case)) if kept else case


@lru_cache(maxsize=8)  # a case's oracles, dtypes and checks follow each other
def _measured(numbers: _Numbers, runs: int, roundoff: float) -> dict[str, Noise]:
    found = {}
    for quantity, values in perturbed(numbers.case, runs, roundoff).items():
        with np.errstate(invalid="ignore"):  # inf - inf
            deviations, magnitudes = np.abs(values[1:] - values[0]), np.abs(values[0])
        deviation, scale = (float(a.max(initial=0.0, where=np.isfinite(a))) for a in (deviations, magnitudes))
        found[quantity] = Noise(deviation / roundoff, scale)
    return found


@np.errstate(all="ignore")  # the exponential overflows in saturation, where the sigmoid is right all the same
def perturbed(case: Case, runs: int, roundoff: float = ROUNDOFF) -> dict[str, FloatArray]:
    """Every quantity of the unperturbed run and of so many perturbed ones: float64 arrays (1 + runs, *shape).

    Parameters
    ----------
    case : Case
    runs : int
    roundoff : float
        u, what they are perturbed by.
    """
    if plain(case):
        return perturbed_plain(case, runs, roundoff)
    found = Equations().evaluated(case, Tape(RandomlyRounded(runs, roundoff)))
    return {name: np.broadcast_to(array, (1 + runs, *array.shape[1:])) for name, array in found.items()}
