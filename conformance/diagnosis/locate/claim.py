"""A claim about a candidate: a question that any implementation can be asked, and what the answer is said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from conformance.case import Case, Result
from conformance.diagnosis.bugs.hypothesis import Hypothesis
from conformance.diagnosis.evidence import Observation, observe
from conformance.diagnosis.finding import Statement
from conformance.diagnosis.probes import drawn
from conformance.trial.call import Caller

DRAWS = 6
"""A claim is made of what was the same in so many draws of random numbers."""


@dataclass(frozen=True)
class Condition:
    """What a case is like, in words, and how one is drawn."""

    words: str
    draw: Callable[[Asked], Case]

    def where(self, words: str, change: Callable[[Case], Case]) -> Condition:
        """The same with something changed."""
        return Condition(f"{self.words}, when {words}", lambda asked: change(asked.seen(self).case))


class Asked:
    """An implementation that is asked in cases of one draw, and what would be right.

    Parameters
    ----------
    call : Caller
    known : Hypothesis
        The bugs that what is right has as well, as they are known already.
    dtype : str
    without : frozenset of str
        What the candidate cannot take.
    narrow : bool
        Whether the candidate computes in a narrower dtype.
    number : int
        Which draw.
    first : Asked, optional
        Another draw, whose sizes are the same and so are rounding errors, in proportion.
    """

    def __init__(
        self,
        call: Caller,
        known: Hypothesis,
        dtype: str,
        without: frozenset[str] = frozenset(),
        narrow: bool = False,
        number: int = 0,
        first: Asked | None = None,
    ) -> None:
        self.call, self.known, self.dtype, self.without = call, known, dtype, without
        self.narrow, self.number, self.first = narrow, number, first
        self._seen: dict[str, Observation] = {}
        self._right: dict[str, Result] = {}

    def drawn(self, B: int, T: int) -> Case:
        """A case of 3 features and 4 units with everything random, less what the candidate cannot take."""
        return drawn(self.dtype, B, T, without=self.without, number=self.number)

    def seen(self, condition: Condition) -> Observation:
        """What the candidate gives, called once; nothing if the call fails."""
        if condition.words not in self._seen:
            case = condition.draw(self)
            known = None if self.first is None else self.first.seen(condition).relative
            self._seen[condition.words] = replace(
                observe(case, self.call(case).result, known=known), narrow=self.narrow
            )
        return self._seen[condition.words]

    def right(self, condition: Condition) -> Result:
        """What would be right."""
        if condition.words not in self._right:
            with np.errstate(all="ignore"):
                self._right[condition.words] = self.known.fresh()(self.seen(condition).case)
        return self._right[condition.words]


def draws(call: Caller, known: Hypothesis, dtype: str, without: frozenset[str], narrow: bool) -> list[Asked]:
    """A candidate to be asked in several draws."""
    first = Asked(call, known, dtype, without, narrow)
    return [first, *(Asked(call, known, dtype, without, narrow, n, first) for n in range(1, DRAWS))]


@dataclass(frozen=True)
class Question:
    """What an implementation is asked.

    Attributes
    ----------
    ask : callable
        From an `Asked` to each part that is asked about, in words, and whether it is right there; None where that cannot be told.
    right, wrong : str
        What is said of parts that are the one or the other, with ``{parts}`` and, where it needs a verb, ``{are}``.
    """

    ask: Callable[[Asked], Mapping[str, bool | None]]
    right: str
    wrong: str

    def answer(self, draws: Iterable[Asked]) -> dict[str, bool | None]:
        """Of each part whether it is right in every draw, wrong in every draw, or neither."""
        told = [self.ask(asked) for asked in draws]
        parts = [part for part in told[0] if all(part in each for each in told)]
        every = {part: {each[part] for each in told} for part in parts}
        return {part: answers.pop() if len(answers) == 1 else None for part, answers in every.items()}

    def said(self, right: bool, parts: Sequence[str], words: str = "") -> Statement:
        """A statement that these parts are right, or wrong; `words` name them where they are not simply listed."""
        sentence = self.right if right else self.wrong
        verb = "is" if len(parts) == 1 else "are"
        return Statement(
            right, sentence.format(parts=words or listed(parts), are=verb), Claim(self, tuple(parts), right)
        )


@dataclass(frozen=True)
class Claim:
    """That the answer to a question is this one, for some of its parts."""

    question: Question
    parts: tuple[str, ...]
    right: bool

    def contradicted(self, draws: Sequence[Asked]) -> bool:
        """Whether these draws show that it is not so: what is right is right in all of them, what is wrong in some."""
        told = [self.question.ask(asked) for asked in draws]
        if self.right:
            return any(each.get(part) is False for each in told for part in self.parts)
        return any(all(each.get(part) is not False for each in told) for part in self.parts)


def listed(words: Sequence[object]) -> str:
    """Words with commas, and "and" before the last."""
    texts = [str(word) for word in words]
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]
