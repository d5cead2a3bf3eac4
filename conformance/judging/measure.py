"""Measures what the tolerance table says: ``python -m conformance.judging.measure``.

Runs random cases through every installed engine, in both dtypes, and notes per quantity the largest
difference between any two. Rewrites ``tolerance.json`` beside this file when asked to. Most cases are
small, so it is fastest with one thread per process: set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations, product
from pathlib import Path

import numpy as np

from conformance.case import QUANTITIES
from conformance.cases.draw import Draw
from conformance.cases.matrix import COTANGENTS, DTYPES, Spec, sizes
from conformance.implementations import built_in
from conformance.judging.tolerance import TABLE, Row, length_class, roundoff, scale_of, smallest

ENGINES = ("ref", "torch", "keras")
LARGEST = (33, 500, 257, 257)
FEWEST = 8
MOST_WORK = 1e7
MARGIN = 4.0


def random_specs(name: str, count: int) -> Iterator[Spec]:
    """`count` random cases of each length class, fixed by `name`; sizes log-uniform up to `LARGEST`.

    States have at least `FEWEST` numbers: where there are two or three, all of them may happen to
    cancel, and then their last digits are noise in every engine.
    """
    draw = Draw(name)
    made = {"short": 0, "long": 0}
    number = 0
    while min(made.values()) < count:
        number += 1
        B, T, D, H = (round(math.exp((draw.uniform(0.5, 1)[0] + 0.5) * math.log(most))) for most in LARGEST)
        cotangents, bias, state, _ = draw.integers(4, 4)
        if made[length_class(T)] < count and FEWEST <= B * H and B * T * 4 * H * (D + H) <= MOST_WORK:
            made[length_class(T)] += 1
            yield Spec(B, T, D, H, "float64", COTANGENTS[cotangents], bool(bias), bool(state), stream=f"{name}{number}")


def differences(spec: Spec) -> list[Row]:
    """The largest difference between two engines on one case: a row per quantity."""
    case = spec.build()
    results = {name: built_in(name)(case) for name in ENGINES}
    rows = []
    for quantity in case.shapes:
        worst = (0.0, "")
        for one, other in combinations(ENGINES, 2):
            a, b = (np.asarray(results[name][quantity], np.float64) for name in (one, other))
            scale = max(scale_of(quantity, results[name]) for name in (one, other))
            difference = np.abs(a - b).max(initial=0.0)
            if difference > smallest(case.dtype):
                worst = max(worst, (float(difference / scale / roundoff(case.dtype)), f"{one} and {other}"))
        rows.append(Row(quantity, case.dtype.name, length_class(spec.T), *worst, case.id))
    return rows


def measure(specs: list[Spec]) -> list[Row]:
    """The largest differences over all cases: a row per quantity, dtype and length class."""
    best: dict[tuple[str, str, str], Row] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, rows in enumerate(pool.map(differences, specs, chunksize=16), 1):
            for row in rows:
                key = (row.quantity, row.dtype, row.length)
                if key not in best or row.measured > best[key].measured:
                    best[key] = row
            if done % 500 == 0:
                print(f"{done} of {len(specs)} cases", file=sys.stderr, flush=True)
    return [best[key] for key in product(QUANTITIES, DTYPES, ("short", "long"))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def main() -> None:
    """Measure, print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m conformance.judging.measure", description=__doc__)
    parser.add_argument(
        "--cases", type=int, default=10_000, help="random cases per dtype and length class (default: 10000)"
    )
    parser.add_argument("--write", action="store_true", help=f"replace {TABLE} by what is measured")
    arguments = parser.parse_args()

    random = list(random_specs("measure", arguments.cases))
    large = [Spec(*size) for size in sizes() if size[0] * size[3] >= FEWEST]
    specs = [replace(spec, dtype=dtype) for spec in random + large for dtype in DTYPES]
    rows = measure(specs)
    for row in rows:
        print(f"{row.dtype:8} {row.length:6} {row.quantity:20} {row.measured:8.1f}  {row.between:16} {row.where}")
    table = {
        "about": "Written by python -m conformance.judging.measure --write. measured: the largest difference between two of "
        "the engines over all cases, in units of roundoff times scale.",
        "margin": MARGIN,
        "cases_per_dtype": len(random) + len(large),
        "engines": {
            "ref": f"lstm_ref on numpy {np.__version__}",
            "torch": f"torch {_version('torch')}",
            "keras": f"keras {_version('keras')} on tensorflow {_version('tensorflow_cpu')}",
        },
        "machine": platform.machine(),
        "rows": [{**asdict(row), "measured": math.ceil(row.measured * 10) / 10} for row in rows],
    }
    if arguments.write:
        target = Path(__file__).with_name(TABLE)
        temporary = target.with_suffix(".new")
        temporary.write_text(json.dumps(table, indent=1) + "\n")
        temporary.replace(target)


if __name__ == "__main__":
    main()
