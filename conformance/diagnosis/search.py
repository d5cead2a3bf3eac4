"""Finding the hypotheses that give what a candidate gave, without trying all products of bugs.

The forward pass is matched first: one bug, or a weight layout with bugs of cell and states, which are found
on a case that hides every layout. Then the backward pass, given that forward pass: the formulas as they should
be, the true derivative of that forward pass, one bug, or two whose traces together are the candidate's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, permutations, product

import numpy as np

from conformance.case import FORWARD, GRADIENTS
from conformance.diagnosis.bugs.catalogue import bugs
from conformance.diagnosis.bugs.hypothesis import AS_GIVEN, AS_READ, TRUE, Hypothesis
from conformance.diagnosis.evidence import DERIVED, Observation, fits
from lstm_ref.params import GATES

LEAKS = ("state-leaks", "state-leaks-instead")
OBSERVED = ("input-mutated", "dtype-narrowed", "dtype-widened", "sigmoid-overflow")
"""Bugs that are no other numbers, but something to observe about the numbers or the call."""


def of_group(*groups: str) -> list[str]:
    """The slugs of these groups that are found by their numbers."""
    return [bug.slug for bug in bugs().values() if bug.group in groups and bug.slug not in (*OBSERVED, *LEAKS)]


def forward(
    main: Sequence[Observation], hidden: Callable[[], Observation | None], always: tuple[str, ...] = ()
) -> Iterator[list[Hypothesis]]:
    """The hypotheses whose output, h and c are the candidate's: those with no bug, with one, with two, and so on.

    Parameters
    ----------
    main : sequence of Observation
        The cases to match, in the order in which the candidate was called.
    hidden : callable
        Gives what the candidate gave in a case that hides every layout of the weights, if it gave anything.
    always : tuple of str
        Bugs that every hypothesis has.
    """

    def fitting(candidates: Iterable[tuple[str, ...]]) -> list[Hypothesis]:
        found = [one for slugs in candidates if fits(one := Hypothesis((*always, *slugs)), main, FORWARD)]
        return [one for n, one in enumerate(found) if {*one.bugs} not in [{*other.bugs} for other in found[:n]]]

    yield fitting([()])
    yield fitting([(slug,) for slug in of_group("weights", "cell", "states")])
    alike = [*permutations(of_group("states"), 2), *combinations(of_group("cell"), 2)]
    observed = hidden()
    if observed is None or not observed.given:
        yield fitting(alike)
        return
    layouts, rest = of_group("weights"), of_group("cell", "states")
    both = product(of_group("cell"), of_group("states"))
    one = [(slug,) for slug in rest if fits(Hypothesis((slug,)), [observed], FORWARD)]
    two = [slugs for slugs in (*both, *alike) if fits(Hypothesis(slugs), [observed], FORWARD)]
    yield fitting([*two, *((layout, *slugs) for layout in layouts for slugs in one)])
    yield fitting((layout, *slugs) for layout in layouts for slugs in two)
    # what is left are layouts wrong in two respects, and the one layout that shows wherever there is a cell
    yield fitting([*combinations(layouts, 2), *product(["forget-bias-added"], rest)])


def backward(given: Hypothesis, main: Sequence[Observation]) -> list[Hypothesis]:
    """The hypotheses with that forward pass whose gradients are the candidate's; the fewest bugs first."""
    quantities = [name for name in GRADIENTS if name in main[0].given]
    if not quantities or fits(given, main, quantities):
        return [given]
    if any(bugs()[slug].group == "weights" for slug in given.bugs):
        as_read = Hypothesis(given.bugs, AS_READ)
        if fits(as_read, main, quantities):
            return [as_read]
    if given.bugs and all(o.weight <= DERIVED for o in main):
        true = Hypothesis(given.bugs, TRUE)
        if fits(true, main, quantities):
            return [true]
    singles = [given.also(slug) for slug in of_group("backward")]
    if found := [one for one in singles if fits(one, main, quantities)]:
        return found
    if any(bugs()[slug].group == "weights" for slug in given.bugs):
        as_given = Hypothesis(given.bugs, AS_GIVEN)
        if fits(as_given, main, quantities):
            return [as_given]
    traces = {one.bugs[-1]: trace(given, one, main[0]) for one in singles}
    wanted = trace(given, None, main[0])
    local = [slug for slug, places in traces.items() if places and places <= wanted]
    pairs = [(a, b) for a, b in combinations(local, 2) if traces[a] | traces[b] == wanted]
    both = [order for pair in pairs for order in (pair, pair[::-1])]
    found = [two for order in both if fits(two := given.also(*order), main, quantities)]
    return list({frozenset(two.bugs): two for two in found}.values())


def trace(right: Hypothesis, wrong: Hypothesis | None, where: Observation) -> frozenset[tuple[str, object]]:
    """The places in which gradients differ from those of `right`: gate blocks of the weights', steps of d_x.

    Parameters
    ----------
    right : Hypothesis
    wrong : Hypothesis or None
        Whose gradients; None for the candidate's own.
    where : Observation
    """
    with np.errstate(all="ignore"):
        expected = right.fresh()(where.case)
        actual = where.given if wrong is None else wrong.fresh()(where.case)
    places: set[tuple[str, object]] = set()
    for name in GRADIENTS:
        if name not in where.given:
            continue
        one, other = np.asarray(expected[name], np.float64), np.asarray(actual[name], np.float64)
        bound = 1e-4 * float(np.abs(one).max(initial=0.0))  # a place is wrong or it is not; rounding is far below
        wrong_there = ~(np.abs(one - other) <= bound)
        if "kernel" in name or "bias" in name:
            blocks = np.split(wrong_there, 4, axis=-1)
            places |= {(name, gate) for gate, block in zip(GATES, blocks, strict=True) if block.any()}
        elif name == "d_x":
            places |= {(name, t) for t in range(one.shape[1]) if wrong_there[:, t].any()}
        elif wrong_there.any():
            places.add((name, None))
    return frozenset(places)
