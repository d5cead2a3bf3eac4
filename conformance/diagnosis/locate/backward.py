"""The gradients, part by part: one step, several, one cotangent at a time, one sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.case import FORWARD, GRADIENTS, Case, Result
from conformance.cases.draw import Draw
from conformance.diagnosis.finding import Statement, is_right, is_wrong
from conformance.diagnosis.locate.prober import Prober, is_or_are, listed
from conformance.diagnosis.probes import drawn, forget_shut, samples, with_weights, zeroed
from lstm_ref.params import GATES, FloatArray

STEP = 1e-6
"""The step of central differences in float64, whose error is then about 1e-9."""
CLOSE = 1e-5
COTANGENTS = ("d_output", "d_h", "d_c")
INPUTS = {"d_x": "x", "d_h0": "h0", "d_c0": "c0"}
WEIGHTS = {"d_kernel": "kernel", "d_recurrent_kernel": "recurrent_kernel", "d_bias": "bias"}


def gradients(prober: Prober) -> list[Statement]:
    """What is right and what is wrong in the gradients."""
    long = drawn(prober.dtype, 3, 4, without=prober.without)
    wrong = prober.wrong(long, GRADIENTS)
    if wrong is None:
        return [is_wrong("It gives no gradient for random inputs of B=3, T=4, D=3, H=4.")]
    if prober.wrong(long, FORWARD):
        return _own(prober)
    if not wrong:
        given = [name for name in GRADIENTS if name in prober.ask(long).given]
        return [is_right(f"Right for random inputs of B=3, T=4, D=3, H=4: {listed(given)}.")]
    found = [_places(prober, long, wrong)]
    right = [name for name in GRADIENTS if name in prober.ask(long).given and name not in wrong]
    if right:
        found.append(is_right(f"Right: {listed(right)}."))
    found += _one_cotangent(prober, long)
    one = drawn(prober.dtype, 1, 1, without=prober.without)
    wrong_in_one = prober.wrong(one, GRADIENTS)
    if wrong_in_one is None:
        return [*found, is_wrong("It gives no gradient for one sample and one step.")]
    if not wrong_in_one:
        found.append(is_right("For one sample and one step all gradients are right."))
        return found + _sums(prober, long)
    found.append(_places(prober, one, wrong_in_one))
    return found + _products(prober, one, wrong_in_one)


def _places(prober: Prober, case: Case, wrong: list[str]) -> Statement:
    """Which gradients are wrong, and where in them."""
    texts = []
    for name in wrong:
        errors = prober.apart(case, name)
        if errors is None:
            continue
        if name in WEIGHTS:
            blocks = np.split(errors, 4, axis=-1)
            bad = [gate for gate, block in zip(GATES, blocks, strict=True) if block.max() > prober.noise]
            texts.append(name + (f" in the block{'s' * (len(bad) > 1)} {listed(bad)}" if 0 < len(bad) < 4 else ""))
        elif name == "d_x" and case.sizes[1] > 1:
            steps = [t for t in range(case.sizes[1]) if errors[:, t].max() > prober.noise]
            every = len(steps) in (0, case.sizes[1])
            texts.append(
                name
                + ("" if every else f" at step{'s' * (len(steps) > 1)} {listed(steps)} of 0 to {case.sizes[1] - 1}")
            )
        else:
            texts.append(name)
    B, T, _, _ = case.sizes
    return is_wrong(f"With B={B}, T={T} and everything random, wrong: {'; '.join(texts)}.")


def _one_cotangent(prober: Prober, case: Case) -> list[Statement]:
    usable = [name for name in COTANGENTS if name not in prober.without]
    alone = {name: prober.right(zeroed(case, *(o for o in COTANGENTS if o != name)), GRADIENTS) for name in usable}
    right, wrong = [n for n in usable if alone[n]], [n for n in usable if not alone[n]]
    found = []
    if right:
        found.append(
            is_right(f"All gradients are right when of the cotangents only {' or only '.join(right)} is not zero.")
        )
    if wrong and right:
        found.append(is_wrong(f"They are wrong when only {' or only '.join(wrong)} is not zero."))
    return found


def _sums(prober: Prober, long: Case) -> list[Statement]:
    """Over samples, over steps, and what is carried back."""
    found = []
    wrong = prober.wrong(drawn(prober.dtype, 3, 1, without=prober.without), GRADIENTS)
    several = "For several samples and one step"
    if wrong is None:
        found.append(is_wrong("It gives no gradient for several samples and one step."))
    elif wrong:
        found.append(is_wrong(f"{several} {listed(wrong)} {is_or_are(wrong)} wrong: the sum over the batch is."))
    else:
        found.append(is_right(f"{several} all gradients are right, and so is the sum over the batch."))
    two = drawn(prober.dtype, 1, 2, without=prober.without)
    wrong = prober.wrong(two, GRADIENTS)
    if wrong is None:
        return [*found, is_wrong("It gives no gradient for one sample and two steps.")]
    if not wrong:
        if not prober.right(samples(long, 0, 1), GRADIENTS):
            found.append(is_right("For one sample and two steps they are right; for four steps they are not."))
        return found
    found.append(_places(prober, two, wrong))
    probes = {"only c is carried (the recurrent kernel is zero)": zeroed(two, "recurrent_kernel")}
    if two.params.bias is not None:
        probes["only h is carried (the forget gate is shut)"] = forget_shut(two)
    return found + prober.told("Two steps' gradients", probes, GRADIENTS)


def _products(prober: Prober, case: Case, wrong: list[str]) -> list[Statement]:
    """Of one sample and one step: whether the other gradients follow from the logits' own, which is d_bias."""
    given = prober.ask(case).given
    single = "For one sample and one step"
    if "d_bias" not in given:
        return []
    if wrong == ["d_bias"]:
        return [is_right(f"{single} the other gradients are right, and so are the logits' that they are built from.")]
    told, known = _follow(case, given, prober.noise), _follow(case, prober.expected(case), prober.noise)
    told = {name: follows for name, follows in told.items() if known[name]}  # with a layout's bug some do not
    follow, apart = [n for n in told if told[n]], [n for n in told if not told[n]]
    found = []
    if follow:
        verb = "follows" if len(follow) == 1 else "follow"
        found.append(is_right(f"{single}, {listed(follow)} {verb} from d_bias, which is the logits' gradient there."))
    if apart:
        verb = "does" if len(apart) == 1 else "do"
        found.append(is_wrong(f"{single}, {listed(apart)} {verb} not follow from d_bias, the logits' gradient there."))
    return found


def _follow(case: Case, given: Result, noise: float) -> dict[str, bool]:
    """Which gradients of one step are the products with its d_bias that they should be."""
    dz = given["d_bias"][None].astype(np.float64)
    products: dict[str, FloatArray] = {
        "d_kernel": case.x[:, 0].T @ dz,
        "d_recurrent_kernel": case.h0.T @ dz,
        "d_x": (dz @ case.params.kernel.T)[:, None],
        "d_h0": dz @ case.params.recurrent_kernel.T,
    }
    bounds = {name: noise * float(np.abs(product).max(initial=1e-300)) for name, product in products.items()}
    return {n: bool((np.abs(given[n] - products[n]) <= bounds[n]).all()) for n in products if n in given}


def _own(prober: Prober) -> list[Statement]:
    """Whether the gradients are the derivatives of the candidate's own forward pass, by central differences."""
    case = drawn("float64", 2, 3, without=prober.without)
    given = prober.ask(case).given
    if _loss(case, given) is None or any(_coarse(given[name]) for name in FORWARD if name in given):
        return []
    told: dict[str, bool] = {}
    for name, input in {**INPUTS, **WEIGHTS}.items():
        if name not in given or input in prober.without:
            continue
        slope = _slope(prober, case, name, input)
        if slope is not None:
            actual = float((given[name] * _direction(given[name].shape)).sum())
            told[name] = abs(actual - slope) <= CLOSE * max(abs(slope), 1.0)
    right, wrong = [n for n in told if told[n]], [n for n in told if not told[n]]
    found = []
    own = "of its own forward pass as it is, to five digits, by central differences for random inputs"
    if right:
        found.append(is_right(f"{listed(right)} {is_or_are(right)} the derivative {own}."))
    if wrong:
        found.append(is_wrong(f"{listed(wrong)} {is_or_are(wrong)} not the derivative {own}."))
    return found


def _coarse(array: FloatArray) -> bool:
    """Whether numbers were computed in float32, which is too coarse for differences."""
    with np.errstate(over="ignore"):
        return bool((array == array.astype(np.float32)).all())


def _slope(prober: Prober, case: Case, name: str, input: str) -> float | None:
    """The candidate's own slope along a random direction of an input; None if it gives no loss there."""
    losses = []
    for sign in (1.0, -1.0):
        if name in INPUTS:
            array = getattr(case, input)
            moved = replace(case, **{input: array + sign * STEP * _direction(array.shape)})
        else:
            array = getattr(case.params, input)
            moved = with_weights(case, **{input: array + sign * STEP * _direction(array.shape)})
        loss = _loss(case, prober.ask(moved).given)
        if loss is None:
            return None
        losses.append(loss)
    return (losses[0] - losses[1]) / (2 * STEP)


def _loss(case: Case, given: Result) -> float | None:
    """The loss whose gradients are asked for; None if something of it was not given."""
    terms = {"output": case.d_output, "h": case.d_h, "c": case.d_c}
    needed = [name for name, cotangent in terms.items() if cotangent.any()]
    if not all(name in given for name in needed):
        return None
    return sum(float((terms[name] * given[name]).sum()) for name in needed)


def _direction(shape: tuple[int, ...]) -> FloatArray:
    return Draw(f"direction-{shape}").uniform(1.0, *shape)
