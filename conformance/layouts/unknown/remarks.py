"""What follows from a search, in plain words: why several layouts fit, and what is known when none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conformance.layouts.unknown.hypothesis import Hypothesis
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.search import Fit

ALONE = 20.0
"""A layout so many times nearer than the next one is hardly there by chance."""
CLOSE = 0.05
FEW = 4
"""So many alternatives are named."""


@dataclass(frozen=True, eq=False)
class Related:
    """What reproduces a run that no LSTM does.

    Attributes
    ----------
    words : str
        What departs from an LSTM, or from how it is run.
    fit : Fit
    """

    words: str
    fit: Fit


def alternatives(ways: Sequence[Hypothesis]) -> dict[str, tuple[str, ...]]:
    """The questions that layouts answer differently, each with its answers, the first layout's first."""
    said = [way.words() for way in ways]
    questions = dict.fromkeys(question for words in said for question in words)
    found: dict[str, tuple[str, ...]] = {}
    for question in questions:
        answers = tuple(dict.fromkeys(words.get(question, "") for words in said))
        if len(answers) > 1:
            found[question] = tuple(answer or "another arrangement" for answer in answers)
    return found


def listed(answers: Sequence[str]) -> str:
    """Some of the answers, and how many more there are."""
    more = len(answers) - FEW
    return "; or ".join(answers[:FEW]) + (f"; and {more} more" if more > 0 else "")


def on_a_part(fits: Sequence[Fit]) -> str:
    """What part of the known run was compared; empty for all of it."""
    for fit in fits:
        (samples, steps), (B, T) = fit.compared, fit.ways[0].reading.sizes[:2]
        if (samples, steps) != (B, T):
            return (
                f"Compared were the first {samples} of {B} samples and {steps} of {T} steps, which is enough to decide."
            )
    return ""


def on_several(fits: Sequence[Fit], all_tried: bool) -> list[str]:
    """Why several layouts that load different weights reproduce a run, and which run would tell them apart.

    Parameters
    ----------
    fits : sequence of Fit
    all_tried : bool
        Whether some that do not reproduce it were run too, so that there are no more that do.
    """
    reading = fits[0].ways[0].reading
    said = [f"What differs is {', '.join(alternatives([fit.ways[0] for fit in fits])) or 'which blocks are whose'}."]
    reasons = [*_of_the_run(reading), *_of_the_weights(fits)]
    said += reasons
    if not reasons:
        said.append(
            "Their differences are smaller than the tolerance on this run: a longer one, in float64, "
            "or a smaller --tolerance may show them."
        )
    if not all_tried:
        said.append("There may be more: all that were run in full reproduce it.")
    best, second = fits[0].error, fits[1].error
    if best * ALONE < second:
        said.append(f"The first is {second / max(best, 1e-16):.3g} times nearer than the second.")
    said.append(
        "A run of several steps with random x, h0 and c0, and output and c recorded, tells apart "
        "all layouts whose weights differ noticeably."
    )
    return said


def _of_the_run(reading: Reading) -> list[str]:
    _, T, _, _ = reading.sizes
    said = []
    if T == 1 and not reading.h0.any():
        said.append("One step from h = 0 does not use the recurrent kernel.")
    if T == 1 and not reading.c0.any():
        said.append("One step from c = 0 does not use the forget gate.")
    if not reading.x.any():
        said.append("x is zero throughout, so the kernel is not used.")
    if T == 1 and set(reading.known) == {"c"}:
        said.append("c alone, of one step, does not use the output gate.")
    return said


def _of_the_weights(fits: Sequence[Fit]) -> list[str]:
    way = fits[0].ways[0]
    constant = [name for name in way.matrices.names if np.ptp(way.arrays[name]) == 0]
    if constant:
        return [f"All numbers of {', '.join(map(repr, constant))} are the same."]
    return []


def on_none(nearest: Sequence[Fit], related: Sequence[Related] | None) -> list[str]:
    """What is known about why no layout reproduces a run."""
    if related:
        return []
    best, reading = nearest[0], nearest[0].ways[0].reading
    next_best = nearest[1].error if len(nearest) > 1 else np.inf
    if best.error < CLOSE and best.error * ALONE < next_best:
        enough = 10.0 ** np.ceil(np.log10(best.error))
        return [
            "The nearest is far nearer than the next: a run or weights of lower precision look like that (TF32 on a "
            f"GPU, float16, rounded numbers). If they were, --tolerance {enough:.0e} accepts it."
        ]
    said = []
    if 0 < best.good_steps < reading.sizes[1]:
        said.append(
            f"The nearest is right for the first {best.good_steps} of {reading.sizes[1]} steps and wrong from there "
            "on: something else is carried from step to step, or the recurrent kernel is not this one."
        )
    if related is None:
        said.append("There are too many layouts to try other activations and directions as well.")
    else:
        said.append(
            "Hard sigmoids, h = o c, relu for tanh and a run backwards in time do not reproduce it either. It may be "
            "a cell with peepholes, a projection or layer normalisation, or x or a weight may be missing or another."
        )
    return said
