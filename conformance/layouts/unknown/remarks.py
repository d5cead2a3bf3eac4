"""What follows from a search, in plain words: why several layouts fit, and what is known when none does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.layouts.unknown.hypothesis import Hypothesis
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.search import Fit

ALONE = 20.0
"""A layout so many times nearer than the next one is hardly there by chance."""
CLOSE = 0.05
FEW = 4
"""So many alternatives are named."""


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
    said = [f"What differs is {', '.join(alternatives([fit.ways[0] for fit in fits])) or 'which blocks are whose'}."]
    reasons = _unused(fits[0].ways[0].reading)
    said += reasons or [
        "Their differences are smaller than the tolerance on this run: a longer one, in float64, "
        "or a smaller --tolerance may show them."
    ]
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


def _unused(reading: Reading) -> list[str]:
    """What does not count in a recorded run."""
    from_h, from_c = reading.h0.any(), reading.c0.any()
    one_step = reading.sizes[1] == 1
    reasons = {
        "One step from h = 0 does not use the recurrent kernel.": one_step and not from_h,
        "One step from c = 0 does not use the forget gate.": one_step and not from_c,
        "x is zero throughout, so the kernel is not used.": not reading.x.any(),
        "c alone, of one step, does not use the output gate.": one_step and set(reading.known) == {"c"},
    }
    return [reason for reason, holds in reasons.items() if holds]


def on_none(nearest: Sequence[Fit], tried_relatives: bool) -> list[str]:
    """What is known about why no layout reproduces a run, nor a relative of an LSTM."""
    best, next_best = nearest[0].error, nearest[1].error if len(nearest) > 1 else np.inf
    if best < CLOSE and best * ALONE < next_best:
        enough = 10.0 ** np.ceil(np.log10(best))
        return [
            "The nearest is far nearer than the next: a run or weights of lower precision look like that (TF32 on a "
            f"GPU, float16, rounded numbers). If they were, --tolerance {enough:.0e} accepts it."
        ]
    if not tried_relatives:
        return ["There are too many layouts to try other activations and directions as well."]
    return [
        "Hard sigmoids, h = o c, relu for tanh and a run backwards in time do not reproduce it either. It may be "
        "a cell with peepholes, a projection or layer normalisation, or x or a weight may be missing or another."
    ]
