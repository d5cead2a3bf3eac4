"""How a candidate behaves, besides the numbers it gives: each check is one function and one sentence.

A check is given a way to call the candidate and a case, and returns what is wrong, in words, or a `Remark`
on what is odd while the numbers are right; None when there is nothing to say. It raises `NotApplicable` when
the candidate cannot be put to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from conformance.case import Case
from conformance.judging.compare import compare_quantity
from conformance.judging.tolerance import allowed_between
from conformance.trial.call import Outcome
from lstm_ref.params import FloatArray

Call: TypeAlias = Callable[[Case], Outcome]
Check: TypeAlias = Callable[[Call, Case], "str | Remark | None"]


@dataclass(frozen=True)
class Remark:
    """Something odd about a candidate whose numbers are right.

    Attributes
    ----------
    text : str
    """

    text: str


class NotApplicable(Exception):  # noqa: N818 - it is no error
    """The candidate does not give what the check is about."""


class CallFailed(Exception):  # noqa: N818 - the runner turns it into a failed check
    """The candidate gave no result."""


class NotJudged(Exception):  # noqa: N818 - the runner turns it into a check that was not judged
    """Nothing can be said of a call, such as one that ran out of time."""


def _outcome(call: Call, case: Case) -> Outcome:
    outcome = call(case)
    if outcome.not_judged:
        raise NotJudged(outcome.not_judged)
    if outcome.failure:
        raise CallFailed(outcome.failure)
    return outcome


def _result(call: Call, case: Case) -> dict[str, FloatArray]:
    outcome = _outcome(call, case)
    return {name: np.asarray(array) for name, array in outcome.result.items() if name in case.shapes}


def _first_difference(case: Case, actual: dict[str, FloatArray], expected: dict[str, FloatArray]) -> str | None:
    """The first quantity in which two results differ by more than is allowed, in words."""
    for quantity in expected:
        if quantity not in actual:
            return f"{quantity} is missing from one of them"
        comparison = compare_quantity(case, quantity, actual[quantity], expected, allowed_between(case))
        if not comparison.passed:
            return str(comparison)
    return None


def check_repeatable(call: Call, case: Case) -> str | Remark | None:
    """The same case gives the same numbers, also after another case, and they stay what they were."""
    outcome = _outcome(call, case)
    first = {name: array for name, array in outcome.result.items() if name in case.shapes}
    again = _result(call, case)
    other = replace(case, id=f"{case.id}-other", x=case.x[::-1] * 0.5)
    _result(call, other)
    held = outcome.now()
    for name, array in first.items():
        if name not in held or not _same(array, held[name]):
            return f"the {name} of the first call was changed by a later one: both are the same memory"
    third = _result(call, case)
    remark = None
    for word, result in (("the second call", again), ("a call after one with another input", third)):
        if _first_difference(case, result, first):
            name = next(name for name in first if name not in result or not _same(first[name], result[name]))
            return f"{word} gave another {name} than the first: something is kept between calls"
        odd = [name for name in first if not _same(first[name], result[name])]
        remark = remark or (odd and Remark(f"not repeatable to the bit: {word} rounded {', '.join(odd)} otherwise"))
    return remark or None


def _same(one: FloatArray, other: FloatArray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def check_inputs_unchanged(call: Call, case: Case) -> str | None:
    """Neither inputs, states, cotangents nor weights are written to."""
    mutated = _outcome(call, case).mutated
    return f"it wrote to {', '.join(mutated)}, which belong to the caller" if mutated else None


def check_dtype(call: Call, case: Case) -> Remark | None:
    """Every result has the dtype of the inputs."""
    others: dict[np.dtype[Any], list[str]] = {}
    for name, array in _result(call, case).items():
        if array.dtype != case.dtype:
            others.setdefault(array.dtype, []).append(name)
    told = [f"{dtype} results for {case.dtype} input: {', '.join(names)}" for dtype, names in others.items()]
    return Remark("; ".join(told)) if told else None


def check_shapes(call: Call, case: Case) -> str | None:
    """Every result has exactly the shape that the sizes call for."""
    wrong = {
        name: array.shape
        for name, array in _result(call, case).items()
        if name in case.shapes and array.shape != case.shapes[name]
    }
    return "; ".join(f"{name} has shape {shape}, expected {case.shapes[name]}" for name, shape in wrong.items()) or None


def check_quiet_when_saturated(call: Call, case: Case) -> str | Remark | None:
    """Gates at 1000 and -1000 give finite numbers, and no numeric warning that other gates do not give."""
    params = case.params
    if params.bias is None:
        raise NotApplicable("it takes no bias")
    push = np.full((4, case.sizes[3]), 1000.0, case.dtype)
    push[:, 1::2] = -1000.0  # every gate both ways
    saturated = replace(case, id=f"{case.id}-saturated", params=replace(params, bias=params.bias + push.reshape(-1)))
    outcome = _outcome(call, saturated)
    arrays = {name: np.asarray(array) for name, array in outcome.result.items()}
    bad = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if bad:
        return f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite"
    usual = set(_outcome(call, case).warned)
    warned = [text for text in outcome.warned if text.startswith(NUMERIC_WARNINGS) and text not in usual]
    if not warned:
        return None
    return Remark(
        f"it issued {len(warned)} warning{'s' * (len(warned) > 1)} where gates saturate; the first: {warned[0]}"
    )


NUMERIC_WARNINGS = (
    "RuntimeWarning: overflow",
    "RuntimeWarning: invalid",
    "RuntimeWarning: divide",
    "RuntimeWarning: underflow",
)
"""How the warnings begin that are about numbers; what else is deprecated or slow is not this check's business."""


def _reordered(case: Case, order: npt.NDArray[np.int64]) -> Case:
    rows = {name: getattr(case, name)[order] for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    return replace(case, id=f"{case.id}-reordered", **rows)


def check_batch_order(call: Call, case: Case) -> str | None:
    """Samples in another order give the same rows in that order, and the same weights' gradients."""
    order = np.roll(np.arange(case.sizes[0]), 1)  # no sample stays where it was
    straight, reordered = _result(call, case), _result(call, _reordered(case, order))
    expected = {name: array[order] if case.axes[name][0] == "b" else array for name, array in straight.items()}
    difference = _first_difference(case, reordered, expected)
    return f"with the samples in another order, {difference}" if difference else None


def check_samples_independent(call: Call, case: Case) -> str | None:
    """Changing one sample changes no other sample's rows."""
    arrays = {name: getattr(case, name).copy() for name in ("x", "h0", "c0")}
    for array in arrays.values():
        array[0] = array[0, ::-1] * 0.5  # what is zero stays zero, for those who take no state
    before, after = _result(call, case), _result(call, replace(case, id=f"{case.id}-one-changed", **arrays))
    rows = {name: array for name, array in before.items() if case.axes[name][0] == "b"}
    mixed = {name: np.concatenate([rows[name][:1], after[name][1:]]) for name in rows if name in after}
    difference = _first_difference(case, mixed, rows)
    return f"after sample 0's input and state changed, {difference}" if difference else None


def check_chunks(call: Call, case: Case) -> str | None:
    """A sequence in two parts, the state handed over, gives the outputs and the final state of the whole."""
    whole = _result(call, case)
    if not {"output", "h", "c"} <= whole.keys():
        raise NotApplicable("it does not give output, h and c")
    half = case.sizes[1] // 2
    first = _result(call, replace(case, id=f"{case.id}-first", x=case.x[:, :half], d_output=case.d_output[:, :half]))
    second = _result(
        call,
        replace(
            case,
            id=f"{case.id}-second",
            x=case.x[:, half:],
            d_output=case.d_output[:, half:],
            h0=first["h"],
            c0=first["c"],
        ),
    )
    joined = {"output": np.concatenate([first["output"], second["output"]], axis=1), "h": second["h"], "c": second["c"]}
    difference = _first_difference(case, joined, {name: whole[name] for name in joined})
    return f"in two parts, {difference}" if difference else None


CHECKS: dict[str, Check] = {
    "shapes": check_shapes,
    "dtype": check_dtype,
    "repeatable": check_repeatable,
    "inputs-unchanged": check_inputs_unchanged,
    "quiet-when-saturated": check_quiet_when_saturated,
    "batch-order": check_batch_order,
    "samples-independent": check_samples_independent,
    "chunks": check_chunks,
}
"""Check's name to the check; the order in which they are run."""

OF_NETWORKS = ("shapes", "dtype", "repeatable", "inputs-unchanged")
"""Those that a network can be put to; the others know the plain LSTM's axes alone."""

VECTOR = "sizes-b4-t6-d2-h3"
"""The golden vector that behaviour is checked on: everything non-zero and different."""
