"""Reading a candidate part by part: small constructed cases, each of which shows a little, and the bugs that make it right.

A case's results fall into parts: the steps of output and of d_x, the gates' blocks of the weights' gradients, the other
quantities as a whole. Each is right or wrong by itself. Of an LSTM with several bugs a small case shows a few, and a bug that is
added to what is known already, makes a part right and none wrong, is read. So they are found one after the other, never their
product. What was read is a hypothesis: whether it gives all that the candidate gives is for others to prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from conformance.case import FORWARD, GRADIENTS, Case, Result
from conformance.diagnosis.bugs.catalogue import readable
from conformance.diagnosis.bugs.hypothesis import (
    AS_GIVEN,
    AS_READ,
    EXCLUDED,
    FORMULAS,
    STEPWISE,
    TRUE,
    Hypothesis,
    derivative,
    kind,
)
from conformance.diagnosis.evidence import NARROWER, Observation, observe
from conformance.diagnosis.probes import backward_cases, forward_cases
from conformance.diagnosis.stage import Part, Stage, in_order, places
from conformance.trial.call import Caller

LEAKS = ("state-leaks", "state-leaks-instead", "grad-accumulates")
OBSERVED = ("input-mutated", "dtype-narrowed", "dtype-widened", "sigmoid-overflow", "numbers-approximated")
"""Bugs that are no other numbers, but something to observe about the numbers or the call."""
ALONE = ("read-one-step-d_c", "read-one-step-d_h", "read-one-step-d_output", "read-three-steps-d_c")
"""Cases with one cotangent."""
ORDER = "gate-order-"
ZEROS = ("grad-zero-times-every-gradient", "grad-zero-times-each-gradient-of-the-weights")
CLOSE = {"float64": 1e-10, "float32": 3e-6, "float16": 4e-3}
"""How far apart numbers may be that are the same, of the quantity's largest, by the dtype they were computed in."""
BEAM = 6
"""So many hypotheses are followed that cannot be told apart yet."""
MOST = 6
"""So many bugs are read from one case at most."""
COST = 60_000
"""So many steps of small LSTMs are computed for a reading at most, some seconds; what is not read by then stays unknown."""
CALL = 2
"""What a call costs besides, in steps."""
STAGE, SHARE = 12_000, 6_000
"""So many of them in one stage, and for one more bug of one hypothesis."""


@dataclass(frozen=True)
class Reading:
    """A hypothesis as it grows.

    Attributes
    ----------
    hypothesis : Hypothesis
    right : frozenset
        The parts that it gives as the candidate does.
    """

    hypothesis: Hypothesis
    right: frozenset[Part] = frozenset()

    @property
    def bugs(self) -> int:
        """How many bugs it takes."""
        return len(self.hypothesis.bugs)


def of_groups(*groups: str) -> list[str]:
    """The slugs of these groups that are found by their numbers, the catalogue's first."""
    return [slug for slug, bug in readable().items() if bug.group in groups and slug not in (*OBSERVED, *LEAKS)]


class Reader:
    """One candidate being read.

    Parameters
    ----------
    call : Caller
    dtype : str
        In which it is called.
    without : frozenset of str
        What it cannot take.
    training : bool
        Whether its gradients are looked at.
    narrow : bool
        Whether it computes in the next narrower dtype.
    """

    def __init__(self, call: Caller, dtype: str, without: frozenset[str], training: bool, narrow: bool) -> None:
        self.call, self.dtype, self.without, self.training, self.narrow = call, dtype, without, training, narrow
        self.close = CLOSE[NARROWER[dtype] if narrow else dtype]
        self.stages: list[Stage] = []
        self.until = COST
        self.spent = 0  # steps, as the same candidate is to get the same diagnosis however slow the machine is
        self.found: list[Reading] = []
        self._runs: dict[Any, Any] = {}
        self._touched: dict[Any, frozenset[Part]] = {}

    @property
    def exhausted(self) -> bool:
        """Whether no more is to be computed at all."""
        return self.spent > COST

    @property
    def late(self) -> bool:
        """Whether no more is to be computed, of a stage or at all."""
        return self.spent > self.until

    def read(self) -> list[Reading]:
        """The hypotheses that give most of what the candidate gives in the constructed cases, with the fewest bugs."""
        beam = self.through(
            [Reading(Hypothesis())], forward_cases(self.dtype, self.without), FORWARD, ("weights", "cell", "states")
        )
        if self.training:
            starts = [Reading(start, one.right) for one in beam for start in self.starts(one.hypothesis)]
            further = self.through(starts, backward_cases(self.dtype, self.without), GRADIENTS, ("backward",))
            beam = (
                beam if all(stage.forward for stage in self.stages) else further
            )  # of no case the forward pass was known
        self.found = [self.needed(one) for one in beam]
        return self.found

    @property
    def knows_all(self) -> bool:
        """Whether what was read gives all that was looked at."""
        return frozenset[Part]().union(*(stage.parts for stage in self.stages)) <= frozenset(
            part for one in self.found[:1] for part in one.right
        )

    def rounds(self) -> bool:
        """Whether something was given nearly as it was read, as if rounded to float32, and not quite."""
        near = CLOSE["float32"]
        return any(
            stage.same(self.results(one.hypothesis, stage), near) > self.right(one.hypothesis, stage)
            for one in self.found
            for stage in self.stages
            if stage.seen[0].case.dtype == np.float64
        )

    def needed(self, reading: Reading) -> Reading:
        """The reading without the bugs that others, read later, have made superfluous."""
        for slug in reading.hypothesis.bugs:
            fewer = reading.hypothesis.without(slug)
            right = frozenset[Part]().union(*(self.right(fewer, stage) for stage in self.stages))
            if right >= reading.right:
                reading = Reading(fewer, right)
        return reading

    def starts(self, given: Hypothesis) -> Iterable[Hypothesis]:
        """What the gradients of a forward pass may be, before anything else is wrong with them."""
        groups = {readable()[slug].group for slug in given.bugs}
        modes = [
            FORMULAS,
            *([AS_READ, AS_GIVEN] * ("weights" in groups)),
            *([STEPWISE] * ("cell" in groups)),
            *([TRUE] * bool(groups)),
        ]
        for bugs in (given.bugs, *_exchanged(given.bugs)):
            yield from (Hypothesis(bugs, mode) for mode in modes)

    def through(
        self, beam: list[Reading], cases: Iterable[Case], quantities: Sequence[str], groups: tuple[str, ...]
    ) -> list[Reading]:
        """Read one case after the other; of gradients those of which the forward pass is known."""
        for case in cases:
            seen = replace(observe(case, self.call(case).result, self.training), narrow=self.narrow)
            asked = tuple(name for name in quantities if name in seen.given)
            known = self.knowing(beam, seen) if quantities is GRADIENTS else beam
            if asked and known:
                slugs = of_groups(*groups)
                if case.id.startswith(ALONE):  # where all is zero that one of the cotangents did not bring about
                    slugs = [slug for slug in slugs if slug not in ZEROS]
                beam = self.further(known, Stage([seen], asked), slugs)
        return beam

    def knowing(self, beam: list[Reading], seen: Observation) -> list[Reading]:
        """The readings whose forward pass is the candidate's in this case: of no others' gradients anything can be said."""
        given = next(((name,) for name in FORWARD if name in seen.given), ())
        forward = Stage([seen], given) if given else None
        return [one for one in beam if forward is None or forward.parts <= self.right(one.hypothesis, forward)]

    def further(self, beam: Sequence[Reading], stage: Stage, slugs: Sequence[str], cost: int = STAGE) -> list[Reading]:
        """The readings, each with the bugs that this stage shows besides; at most at this cost, in steps."""
        self.stages.append(stage)
        self.until = min(COST, self.spent + cost)
        beam = [Reading(one.hypothesis, one.right | self.right(one.hypothesis, stage)) for one in beam]
        beam = [one for one in beam if stage.parts <= one.right] or beam
        for _ in range(MOST):
            if any(stage.parts <= one.right for one in beam) or self.late:
                break
            better = _best([*beam, *self.grown(beam, stage, slugs)])
            if len(better[0].right) == max(len(one.right) for one in beam):
                break
            beam = better
        return _best(beam)

    def grown(self, beam: Sequence[Reading], stage: Stage, slugs: Sequence[str]) -> list[Reading]:
        """The readings with one bug more, of those that touch nothing that is right, of all; with another one; with two more."""
        open_ = [one for one in beam if stage.forward or one.hypothesis.gradients != TRUE]
        ways: list[Callable[[Reading], Iterable[Hypothesis]]] = [
            lambda one: (one.hypothesis.also(slug) for slug in self.possible(one, stage, slugs)),
            lambda one: (one.hypothesis.also(slug) for slug in self.possible(one, stage, slugs, masked=True)),
            lambda one: self.others(one, stage, slugs),
            lambda one: (one.hypothesis.also(*pair) for pair in self.pairs(one, stage, slugs)),
        ]
        for way in ways:
            if better := [more for one in open_ for more in self.added(one, stage, way(one))]:
                return better
        return []

    def added(self, begun: Reading, stage: Stage, hypotheses: Iterable[Hypothesis]) -> list[Reading]:
        """Those of these hypotheses, made of a reading, that make something right and nothing wrong."""
        better: list[Reading] = []
        end = min(self.until, self.spent + SHARE)
        before = begun.right & stage.parts
        for further in hypotheses:
            if self.spent > end:
                break
            now = self.right(further, stage)
            if not now > before:
                continue
            stays = ahead(further) == ahead(begun.hypothesis)
            kept = frozenset(part for part in begun.right if part[1] in FORWARD and stays)
            others = [other for other in self.stages[:-1] if not (other.forward and stays)]
            every = now.union(kept, *(self.right(further, other) for other in others))
            if every > begun.right:
                better.append(Reading(further, every))
        return better

    def possible(self, begun: Reading, stage: Stage, slugs: Sequence[str], masked: bool = False) -> list[str]:
        """The bugs that touch something wrong, and nothing that is right; or, if another bug may mask it, just something wrong."""
        ordered = any(slug.startswith(ORDER) for slug in begun.hypothesis.bugs)  # two orders are a third one
        left = [
            slug for slug in slugs if slug not in begun.hypothesis.bugs and not (ordered and slug.startswith(ORDER))
        ]
        if stage.forward:
            return [] if masked else left
        wrong, right = stage.parts - begun.right, stage.parts & begun.right
        found = []
        for slug in left:
            if self.late:
                break
            touched = self.touched(slug, begun.hypothesis, stage)
            if touched & wrong and bool(touched & right) == masked:
                found.append(slug)
        return found

    def others(self, begun: Reading, stage: Stage, slugs: Sequence[str]) -> Iterable[Hypothesis]:
        """With another bug in the place of one that was read: of two that are one in small cases, it may have been the wrong one."""
        possible = [*self.possible(begun, stage, slugs), *self.possible(begun, stage, slugs, masked=True)]
        for slug in reversed(begun.hypothesis.bugs):
            fewer = begun.hypothesis.without(slug)
            yield from (fewer.also(other) for other in possible if readable()[other].group == readable()[slug].group)

    def pairs(self, begun: Reading, stage: Stage, slugs: Sequence[str]) -> Iterable[tuple[str, str]]:
        """Two that act together, the catalogue's first."""
        possible = [*self.possible(begun, stage, slugs), *self.possible(begun, stage, slugs, masked=True)]
        known = [slug for slug in possible if not readable()[slug].read_off]
        rest = [slug for slug in possible if readable()[slug].read_off]
        yield from combinations(known, 2)
        yield from ((one, other) for one in known for other in rest)
        yield from combinations(rest, 2)

    # What is right.

    def right(self, hypothesis: Hypothesis, stage: Stage) -> frozenset[Part]:
        """The parts that a hypothesis gives as the candidate does."""
        try:
            return stage.same(self.results(hypothesis, stage), self.close)
        except EXCLUDED:
            return frozenset()

    def touched(self, slug: str, known: Hypothesis, stage: Stage) -> frozenset[Part]:
        """The parts that a bug changes in an LSTM whose forward pass is as far as it is known."""
        start = Hypothesis(ahead(known), known.gradients)
        key = (slug, start, stage.name)
        if key not in self._touched:
            given = self._once(
                ("given", start, *stage.quantities),
                stage.seen[-1].case,
                lambda: stage.given(self.results(start, stage)),
            )
            try:
                self._touched[key] = stage.parts - given.same(self.results(start.also(slug), stage), self.close)
            except EXCLUDED:
                self._touched[key] = frozenset()
        return self._touched[key]

    def results(self, hypothesis: Hypothesis, stage: Stage) -> list[Result]:
        """What a hypothesis gives in a stage's calls."""
        forward = stage.forward
        with np.errstate(all="ignore"):
            if len(stage.seen) > 1:
                lstm = hypothesis.forward() if forward else hypothesis.fresh()
                self.spent += sum(o.case.sizes[1] for o in stage.seen)
                return [lstm(o.case) for o in stage.seen]
            case = stage.seen[0].case
            if hypothesis.gradients == TRUE and not forward:
                return [self._once(("true", *hypothesis.bugs), case, lambda: self.derivative(hypothesis, case))]
            first = ahead(hypothesis)
            run = self._once(first, case, lambda: kind(first)().run(case))
            self.spent += CALL + case.sizes[1]
            if forward:
                return [run[3]]
            lstm = kind(hypothesis.bugs, hypothesis.gradients)()
            lstm.case = case
            lstm.run = lambda case: (run[0], run[1], run[2], dict(run[3]))  # type: ignore[method-assign]  # it is known already
            return [lstm(case)]

    def derivative(self, hypothesis: Hypothesis, case: Case) -> Result:
        """The true gradients of a hypothesis' forward pass, which cost one of these for each number."""
        p = case.params
        self.spent += (
            case.x.size + case.h0.size + case.c0.size + p.kernel.size + p.recurrent_kernel.size
        ) * case.sizes[1]
        return derivative(kind(hypothesis.bugs)(), case)

    def _once(self, key: tuple[object, ...], case: Case, compute: Callable[[], Any]) -> Any:
        if (key, case.id) not in self._runs:
            self._runs[key, case.id] = compute()
        return self._runs[key, case.id]

    def evidence(self, hypothesis: Hypothesis, slug: str) -> str:
        """Where one of a hypothesis' bugs shows beside the others, first; nothing if in no constructed case."""
        fewer = hypothesis.without(slug)
        for stage in self.stages:
            parts = self.right(hypothesis, stage) - self.right(fewer, stage)
            if parts:
                return self.shown(fewer, stage, parts)
        return ""

    def shown(self, without: Hypothesis, stage: Stage, parts: frozenset[Part]) -> str:
        """Where a bug was read: a part, the candidate's number there, and what it would be without the bug."""
        id, name, place = min(parts, key=str)
        for o, result in zip(stage.seen, self.results(without, stage), strict=True):
            if o.case.id == id:
                every = places(name, o.given[name].shape)
                given, other = (
                    np.split(in_order(name, a), len(every))[every.index(place)] for a in (o.given[name], result[name])
                )
                where = np.argmax(np.abs(np.nan_to_num(given - other)))
                at = "" if place is None else f", {'step' if isinstance(place, int) else 'block'} {place}"
                B, T, D, H = o.case.sizes
                case = id.removeprefix("read-").rpartition("-")[0]
                return (
                    f"With B={B}, T={T}, D={D}, H={H} ({case}): {name}{at} has {given[where]:.6g} "
                    f"where without it there would be {other[where]:.6g}."
                )
        return ""


def ahead(hypothesis: Hypothesis) -> tuple[str, ...]:
    """The bugs that are in the forward pass."""
    return tuple(slug for slug in hypothesis.bugs if readable()[slug].group != "backward")


def _exchanged(bugs: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """The same forward pass in other words: with the roles of i and f exchanged in the cell and in the order of the blocks."""
    cell = "input-forget-swapped"
    order = next((slug for slug in bugs if slug.startswith(ORDER)), f"{ORDER}ifco")
    if not (cell in bugs or order in bugs):
        return
    letters = order[-4:].translate(str.maketrans("if", "fi"))
    rest = tuple(slug for slug in bugs if slug not in (order, cell))
    yield (*rest, *((f"{ORDER}{letters}",) if letters != "ifco" else ()), *((cell,) if cell not in bugs else ()))


def _best(readings: Iterable[Reading]) -> list[Reading]:
    """Those with most that is right; of these, those with the fewest bugs, the catalogue's first."""
    found = {(frozenset(one.hypothesis.bugs), one.hypothesis.gradients): one for one in readings}
    rank = {key: (-len(one.right), one.bugs) for key, one in found.items()}
    best = [one for key, one in found.items() if rank[key] == min(rank.values())]
    return sorted(best, key=lambda one: sum(readable()[slug].read_off for slug in one.hypothesis.bugs))[:BEAM]
