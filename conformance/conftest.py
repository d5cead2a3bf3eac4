"""What unit tests and the suite share: how to tell what cannot be run here, and every core for tests that count threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.plugin import NOT_RUN


@pytest.fixture
def not_run(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function ``not_run(why)`` that ends a test which cannot be run here, and has it counted as that."""

    def end(why: str) -> None:
        record_property(NOT_RUN, why)
        pytest.skip(f"not run: {why}")  # the summary counts it

    return end


@pytest.fixture
def every_core(not_run: Callable[[str], None]) -> Iterator[None]:
    """Undo --lstm-own-cores: libraries start no more threads than there are cores."""
    if not hasattr(os, "sched_setaffinity") or not Path("/proc/self/task").is_dir() or (os.cpu_count() or 1) < 2:
        not_run("threads are counted on Linux with two cores or more")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    yield
    os.sched_setaffinity(0, mine)
