"""The forward pass, part by part: first one step, then two, each with parts hidden."""

from __future__ import annotations

from dataclasses import replace

from conformance.case import FORWARD, Case
from conformance.diagnosis.finding import Statement, is_right, is_wrong
from conformance.diagnosis.locate.prober import Prober, is_or_are, listed
from conformance.diagnosis.probes import (
    drawn,
    forget_shut,
    one_block,
    same_blocks,
    samples,
    symmetric,
    without_layout,
    zeroed,
)
from lstm_ref.params import GATES


def forward_pass(prober: Prober, failing: Case) -> list[Statement]:
    """What is right and what is wrong in output, h and c.

    Parameters
    ----------
    prober : Prober
    failing : Case
        The smallest case that fails, to look at if random inputs show nothing.
    """
    long = drawn(prober.dtype, 3, 6, without=prober.without)
    B, T, D, H = long.sizes
    sizes = f"B={B}, T={T}, D={D}, H={H}"
    wrong = prober.wrong(long, FORWARD)
    if wrong is None:
        return [is_wrong(f"It gives neither output, h nor c for random inputs of {sizes}.")]
    if not wrong:
        given = [name for name in FORWARD if name in prober.ask(long).given]
        right = is_right(f"Right for {prober.random} of {sizes}, from -1 to 1: {listed(given)}.")
        return [right, *_special(prober, failing)]
    found = [*_steps(prober, long, wrong, f"With {prober.random}"), *_rows(prober, long)]
    one = drawn(prober.dtype, without=prober.without)
    two = drawn(prober.dtype, T=2, without=prober.without)
    wrong = prober.wrong(one, FORWARD)
    if wrong is None:
        return [*found, is_wrong("It gives neither output, h nor c for a single step.")]
    if wrong:
        return found + _one_step(prober, one, wrong)
    so = "" if prober.without & {"h0", "c0"} else ", so the equations of the cell and the layout are"
    found.append(is_right(f"A single step from {prober.start} is right{so}."))
    return found + (_carried(prober, two) if prober.wrong(two, FORWARD) else [])


def _special(prober: Prober, case: Case) -> list[Statement]:
    """What is wrong in a case that is wrong for its numbers."""
    wrong = prober.wrong(case, FORWARD)
    if not wrong:
        return []
    found = _steps(prober, case, wrong, f"In the case {case.id}")
    eighth = replace(case, **{name: getattr(case, name) / 8 for name in ("x", "h0", "c0")})
    if prober.right(eighth, FORWARD):
        found.append(
            is_right("The same case with an eighth of x, h0 and c0 is right: it goes wrong for large numbers.")
        )
    return found


def _steps(prober: Prober, case: Case, wrong: list[str], where: str) -> list[Statement]:
    """The first wrong step, or which of the final states is wrong."""
    errors = prober.apart(case, "output")
    if errors is None:
        return []
    steps = [t for t in range(case.sizes[1]) if errors[:, t].max() > prober.noise]
    if steps:
        return [is_wrong(f"{where}, the first wrong output is that of step {steps[0]} of 0 to {case.sizes[1] - 1}.")]
    if "output" in wrong:
        return []
    final = f"the final {listed(wrong)} {is_or_are(wrong)} not"
    return [is_wrong(f"{where}, the output is right at every step and {final}.")]


def _rows(prober: Prober, case: Case) -> list[Statement]:
    """Whether some samples are right and others are not."""
    found = []
    for name in FORWARD:
        errors = prober.apart(case, name)
        if errors is None:
            continue
        wrong = [b for b in range(len(errors)) if errors[b].max() > prober.noise]
        if wrong and len(wrong) < len(errors):
            right = [b for b in range(len(errors)) if b not in wrong]
            good, bad = f"{listed(right)} {is_or_are(right)} right", f"{listed(wrong)} {is_or_are(wrong)} wrong"
            found.append(is_wrong(f"Of {len(errors)} samples, {good} in {name} and {bad}."))
            break
    if found and prober.right(samples(case, 0, 1), FORWARD):
        found.append(is_right("With one sample it is right."))
    return found


def _one_step(prober: Prober, case: Case, wrong: list[str]) -> list[Statement]:
    """What hides the error of a single step, and what does not."""
    found = [is_wrong(f"A single step from {prober.start} gives a wrong {listed(wrong)}.")]
    given = prober.ask(case).given
    if "c" in given and wrong == [name for name in given if name in ("output", "h")]:
        between = "the error is between the new c and h: in the output gate or in h = o * tanh(c)"
        found.append(is_right(f"In a single step c is right; {between}."))
    hiding = {
        "x is zero": zeroed(case, "x"),
        "the initial h is zero": zeroed(case, "h0"),
        "the initial c is zero": zeroed(case, "c0"),
        "the bias is zero": zeroed(case, "bias"),
        "the initial state is zero": zeroed(case, "h0", "c0"),
        "x and the initial h are zero": zeroed(case, "x", "h0"),
        "x and the initial state are zero": zeroed(case, "x", "h0", "c0"),
        "the initial h and the bias are zero": zeroed(case, "h0", "bias"),
        "the initial state and the bias are zero": zeroed(case, "h0", "c0", "bias"),
        "x and the bias are zero": zeroed(case, "x", "bias"),
        "x, the initial h and the bias are zero": zeroed(case, "x", "h0", "bias"),
        "the recurrent kernel's blocks are symmetric": symmetric(case),
        "there is one sample": samples(case, 0, 1),
        "every gate has the same weights": same_blocks(case),
        "there are one unit and one feature, and all weights are equal": without_layout(prober.dtype, prober.without),
    }
    if prober.without & {"h0", "c0"}:  # these are zero anyway
        hiding = {text: probe for text, probe in hiding.items() if "initial" not in text}
    if "bias" in prober.without:
        hiding = {text: probe for text, probe in hiding.items() if "bias" not in text}
    cured = [text for text, probe in hiding.items() if prober.right(probe, FORWARD)]
    smallest = [text for text in cured if not any(_parts(other) < _parts(text) for other in cured)]
    found += [is_right(f"A single step is right when {text}.") for text in smallest]
    same = prober.right(same_blocks(case), FORWARD)
    if not same:
        found.append(
            is_wrong("It is wrong even when every gate has the same weights, so not only for the order of the gates.")
        )
    else:
        alone = {gate: prober.right(one_block(case, gate), FORWARD) for gate in GATES}
        right, bad = [g for g in GATES if alone[g]], [g for g in GATES if not alone[g]]
        if bad:
            rest = f"; it stays right with weights of its own for {listed(right)}" if right else ""
            found.append(
                is_wrong(f"It becomes wrong when, of i, f, c and o, one has weights of its own: {listed(bad)}{rest}.")
            )
    if not cured:
        zero = "x, the initial state or the bias zero, alone and in every combination tried"
        found.append(is_wrong(f"It stays wrong with {zero}."))
    return found


def _parts(text: str) -> frozenset[str]:
    """What is zero, of a text that says so; the text itself for others."""
    if "zero" not in text:
        return frozenset([text])
    words = text.replace(",", " ").split()
    parts = [name for name in ("x", "bias", "h", "c", "state") if name in words]
    return frozenset(parts if "state" not in parts else {*parts, "h", "c"} - {"state"})


def _carried(prober: Prober, case: Case) -> list[Statement]:
    """What of two steps is wrong, when one is right."""
    handed = "what is handed on is, which input the second takes, or what is done at the first or the second alone"
    if prober.without & {"h0", "c0"}:
        handed += ", or what it makes of a state that is not zero"
    found = [is_wrong(f"Two steps are wrong where one is right: {handed}.")]
    probes = {
        "only c is carried from step to step (the recurrent kernel is zero)": zeroed(case, "recurrent_kernel"),
        "x is zero": zeroed(case, "x"),
    }
    if case.params.bias is not None:
        probes["only h is carried from step to step (the forget gate is shut)"] = forget_shut(case)
    return found + prober.told("Two steps", probes, FORWARD)
