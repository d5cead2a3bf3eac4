"""Where a candidate is right and where it is wrong: at which size it begins, in what parts, and what hides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from conformance.case import FORWARD
from conformance.diagnosis.finding import Statement, is_wrong
from conformance.diagnosis.locate.claim import Asked, Condition, Question, listed
from conformance.diagnosis.locate.conditions import BOTH, ONE, SAME, SAMPLES, STEPS, ZEROS, own_weights, smaller
from conformance.diagnosis.stage import in_order, places
from conformance.judging.compare import errors

CLEARLY = 8.0
"""So many times the allowed error is wrong for certain: a little more than once may be less in other random numbers."""
Hiding = Callable[[Asked, Condition], Mapping[frozenset[str], Condition]]


def narrowed(draws: Sequence[Asked], quantities: Sequence[str], hiding: Hiding) -> list[Statement]:
    """What is right and wrong in these quantities, from one sample and step to several: as far as the first that is wrong.

    Parameters
    ----------
    draws : sequence of Asked
        The candidate.
    quantities : sequence of str
        Those of the forward pass, or the gradients.
    hiding : callable
        The conditions that hide parts of an LSTM.
    """
    found: list[Statement] = []
    for condition in (ONE, STEPS, SAMPLES):
        told = parts_of(draws, condition, quantities)
        found += told
        if not _nothing_wrong(told):
            by_numbers = all(each.right or each.claim is None for each in told)
            found += hidden(draws, condition, quantities, by_size if by_numbers else hiding)
            if condition is ONE:
                return found
    return found if not _nothing_wrong(found) else parts_of(draws, BOTH, quantities)


def by_size(_: Asked, base: Condition) -> dict[frozenset[str], Condition]:
    """What may hide an error that random numbers show or not."""
    return {frozenset(["size"]): smaller(base)}


def _nothing_wrong(statements: Sequence[Statement]) -> bool:
    return all(statement.right for statement in statements)


def parts_of(draws: Sequence[Asked], condition: Condition, quantities: Sequence[str]) -> list[Statement]:
    """Which parts of the quantities are right, and which wrong."""
    by_sample = condition is SAMPLES
    question = Question(
        lambda asked: _places(asked, condition, quantities, by_sample),
        f"With {condition.words}: {{parts}}.",
        f"With {condition.words}: {{parts}}.",
    )
    answer = question.answer(draws)
    names = [name for name in quantities if name in draws[0].seen(condition).given]
    if not names:
        nothing = Question(
            lambda asked: {"": any(name in asked.seen(condition).given for name in quantities)},
            "",
            f"With {condition.words} it gives none of {listed(quantities)}.",
        )
        return [nothing.said(False, [""])]
    if None in answer.values():  # then what was the same in all draws may have been so by chance
        some = dict.fromkeys(part.partition(", ")[0] for part, is_right in answer.items() if not is_right)
        return [is_wrong(f"With {condition.words}, for some random numbers and not for others: {listed([*some])}.")]
    parts = {right: [part for part, is_right in answer.items() if is_right is right] for right in (False, True)}
    return [question.said(right, those, _described(those, answer)) for right, those in parts.items() if those]


def _places(asked: Asked, condition: Condition, quantities: Sequence[str], by_sample: bool) -> dict[str, bool | None]:
    """Of each place in each quantity, whether it is right; None where it is hardly wrong."""
    seen, right = asked.seen(condition), asked.right(condition)
    found: dict[str, bool | None] = {}
    for name in quantities:
        if name not in seen.given or name not in right:
            continue
        shares = errors(seen.given[name], right[name]) / seen.allowed(name, right)
        if by_sample and not _of_weights(name):
            every = [(f"sample {b}", shares[b]) for b in range(len(shares))]
        else:
            where = places(name, shares.shape)
            blocks = np.split(in_order(name, shares), len(where))
            kind = "block" if _of_weights(name) else "step"
            every = [
                ("" if place is None else f"{kind} {place}", block) for place, block in zip(where, blocks, strict=True)
            ]
        found |= {
            f"{name}, {place}" if place else name: verdict(float(block.max(initial=0.0))) for place, block in every
        }
    return found


def verdict(share: float) -> bool | None:
    """Whether an error that is so many times the allowed one is none; None where that cannot be told."""
    return None if 1 < share <= CLEARLY else share <= 1


def _of_weights(name: str) -> bool:
    return "kernel" in name or "bias" in name


def _described(parts: Sequence[str], every: Mapping[str, object]) -> str:
    """Parts in words: a quantity by its name if it is the whole of it."""
    whole, places = [], []
    for name in dict.fromkeys(part.partition(", ")[0] for part in every):
        of_name = [part for part in every if part.partition(", ")[0] == name]
        those = [part for part in of_name if part in parts]
        if those == of_name:
            whole.append(name)
        elif those:
            kinds, labels = zip(*(part.partition(", ")[2].split() for part in those), strict=True)
            last = f" of 0 to {len(of_name) - 1}" * (kinds[0] != "block")
            places.append(f"{name} at {kinds[0]}{'s' * (len(those) > 1)} {listed(labels)}{last}")
    return "; ".join([*([listed(whole)] if whole else []), *places])


def hidden(draws: Sequence[Asked], base: Condition, quantities: Sequence[str], hiding: Hiding) -> list[Statement]:
    """What hides the error, and what does not."""
    keys = {condition.words.partition(", when ")[2]: key for key, condition in hiding(draws[0], base).items()}
    conditions = dict(zip(keys, hiding(draws[0], base).values(), strict=True))
    sentence = f"With {base.words}, when {{parts}}: the {'forward pass' if quantities is FORWARD else 'gradients'}."
    question = Question(
        lambda asked: {words: agrees(asked, condition, quantities) for words, condition in conditions.items()},
        sentence,
        sentence,
    )
    answer = question.answer(draws)
    cured = [words for words, right in answer.items() if right]
    least = [words for words in cured if not any(keys[other] < keys[words] for other in cured)]
    found = [question.said(True, [words]) for words in least]
    if stays := [words for words, right in answer.items() if right is False and not least]:
        most = [words for words in stays if not any(keys[words] < keys[other] for other in stays)]
        found.append(question.said(False, most, "; or ".join(_shorter(most, {keys[words]: words for words in most}))))
    elif answer.get(SAME) is False:
        found.append(question.said(False, [SAME]))
    return found + _of_the_order(draws, base) if answer.get(SAME) else found


def _shorter(most: list[str], words: Mapping[frozenset[str], str]) -> list[str]:
    """The conditions in words, and all those with zeros in few."""
    zeros = [words[key] for key in words if key < {*ZEROS}]
    if len(zeros) < len(ZEROS):
        return most
    subjects = [text.removesuffix(" is zero") for text in ZEROS.values()]
    return [f"any of {listed(subjects)} are zero", *(text for text in most if text not in zeros)]


def _of_the_order(draws: Sequence[Asked], base: Condition) -> list[Statement]:
    """Which gates make it wrong by weights of their own."""
    conditions = own_weights(base)
    sentence = (
        f"With {base.words}, when every gate but one has the same weights, and that one is {{parts}}: the forward pass."
    )
    question = Question(
        lambda asked: {gate: agrees(asked, condition, FORWARD) for gate, condition in conditions.items()},
        sentence,
        sentence,
    )
    answer = question.answer(draws)
    gates = {right: [gate for gate, is_right in answer.items() if is_right is right] for right in (False, True)}
    return [question.said(right, parts, " or ".join(parts)) for right, parts in gates.items() if parts]


def agrees(asked: Asked, condition: Condition, quantities: Sequence[str]) -> bool | None:
    """Whether it gives some of the quantities, and all of these right; None where they are hardly wrong."""
    told = _places(asked, condition, quantities, by_sample=False).values()
    return False if not told or False in told else None if None in told else True


def all_right(asked: Asked, condition: Condition, quantities: Sequence[str]) -> bool:
    """Whether it gives some of the quantities, and all of these right."""
    return agrees(asked, condition, quantities) is True
