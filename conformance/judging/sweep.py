"""Whether correct engines stay within the allowed error: ``python -m conformance.judging.sweep --cases N``.

Random cases, small, with weights of every scale from where nothing is saturated to where everything is: normally
distributed, of 0.05 to 8. PyTorch, Keras and, forward, onnx's reference evaluator are compared with each other in both
dtypes; in float32 also with PyTorch's float64 result, which is as good as the truth there and for which the allowed error
is half as large. An error beyond the allowed one is a false alarm. Small cases run fastest with one thread per process:
set OMP_NUM_THREADS=1.

With ``--networks`` the cases are whole networks, of 1 to 4 layers with directions, masks and options, and lstm_ref is
compared too, as one of those on trial, with each of PyTorch and Keras that has what the network has.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from conformance.case import Case, Result
from conformance.cases.draw import Draw
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.matrix import DTYPES
from conformance.cases.network import random_network
from conformance.implementations import ORACLES, built_in, refusal
from conformance.judging.compare import compare_quantity
from conformance.judging.tolerance import allowed_between
from lstm_ref import LSTMParams

SCALES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
LONGEST, WIDEST, MOST = 100, 8, 3
"""Steps, features and units, samples."""


TRUTH = "truth"


@dataclass(frozen=True)
class Row:
    """How near one engine came to the allowed error in one case, compared with another one or with the truth.

    Attributes
    ----------
    scale : float
        The weights' standard deviation.
    dtype : str
    engine, other : str
        The engines' names; `other` may be "truth".
    passed : bool
        Whether every quantity is within the allowed error.
    share : float
        The largest error divided by the allowed one.
    where : str
        Quantity and case.
    """

    scale: float
    dtype: str
    engine: str
    other: str
    passed: bool
    share: float
    where: str


def cases(seed: int, number: int) -> Iterator[tuple[float, Case]]:
    """The standard deviation of the weights and the case, in each dtype; the same numbers in both."""
    draw = Draw(f"sweep-{seed}-{number}")
    scale = SCALES[number % len(SCALES)]
    B, D, H = (1 + int(draw.integers(most)) for most in (MOST, WIDEST, WIDEST))
    T = round(LONGEST ** float(draw.integers(1 << 20) / (1 << 20)))
    shapes = {"x": (B, T, D), "h0": (B, H), "c0": (B, H), "d_output": (B, T, H), "d_h": (B, H), "d_c": (B, H)}
    arrays = {name: draw.normal(1.0, *shape).astype(np.float32) for name, shape in shapes.items()}
    weights = [draw.normal(scale, *shape).astype(np.float32) for shape in ((D, 4 * H), (H, 4 * H), (4 * H,))]
    arrays["h0"] = np.tanh(arrays["h0"])
    if draw.integers(2):
        arrays |= {name: np.zeros_like(arrays[name]) for name in ("h0", "c0")}
    only = draw.integers(4)  # one cotangent alone, or all
    arrays |= {n: np.zeros_like(arrays[n]) for k, n in enumerate(("d_output", "d_h", "d_c")) if only not in (k, 3)}
    if not draw.integers(4):
        weights.pop()
    for dtype in DTYPES:
        x, h0, c0, d_output, d_h, d_c = (arrays[name].astype(dtype) for name in shapes)
        params = LSTMParams(*(weight.astype(dtype) for weight in weights))
        id = f"sweep-{seed}-{number}-B{B}-T{T}-D{D}-H{H}-{dtype}"
        yield scale, Case(id, np.dtype(dtype), x, h0, c0, params, d_output, d_h, d_c)


def networks(seed: int, number: int) -> Iterator[tuple[float, Case]]:
    """The scale of the weights and the case of a whole network, in each dtype; the same numbers in both."""
    spec = random_network(f"sweep-{seed}-{number}", "float32")
    case = spec.build()
    for dtype in DTYPES:
        arrays = {name: a if name == "mask" else a.astype(dtype) for name, a in arrays_of(case).items()}
        yield spec.scale, of_arrays(arrays, f"{case.id}-{dtype}", dtype, layers_of(case))


def results_of_network(case: Case) -> dict[str, Result]:
    """What lstm_ref gives, and each framework that has what the network has."""
    return {name: built_in(name)(case) for name in (*ORACLES, "ref") if not refusal(name, case)}


def results(case: Case) -> dict[str, Result]:
    """What each engine gives."""
    return {name: built_in(name)(case) for name in (*ORACLES, "onnx")}


def rows(seed: int, number: int, whole: bool = False) -> list[Row]:
    """The largest error over the allowed one, in each dtype; of a whole network, or of a plain case."""
    found = []
    truth: Result = {}
    for scale, case in (networks if whole else cases)(seed, number):
        given, between = (results_of_network if whole else results)(case), allowed_between(case)
        assert len(given) > 1, f"nothing to compare {case.id} with"
        pairs = [(one, other, given[other], between) for other, one in combinations(given, 2)]
        if case.dtype == np.float64:
            truth = next(iter(given.values()))
        else:
            of_truth = {quantity: error / 2 for quantity, error in between.items()}
            pairs += [(one, TRUTH, truth, of_truth) for one in given]
        for one, other, expected, allowed in pairs:
            comparisons = [
                compare_quantity(case, quantity, np.ascontiguousarray(actual, case.dtype), expected, allowed)
                for quantity, actual in given[one].items()
                if quantity in expected
            ]
            worst = max(comparisons, key=lambda told: (not told.passed, told.share))
            where = f"{worst.quantity} in {case.id}"
            found.append(Row(scale, case.dtype.name, one, other, worst.passed, worst.share, where))
    return found


def main() -> int:
    """Sweep, print, and say by the exit status whether there was a false alarm."""
    parser = argparse.ArgumentParser(prog="python -m conformance.judging.sweep", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="random cases, half of them in float32 (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", action="store_true", help="whole networks")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="by default one for each processor")
    options = parser.parse_args()
    numbers = range(options.cases // 2)
    found: list[Row] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for done, some in enumerate(
            pool.map(partial(rows, options.seed, whole=options.networks), numbers, chunksize=8), 1
        ):
            found += some
            for row in some:
                if not row.passed:
                    kind = (
                        f"{row.engine} and {row.other}, weights N(0, {row.scale}), {row.share:.2f} of what is allowed"
                    )
                    print(f"false alarm: {kind}: {row.where}", flush=True)
            if done % 1000 == 0:
                print(f"{2 * done:,} of {options.cases:,} cases", file=sys.stderr, flush=True)
    by_kind: dict[tuple[float, str, str, str], list[Row]] = {}
    for row in found:
        by_kind.setdefault((row.scale, row.dtype, row.other, row.engine), []).append(row)
    for (scale, dtype, other, engine), of_kind in sorted(by_kind.items()):
        worst = max(of_kind, key=lambda row: (not row.passed, row.share))
        kind = f"N(0, {scale:<4}) {dtype} {engine:<5} and {other:<5}"
        print(f"{kind} {len(of_kind):7,} cases, worst {worst.share:.2f}: {worst.where}")
    alarms = [row for row in found if not row.passed]
    print(f"{2 * len(numbers):,} cases, {len(found):,} comparisons, {len(alarms)} false alarms")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
