"""What the cases that fail have in common."""

from __future__ import annotations

from collections.abc import Collection
from itertools import permutations

from conformance.case import QUANTITIES
from conformance.compare import compare_quantity
from conformance.diagnosis import Statement, is_right, is_wrong
from conformance.locate.prober import listed
from conformance.runner import CheckResult, Report

FEW = 8
"""So many cases are named; of more, what they have in common is said."""
Sizes = tuple[int, int, int, int]


def in_cases(report: Report) -> list[Statement]:
    """In which cases calls fail, shapes are wrong, numbers are wrong."""
    by_value = [r for r in report.of_profile(report.profile) if not r.behaviour]
    found = [*_failed_calls(report, by_value), *_shapes(report, by_value)]
    wrong = {r.trial for r in by_value if r.status == "failed" and r.comparison and not r.comparison.reason}
    if wrong and len(wrong) < len(report.trials):
        found.append(
            is_wrong(f"Numbers are wrong in {len(wrong)} of {len(report.trials)} cases{_which(report, wrong)}.")
        )
    errors = [r.comparison.relative for r in by_value if r.status == "failed" and r.comparison]
    if wrong and max(errors) < 1e-3:
        found.append(
            is_wrong(
                f"All errors are small, at most {max(errors):.1e} of the quantity's largest number: something "
                "is approximated or rounded, and nothing is left out or exchanged."
            )
        )
    quantities = {name: [r for r in by_value if r.quantity == name] for name in QUANTITIES}
    right = [name for name, results in quantities.items() if results and all(r.status == "passed" for r in results)]
    if right and wrong:
        found.append(is_right(f"Right in every case: {listed(right)}."))
    return found


def _failed_calls(report: Report, results: list[CheckResult]) -> list[Statement]:
    reasons: dict[str, set[str]] = {}
    for r in results:
        if r.status == "failed" and r.comparison is None:
            reasons.setdefault(r.message, set()).add(r.trial)
    return [
        is_wrong(f"In {len(trials)} of {len(report.trials)} cases it {message}{_which(report, trials)}.")
        for message, trials in reasons.items()
    ]


def _shapes(report: Report, results: list[CheckResult]) -> list[Statement]:
    found = {}
    for r in results:
        if r.comparison is None or "has shape" not in r.comparison.reason or r.trial not in report.given:
            continue
        trial, array = report.trials[r.trial], report.given[r.trial][r.quantity]
        if array.dtype.kind != "f" or len(set(trial.case.shapes[r.quantity])) < array.ndim or r.quantity in found:
            continue  # equal sizes do not tell axes apart
        for axes in permutations(range(array.ndim)):
            turned = array.transpose(axes).astype(trial.case.dtype)
            if turned.shape == trial.case.shapes[r.quantity]:
                right = compare_quantity(trial.case, r.quantity, turned, trial.expected()).passed
                text = f"The axes of {r.quantity} are in another order; with transpose{axes} its numbers are "
                found[r.quantity] = is_wrong(text + ("right." if right else "wrong as well."))
    return list(found.values())


def _which(report: Report, trials: Collection[str]) -> str:
    """Which cases these are, as far as a few words can say it."""
    every = {id: report.sizes[id] for id in report.trials}
    inside, outside = [every[id] for id in trials], [sizes for id, sizes in every.items() if id not in trials]
    if not outside:
        return ""
    for place, axis in enumerate("BTDH"):
        ins, outs = {sizes[place] for sizes in inside}, {sizes[place] for sizes in outside}
        if min(ins) > max(outs):
            return f", all those with {axis} of {min(ins)} or more and no others"
        if max(ins) < min(outs):
            return f", all those with {axis} of {max(ins)} or less and no others"
    for dtype in ("float64", "float32"):
        if all(id.endswith(dtype) for id in trials) and len(trials) == sum(id.endswith(dtype) for id in every):
            return f", all those in {dtype} and no others"
    named = sorted({id.rpartition("-")[0] for id in trials})
    return f": {listed(named)}" if len(named) <= FEW else ""
