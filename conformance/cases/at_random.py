"""Random cases by number: number n of a seed is the same case on every machine, whoever else is drawn.

Sizes are small, as small cases show most bugs and are fast; one in eight has up to `LONGEST` steps. Weights are normally distributed,
of every scale from where nothing is saturated to where everything is. Half of the cases have numbers of another style than that:
half of them zeros, a few so large that gates saturate and a plain exponential overflows, tiny ones, or halves of whole numbers. What
float32 cannot represent is not drawn, so that a case is the same in both dtypes.

Where features are asked for, every second case is a network with some of them. It is of one of `STRUCTURES` kinds, as what Keras
traces for one kind it uses again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np

from conformance.case import Case
from conformance.cases.draw import Draw
from conformance.cases.features import NEEDS
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.network import MASKS, NetworkSpec
from lstm_ref import LSTMParams, Options
from lstm_ref.params import FloatArray

Value = TypeVar("Value")

FORMAT = 1
"""Another one draws other cases."""
SCALES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the weights, one after the other."""
SHORT, LONGEST, WIDEST, MOST = 8, 100, 8, 3
"""Steps of most cases and of some, features and units, samples."""
STYLES = ("normal", "normal", "normal", "normal", "sparse", "far", "tiny", "halves")
STRUCTURES, TOGETHER = 120, 4
"""Kinds of networks, and how many features one of them has at most, but for those that these need."""
ATTEMPTS = 64
"""So often a network is drawn anew that cannot be taken; then the case is a plain one."""
ACTIVATED = ("relu", "linear", "softsign", "sigmoid")
GATED = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2")


def random_case(
    seed: int,
    number: int,
    dtypes: tuple[str, ...],
    features: frozenset[str] = frozenset(),
    without: frozenset[str] = frozenset(),
    taken: Callable[[Case], bool] = lambda case: True,
) -> tuple[float, Case]:
    """The scale of the weights of a random case, and the case.

    Parameters
    ----------
    seed, number : int
    dtypes : tuple of str
        Cases have one of these after the other.
    features : frozenset of str
        What networks may have.
    without : frozenset of str
        Inputs that are zero in every case: of h0, c0, d_output, d_h, d_c, bias.
    taken : callable
        Whether a network can be taken; one that cannot be is drawn anew.
    """
    name = f"random-{FORMAT}-{seed}-{number}"
    dtype = dtypes[number // len(SCALES) % len(dtypes)]
    if features and number % 2:
        for attempt in range(ATTEMPTS):
            spec = random_network(f"{name}-{attempt}", features, without)
            case = _in(dtype, spec.build(), f"seed{seed}-case{number}")
            if taken(case):
                return spec.scale, case
    scale = SCALES[number % len(SCALES)]
    return scale, _plain(Draw(name), scale, f"seed{seed}-case{number}", dtype, without)


def _in(dtype: str, case: Case, id: str) -> Case:
    arrays = {name: a if name == "mask" else a.astype(dtype) for name, a in arrays_of(case).items()}
    return of_arrays(arrays, id, dtype, layers_of(case))


def _plain(draw: Draw, scale: float, id: str, dtype: str, without: frozenset[str]) -> Case:
    B, D, H, style, state, only, bias, long, steps = (int(k) for k in draw.integers(1 << 20, 9))
    B, D, H = 1 + B % MOST, 1 + D % WIDEST, 1 + H % WIDEST
    T = round((SHORT if long % 8 else LONGEST) ** (steps / (1 << 20)))
    shapes = {"x": (B, T, D), "h0": (B, H), "c0": (B, H), "d_output": (B, T, H), "d_h": (B, H), "d_c": (B, H)}
    shapes |= {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,)}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    numbers = np.split(draw.normal(1.0, int(ends[-1])), ends[:-1])
    a = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), numbers, strict=True)}
    a["h0"] = np.tanh(a["h0"])
    for name in ("kernel", "recurrent_kernel", "bias"):
        a[name] *= scale
    _restyle(STYLES[style % len(STYLES)], a, draw)
    zero = {"h0", "c0"} if state % 2 else set()
    zero |= {name for k, name in enumerate(("d_output", "d_h", "d_c")) if only % 4 not in (k, 3)}
    for name in zero | (without & a.keys()):
        a[name] = np.zeros_like(a[name])
    given: dict[str, Any] = {name: array.astype(np.float32).astype(dtype) for name, array in a.items()}
    weights = [given.pop(name) for name in ("kernel", "recurrent_kernel", "bias")]
    if bias % 4 == 0 or "bias" in without:
        weights.pop()
    return Case(id, np.dtype(dtype), params=LSTMParams(*weights), **given)


def _restyle(style: str, a: dict[str, FloatArray], draw: Draw) -> None:
    """Give arrays numbers of a style, where that is not the normal one."""
    if style == "sparse":
        for name, array in a.items():
            a[name] = array * draw.integers(2, *array.shape)
    elif style == "far":
        for name in ("bias", "x"):
            few = draw.integers(4, *a[name].shape) == 0
            a[name] = np.where(few, a[name] * 10.0 ** draw.integers(4), a[name])
    elif style == "tiny":
        for name in ("x", "h0", "c0", "d_output", "d_h", "d_c"):
            a[name] = a[name] * 2.0 ** -int(draw.integers(30))
    elif style == "halves":
        for name, array in a.items():
            a[name] = np.round(2 * array) / 2


def random_network(name: str, features: frozenset[str], without: frozenset[str] = frozenset()) -> NetworkSpec:
    """A small random network with some of these features, in float32.

    Parameters
    ----------
    name : str
        Any text; equal names give the same network.
    features : frozenset of str
        Of `conformance.cases.features.FEATURES`.
    without : frozenset of str
        Inputs that are to be zero.
    """
    draw = Draw(name)
    kind = dict(_structure(int(draw.integers(STRUCTURES)), features))
    count, alike, projected = kind.pop("count"), kind.pop("alike"), kind.pop("projected")
    units = tuple(1 + int(draw.integers(7)) for _ in range(count))
    if alike:
        units = (units[0],) * count
    if projected:
        kind["projection"] = 1 + int(draw.integers(max(min(units) - 1, 1)))
    B, D, steps = 1 + int(draw.integers(4)), 1 + int(draw.integers(7)), float(draw.integers(1 << 20) / (1 << 20))
    cotangents = [c for c in ("all", "all", "output", "h", "c") if not _zero(c) & without or without >= _zero("all")]
    kind["bias"] = kind["bias"] and "bias" not in without
    return NetworkSpec(
        B, round(24**steps), D, units,
        state=bool(draw.integers(3)) and not {"h0", "c0"} & without,
        cotangents=cotangents[int(draw.integers(len(cotangents)))] if cotangents else "output",
        scale=(0.25, 1.0, 1.0, 2.0, 4.0)[int(draw.integers(5))],
        dtype="float32",
        stream=name,
        **kind,
    )  # fmt: skip


def _zero(cotangents: str) -> frozenset[str]:
    """The cotangents that are not zero where a network has these."""
    return frozenset(("d_output", "d_h", "d_c") if cotangents == "all" else (f"d_{cotangents}",))


@cache
def _structure(number: int, features: frozenset[str]) -> dict[str, Any]:
    """Fields of `NetworkSpec`, and how many layers there are, whether all are alike, and whether they have projections."""
    draw = Draw(f"structure-{number}-{','.join(sorted(features))}")

    def one_of(*values: Value) -> Value:
        return values[int(draw.integers(len(values)))]

    names = sorted(features)
    has = {names.pop(int(draw.integers(len(names)))) for _ in range(min(1 + int(draw.integers(TOGETHER)), len(names)))}
    has |= {NEEDS[name] for name in has & NEEDS.keys()}
    count, dropouts = 1, ["input", "recurrent", "both"]
    if "stacked" in has:
        count = 2 + int(draw.integers(3))
        dropouts.append("between")
    direction = "both" if "bidirectional" in has else "reverse" if "reverse" in has else "forward"
    activated = "activations" in has
    options = Options(
        activation=one_of("tanh", *ACTIVATED) if activated else "tanh",
        recurrent_activation=one_of(*GATED) if activated else "sigmoid",
        go_backwards="backwards" in has,
        return_sequences="last-output" not in has,
        zero_output_for_mask="zero-output" in has,
        coupled_gates="coupled" in has,
        clip=one_of(0.5, 1.0, 3.0) if "clip" in has else None,
    )
    return {
        "count": count, "alike": "widths" not in has, "projected": "projection" in has,
        "direction": direction, "bias": one_of(True, True, False), "peephole": "peephole" in has,
        "merge": one_of("sum", "mul", "ave", None) if "merge" in has else "concat",
        "mask": one_of(*MASKS[1:]) if "mask" in has else "",
        "dropout": one_of(*dropouts) if "dropout" in has else "",
        "options": options,
    }  # fmt: skip
