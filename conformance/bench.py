"""Times the reference beside PyTorch and Keras: interleaved in one process, compared by the median of ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from conformance.case import Case
from conformance.cases import DTYPES, Spec
from conformance.errors import OracleError
from conformance.implementations import ORACLES, built_in
from lstm_ref import Network

GRID = ((1, 16, 8, 8), (8, 32, 16, 32), (32, 50, 64, 128), (1, 100, 64, 256), (64, 50, 256, 512))
"""(B, T, D, H)."""
FEWEST = 5


def reference(case: Case) -> Callable[[], Any]:
    """Forward and backward pass of `lstm_ref`, ready to be called."""
    network = Network(case.params)

    def step() -> Any:
        return network.backward(network.forward(case.x, (case.h0, case.c0)), case.d_output, case.d_h, case.d_c)

    return step


def oracle(name: str, case: Case) -> Callable[[], Any]:
    """The same of an oracle, without what converts between its arrays and NumPy's where that can be left out."""
    built_in(name)  # says so if it is not installed
    if name == "torch":
        from conformance.implementations import pytorch

        return pytorch.prepared(case)
    from conformance.implementations import keras

    return keras.prepared(case)


def ratios(one: Callable[[], Any], other: Callable[[], Any], seconds: float) -> tuple[list[float], float]:
    """Time of `one` over time of `other`, call by call, and the median time of `one` in seconds."""
    one(), other()
    found: list[float] = []
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        one()
        middle = time.perf_counter()
        other()
        times.append(middle - start)
        found.append((middle - start) / (time.perf_counter() - middle))
    return found, median(times)


def bench(seconds: float) -> Iterator[str]:
    """A table's lines: lstm_ref's time for forward and backward, and as a multiple of each oracle's.

    Parameters
    ----------
    seconds : float
        How long to time each pair.
    """
    yield f"{'forward + backward':<28}{'lstm_ref':>12}" + "".join(
        f"{'/ ' + name:>10}{'(quartiles)':>14}" for name in ORACLES
    )
    for dtype in DTYPES:
        for sizes in GRID:
            case = Spec(*sizes, dtype).build()
            line = ""
            own = 0.0
            for name in ORACLES:
                try:
                    found, own = ratios(reference(case), oracle(name, case), seconds)
                except OracleError:
                    line += f"{'-':>10}{'':>14}"
                    continue
                found.sort()
                low, high = found[len(found) // 4], found[3 * len(found) // 4]
                line += f"{median(found):>10.2f}{f'{low:.2f}-{high:.2f}':>14}"
            yield f"{dtype} {sizes!s:<20}{own * 1e3:>9.2f} ms{line}"
