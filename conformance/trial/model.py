"""A trial of a candidate with a trained model's own weights: its cases, what is true of them, and where a candidate leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from conformance.case import Case, Result, kind_of
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.matrix import DTYPES
from conformance.cases.model import model_cases
from conformance.errors import OracleError
from conformance.implementations import NEEDS, ORACLES, built_in, refusal
from conformance.judging.tolerance import Allowed, allowed_between, allowed_from_truth
from conformance.trial.call import copied
from conformance.trial.results import Report, Trial
from lstm_ref import Layer

MOST = 5e6
"""Multiplications of a forward pass that the certified evaluator is asked for: some ten seconds."""


def model_trials(layers: Sequence[Layer], given: Mapping[str, Any] | None = None) -> list[Trial]:
    """Every case of a model's trial, in both dtypes, with what a framework computes of it in float64.

    Parameters
    ----------
    layers : sequence of Layer
    given : mapping of str to array, optional
        See `conformance.cases.model.model_cases`.

    Raises
    ------
    OracleError
        If there is nobody to say what is right.
    """
    return [_trial(case) for dtype in DTYPES for case in model_cases(layers, dtype, given)]


def _trial(case: Case) -> Trial:
    arrays = {name: a if name == "mask" else a.astype("float64") for name, a in arrays_of(case).items()}
    wide = of_arrays(arrays, case.id, "float64", layers_of(case))
    name, compute = _oracle(wide)
    if name == "certified":
        allowed: Callable[[], Allowed] = cache(partial(allowed_from_truth, case, case.dtype))
    elif case.dtype == np.float64:  # the framework rounds as well
        allowed = cache(partial(allowed_between, case))
    else:
        allowed = cache(lambda: {quantity: error / 2 for quantity, error in allowed_between(case).items()})
    return Trial(name, case, cache(lambda: compute(copied(wide))), allowed)


def _oracle(case: Case) -> tuple[str, Callable[[Case], Result]]:
    """Who says what is right of a case in float64: a live framework that has all of it, or interval arithmetic. Never lstm_ref."""
    reasons = []
    for name in ORACLES:
        try:
            engine = built_in(name)
        except OracleError as error:
            reasons.append(f"  {name}: {error}")
            continue
        if why := refusal(name, case):
            reasons.append(f"  {name}: {why}")
        else:
            return name, engine
    B, T, _, _ = case.sizes
    each = [params for layer in case.layers for params in layer.directions.values()]
    work = sum(B * T * (params.kernel.size + params.recurrent_kernel.size) for params in each)
    try:
        engine = built_in("certified")
    except OracleError as error:
        reasons.append(f"  certified: {error}")
    else:
        if work <= MOST:
            return "certified", engine
        reasons.append(f"  certified: {work:.2g} multiplications, and interval arithmetic is asked for {MOST:.2g}")
    raise OracleError(
        f"there is nobody to say what is right of {case.id}:\n" + "\n".join(reasons) + "\n"
        f"Install one of them: pip install 'lstm-conformance[{NEEDS['torch']}]', [{NEEDS['keras']}] or [{NEEDS['certified']}]."
    )


def by_layer(report: Report, trial: str) -> list[tuple[str, dict[str, float]]]:
    """For each layer and direction of a case, how near its final states come: the largest error over the allowed one.

    Parameters
    ----------
    report : Report
    trial : str
        The trial's id.

    Returns
    -------
    list of pairs
        The layer's name, such as ``layer 1 reverse``, and h and c to their share; what was not given is left out, and
        an infinite share is of numbers that are not finite or of another shape.
    """
    met, given = report.trials[trial], report.given.get(trial, {})
    case, rows = met.case, []
    row = 0
    for k, layer in enumerate(case.layers):
        for d, direction in enumerate(layer.directions):
            shares = {}
            for name in ("h", "c"):
                quantity = name if case.uniform else f"layers.{k}.{name}"
                if quantity in given:
                    at = () if case.single else (row if case.uniform else d,)
                    shares[name] = _share(given[quantity], met.expected()[quantity], met.allowed()[quantity], at)
            rows.append((f"layer {k} {direction}", shares))
            row += 1
    return rows


def _share(actual: Any, expected: Any, allowed: float, at: tuple[int, ...]) -> float:
    actual = np.asarray(actual)
    if actual.shape != expected.shape:
        return float("inf")
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual[at].astype(float) - expected[at]).max(initial=0.0)
    return float(error / allowed) if np.isfinite(error) else float("inf")


def first_wrong(report: Report) -> tuple[str, list[tuple[str, dict[str, float]]]] | None:
    """The smallest case in which a final state is wrong, and its layers; None if there is none, or only one layer."""
    wrong = {r.trial for r in report.failures if kind_of(r.quantity) in ("h", "c", "output")}
    for trial in sorted((id for id in report.trials if id in wrong and id in report.given), key=report.weight):
        rows = by_layer(report, trial)
        if len(rows) > 1 and any(shares for _, shares in rows):
            return trial, rows
    return None
