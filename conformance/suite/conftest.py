"""The fixture that a conformance test ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.plugin import CHECK


@pytest.fixture
def verdict(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A function ``verdict(oracle, case, actual, expected)`` that compares all quantities and fails if one is wrong.

    With ``forward_only=True``, for an oracle that has no gradients, it compares the output and the final states.
    """
    from conformance.case import is_gradient
    from conformance.cases.features import features
    from conformance.judging.compare import compare
    from conformance.judging.tolerance import allowed_between
    from conformance.report.summary import Check

    def judge(oracle: str, case: Any, actual: Any, expected: Any, forward_only: bool = False) -> None:
        quantities = [name for name in case.shapes if not (forward_only and is_gradient(name))]
        comparisons = compare(case, actual, expected, allowed_between(case), quantities)
        assert comparisons, "nothing was compared"
        for comparison in comparisons:
            check = Check(
                oracle,
                case.dtype.name,
                comparison.quantity,
                case.sizes[1],
                comparison.share,
                comparison.relative,
                sorted(features(case)),
            )
            record_property(CHECK, check.to_json())
        wrong = [str(comparison) for comparison in comparisons if not comparison.passed]
        if wrong:
            pytest.fail(f"{case.id} differs from {oracle}:\n  " + "\n  ".join(wrong), pytrace=False)

    return judge
