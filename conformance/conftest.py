"""What unit tests and the suite share: how a part that cannot be run here is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.plugin import NOT_RUN


@pytest.fixture
def not_run(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function ``not_run(why)`` that ends a test which cannot be run here, and has it counted as that."""

    def end(why: str) -> None:
        record_property(NOT_RUN, why)
        pytest.skip(f"not run: {why}")  # the summary counts it

    return end
