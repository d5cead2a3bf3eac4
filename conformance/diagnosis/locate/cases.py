"""What the cases that fail have in common."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from itertools import permutations

import numpy as np

from conformance.case import FORWARD, KINDS, kind_of
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.finding import Statement, is_right, is_wrong
from conformance.diagnosis.locate.claim import listed
from conformance.diagnosis.reading import OBSERVED
from conformance.judging.compare import compare_quantity
from conformance.trial.results import CheckResult, Report
from lstm_ref.params import FloatArray

MANY, SOME, TINY = 500, 0.01, 1e-6
"""So many numbers have a share, a share is at least so large, and numbers below have no digits to be compared."""
FEW = 8
"""So many cases are named; of more, what they have in common is said."""
_NUMBER = re.compile(r"\d+(?!\d*\)$)")
_CRASH = re.compile(r"(crashed(?: the interpreter)?) \((.*)\)")
"""A number in a message, but for the line's, which ends it."""


def in_cases(report: Report, known: Collection[str] = ()) -> list[Statement]:
    """In which cases calls fail, shapes are wrong, numbers are wrong; less what known bugs make wrong.

    Parameters
    ----------
    report : Report
    known : collection of str
        The slugs of bugs that were found.
    """
    by_value = [r for r in report.of_profile(report.profile) if not r.behaviour and r.status != "not judged"]
    judged = {r.trial for r in by_value}
    report = replace(report, trials={id: trial for id, trial in report.trials.items() if id in judged})
    found = [*_failed_calls(report, by_value), *_shapes(report, by_value), *_dropped(report)]
    found += _types(report, by_value)
    return found if set(known) - set(OBSERVED) else found + _numbers(report, by_value)


def _numbers(report: Report, by_value: list[CheckResult]) -> list[Statement]:
    """In which cases numbers are wrong, and how wrong."""
    found = []
    wrong = {r.trial for r in by_value if r.status == "failed" and r.comparison and not r.comparison.reason}
    if wrong and len(wrong) < len(report.trials):
        found.append(
            is_wrong(f"Numbers are wrong in {len(wrong)} of {len(report.trials)} cases{_which(report, wrong)}.")
        )
    errors = [r.comparison.relative for r in by_value if r.status == "failed" and r.comparison]
    if wrong and max(errors) < 1e-3:
        found.append(
            is_wrong(
                f"All errors are small, at most {max(errors):.1e} of the quantity's largest number: that is how "
                "something approximated or rounded looks, rather than something left out or exchanged."
            )
        )
    quantities = {name: [r for r in by_value if kind_of(r.quantity) == name] for name in KINDS}
    right = [name for name, results in quantities.items() if results and all(r.status == "passed" for r in results)]
    if right and wrong:
        found.append(is_right(f"Right in every case: {listed(right)}."))
    return found


def _failed_calls(report: Report, results: list[CheckResult]) -> list[Statement]:
    """How calls fail; messages that differ in their numbers alone, as those with sizes do, count as one.

    So do crashes: by which signal memory that is not one's own ends a process is a matter of chance.
    """
    reasons: dict[str, dict[str, str]] = {}
    for r in results:
        if r.status == "failed" and r.comparison is None:
            reasons.setdefault(_CRASH.sub(r"\1", _NUMBER.sub("N", r.message)), {})[r.trial] = r.message
    found = []
    for alike in sorted(reasons.values(), key=len, reverse=True)[:FEW]:
        message, *others = dict.fromkeys(alike.values())
        if _CRASH.match(message):
            signals = sorted({_CRASH.sub(r"\2", each) for each in alike.values()})
            message, others = _CRASH.sub(rf"\1 ({' or '.join(signals)})", message), []
        also = "; the numbers in the message differ" if others else ""
        cases = f"In {len(alike)} of {len(report.trials)} cases"
        where = _which(report, alike)
        dtype = next((name for name in DTYPES if where.startswith(f", all those in {name} ")), "")
        declare = f'conformance.candidate(without=("{dtype}",))'
        if report.program is not None:
            declare = f'"dtypes": ["{next(name for name in DTYPES if name != dtype)}"]'
        way_out = f" If it does not know {dtype}, declare that: {declare}." if dtype else ""
        found.append(is_wrong(f"{cases} it {message}{where}{also}.{way_out}"))
    if len(reasons) > FEW:
        found.append(is_wrong(f"Calls failed in {len(reasons) - FEW} further ways."))
    failed = {trial for alike in reasons.values() for trial in alike}
    if failed and failed == set(list(report.trials)[1:]):
        found.append(
            is_wrong("Its first call gave a result and every later one failed: is something kept between calls?")
        )
    return found


def _types(report: Report, results: list[CheckResult]) -> list[Statement]:
    """What is given as no array of numbers."""
    reasons: dict[str, list[CheckResult]] = {}
    for r in results:
        if r.comparison is not None and "has dtype" in r.comparison.reason:
            reasons.setdefault(r.comparison.reason.partition(", expected")[0], []).append(r)
        elif r.comparison is not None and r.comparison.reason.startswith("is a "):
            reasons.setdefault(r.comparison.reason.partition(" of shape")[0], []).append(r)
    found = []
    for reason, failed in reasons.items():
        names = [name for name in KINDS if any(kind_of(r.quantity) == name for r in failed)]
        cases = len({r.trial for r in failed})
        found.append(is_wrong(f"In {cases} of {len(report.trials)} cases this {reason}: {listed(names)}."))
    return found


def _shapes(report: Report, results: list[CheckResult]) -> list[Statement]:
    found = {}
    for r in results:
        if r.comparison is None or "has shape" not in r.comparison.reason or r.trial not in report.given:
            continue
        trial, array = report.trials[r.trial], report.given[r.trial][r.quantity]
        if array.dtype.kind != "f" or len(set(trial.case.shapes[r.quantity])) < array.ndim or r.quantity in found:
            continue  # equal sizes do not tell axes apart
        for axes in permutations(range(array.ndim)):
            with np.errstate(over="ignore"):
                turned = array.transpose(axes).astype(trial.case.dtype)
            if turned.shape == trial.case.shapes[r.quantity]:
                right = compare_quantity(trial.case, r.quantity, turned, trial.expected(), trial.allowed()).passed
                text = f"The axes of {r.quantity} are in another order; with transpose{axes} its numbers are "
                found[r.quantity] = is_wrong(text + ("right." if right else "wrong as well."))
    return list(found.values())


def _dropped(report: Report) -> list[Statement]:
    """Of which quantity a share is zero, and the rest what is right over the other share, as dropout leaves it."""
    found = []
    for name in FORWARD:
        ratios = [
            np.asarray(report.given[id][name] / trial.expected()[name]).reshape(-1)
            for id, trial in report.trials.items()
            if name in report.given.get(id, {}) and _comparable(report.given[id][name], trial.expected()[name])
        ]
        every = np.concatenate(ratios) if ratios else np.zeros(0)
        kept = every[every != 0]
        if len(every) < MANY or not SOME < len(kept) / len(every) < 1 - SOME:
            continue
        factor, share = float(np.median(kept)), len(kept) / len(every)
        if np.abs(kept / factor - 1).max() < SOME and abs(factor * share - 1) < 0.1:
            text = f"Of {name}, {1 - share:.0%} of the numbers are zero and all others {factor:.4g} times what is right"
            found.append(is_wrong(f"{text}: that is how dropout looks, which acts in training alone."))
    return found


def _comparable(given: object, right: FloatArray) -> bool:
    """Whether there is a ratio of every number."""
    return (
        isinstance(given, np.ndarray)
        and given.shape == right.shape
        and given.dtype.kind == "f"
        and bool((np.isfinite(given) & (np.abs(right) > TINY)).all())
    )


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
    for dtype in DTYPES:
        if all(id.endswith(dtype) for id in trials) and len(trials) == sum(id.endswith(dtype) for id in every):
            return f", all those in {dtype} and no others"
    named = sorted({id.rpartition("-")[0] for id in trials})
    return f": {listed(named)}" if len(named) <= FEW else ""
