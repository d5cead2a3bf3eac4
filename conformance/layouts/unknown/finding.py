"""The verdict: one layout reproduces the known run, several do, or none; and what follows from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.errors import LayoutError
from conformance.layouts.unknown import remarks
from conformance.layouts.unknown.recording import RESULTS, TOLERANCES, Reading, readings
from conformance.layouts.unknown.screen import Cell
from conformance.layouts.unknown.search import LSTM, Arrays, Fit, Plan, fingerprint, fitted, plan, search
from lstm_ref.params import FloatArray

SHOWN = 3
"""So many of the nearest are kept."""
QUICK = 5_000_000
"""With more work than this, the LSTM's relatives are not tried."""

WHOLE_WORK = 5e9
"""If the full runs would take more multiplications, a part of the known run is compared."""


def _relu(z: FloatArray) -> FloatArray:
    return np.maximum(z, 0.0)


RELATIVES = (
    Cell("gates of the hard sigmoid 0.2 z + 0.5 (Keras 1 and 2, ONNX)", lambda z: np.clip(0.2 * z + 0.5, 0, 1)),
    Cell("gates of the hard sigmoid z / 6 + 0.5 (Keras 3, PyTorch)", lambda z: np.clip(z / 6 + 0.5, 0, 1)),
    Cell("h = o c, without tanh around c", squash=lambda c: c),
    Cell("relu in place of tanh", candidate=_relu, squash=_relu),
    Cell("tanh for the candidate and relu around c", squash=_relu),
)
"""What is tried when no LSTM fits. lstm_ref computes none of them."""
OTHERWISE: dict[str, Callable[[Reading], Reading]] = {
    "an LSTM that runs backwards in time (the reverse direction of two)": lambda run: run.backwards(True),
    "an LSTM that runs backwards in time, its output in the order of computation (Keras's go_backwards)": (
        lambda run: run.backwards(False)
    ),
    "an LSTM that starts from a state of zeros, without the h0 and c0 that were given": Reading.starting_from_zero,
}
"""Other ways of running an LSTM than the known run's."""


@dataclass(frozen=True, eq=False)
class Related:
    """What reproduces a run that no LSTM does, and how it departs from an LSTM or from how that is run."""

    words: str
    fit: Fit


@dataclass(frozen=True, eq=False)
class LayoutFinding:
    """What `find_layout` found.

    Attributes
    ----------
    verdict : str
        "one", "several" or "none".
    fits : tuple of Fit
        Those that reproduce the known run, best first. Each is other weights than the rest.
    nearest : tuple of Fit
        The best of those that do not.
    tolerance : float
        The allowed error, as a share of the largest known number.
    tried : int
        How many layouts there are.
    related : tuple of Related
        If none does: what is like an LSTM, or an LSTM run otherwise, and reproduces it.
    remarks : tuple of str
        Why several fit and what would tell them apart, or what is known about why none does.
    """

    verdict: str
    fits: tuple[Fit, ...]
    nearest: tuple[Fit, ...]
    tolerance: float
    tried: int
    related: tuple[Related, ...]
    remarks: tuple[str, ...]


def find_layout(
    weights: Mapping[str, npt.ArrayLike],
    *,
    x: npt.ArrayLike,
    output: npt.ArrayLike | None = None,
    h: npt.ArrayLike | None = None,
    c: npt.ArrayLike | None = None,
    h0: npt.ArrayLike | None = None,
    c0: npt.ArrayLike | None = None,
    tolerance: float | None = None,
) -> LayoutFinding:
    """Find the layout of weights that reproduces a known run.

    Parameters
    ----------
    weights : mapping of str to array
        The arrays in unknown roles. Their names are reported and decide nothing; arrays that no LSTM needs may be
        among them.
    x : array (B, T, D), (T, B, D) or (T, D), or another order of the axes
        The input.
    output : array, optional
        The output of every step, its axes as in `x`, or of the last step.
    h, c : array (B, H), optional
        The final state. At least one of output, h and c has to be given.
    h0, c0 : array (B, H), optional
        The initial state; zeros if not given.
    tolerance : float, optional
        The allowed error as a share of the largest known number; by default 1e-9 for results and weights in float64,
        2e-5 in float32, 1e-2 for results in float16, 4e-2 in bfloat16. The precision of results counts, not the
        dtype that they are kept in.

    Returns
    -------
    LayoutFinding

    Raises
    ------
    LayoutError
        If the shapes fit nothing, or too much to be tried.

    Examples
    --------
    >>> import numpy as np, lstm_ref
    >>> rng = np.random.default_rng(0)
    >>> W, U, b, x = (rng.normal(size=shape) for shape in ((3, 8), (2, 8), 8, (1, 5, 3)))
    >>> output, _ = lstm_ref.Network(lstm_ref.LSTMParams(W, U, b))(x)
    >>> found = find_layout({"one": U.T, "two": W.T, "three": b}, x=x, output=output)
    >>> found.verdict, found.fits[0].layout
    ('one', Layout(gates='ifco', joined='', transposed=True, split=False, biases=1, axes='btf'))
    """
    given = {"x": x, "output": output, "h": h, "c": c, "h0": h0, "c0": c0}
    known = {name: _numbers(name, value) for name, value in given.items() if value is not None}
    arrays = {name: array for name, array in ((n, np.asarray(w)) for n, w in weights.items()) if _can_be_weights(array)}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise LayoutError(f"the weights {name!r} hold NaN or infinity. Leave them out, or give sound ones.")
    if tolerance is None:
        tolerance = _default_tolerance([known[name] for name in RESULTS if name in known], arrays)
    elif not 0 < tolerance < 1:
        raise LayoutError(f"the tolerance {tolerance:g} is none: it is a share between 0 and 1, such as 1e-3.")
    every = plan(arrays, readings(known))
    found = _on_the_whole_run(search(every, tolerance), tolerance)
    fits = _merge([fit for fit in found if fit.error <= tolerance])
    nearest = tuple(fit for fit in found if fit.error > tolerance)[:SHOWN]
    related: list[Related] = []
    if len(fits) == 1:
        verdict, said = "one", []
    elif fits:
        verdict, said = "several", remarks.on_several(fits, all_tried=bool(nearest))
    else:
        related = _relatives(every, tolerance) if every.work <= QUICK else []
        verdict, said = "none", [] if related else remarks.on_none(nearest, every.work <= QUICK)
    said += [remark for remark in (remarks.on_a_part(fits), every.left_out) if remark]
    return LayoutFinding(verdict, tuple(fits), nearest, tolerance, every.count, tuple(related), tuple(said))


def _on_the_whole_run(found: list[Fit], tolerance: float) -> list[Fit]:
    """Those that reproduce a part of the known run with their errors on all of it, if that does not take long."""
    near = [fit for fit in found if fit.error <= tolerance]
    if sum(fit.ways[0].reading.work for fit in near) > WHOLE_WORK:
        return found
    whole = [fitted(fit.params, fit.ways[0].reading, LSTM, fit.ways) for fit in near]
    return sorted([*whole, *found[len(near) :]], key=lambda fit: fit.error)


def _can_be_weights(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype.kind == "f" and array.size > 0 and array.ndim > 0


def _numbers(name: str, value: npt.ArrayLike) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise LayoutError(f"{name} has dtype {array.dtype}, expected numbers.")
    return array


def _default_tolerance(results: Sequence[np.ndarray[Any, Any]], weights: Arrays) -> float:
    """By the coarsest precision among the results, whatever dtype they are kept in, and by what is loaded."""
    loaded = "float64" if any(array.dtype.itemsize > 4 for array in weights.values()) else "float32"
    return max(TOLERANCES[name] for name in (loaded, *map(_precision, results)))


def _precision(array: np.ndarray[Any, Any]) -> str:
    """The coarsest dtype that has all of these numbers."""
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
        if not array.any() or (single != array).any():
            return "float64"
        if not (single.view(np.uint32) & 0xFFFF).any():
            return "bfloat16"
        return "float16" if (single == single.astype(np.float16)).all() else "float32"


def _merge(fits: list[Fit]) -> list[Fit]:
    """One fit for all that load the same weights, though the axes of x are read in different ways."""
    merged: dict[bytes, Fit] = {}
    for fit in fits:
        mark = fingerprint(fit.params)
        before = merged.get(mark)
        merged[mark] = fit if before is None else replace(before, ways=before.ways + fit.ways)
    return list(merged.values())


def _relatives(plan: Plan, tolerance: float) -> list[Related]:
    """What would reproduce the run: something like an LSTM, or an LSTM run otherwise."""
    found = [(cell.words, search(plan, tolerance, cell)) for cell in RELATIVES]
    tried = [plan]
    for words, change in OTHERWISE.items():
        changed = plan.on(change)
        if not any(all(map(Reading.same, changed.choices, other.choices)) for other in tried):
            found.append((words, search(changed, tolerance)))
            tried.append(changed)
    return [Related(words, fits[0]) for words, fits in found if fits[0].error <= tolerance]
