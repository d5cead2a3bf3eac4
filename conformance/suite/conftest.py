"""The fixture that a conformance test ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.plugin import CHECK
from conformance.report.summary import Check


@pytest.fixture
def verdict(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A function ``verdict(oracle, case, actual, expected)`` that compares all quantities and fails if one is wrong.

    With an oracle that is forward only, it compares the outputs and the final states.
    """
    from conformance.case import is_gradient
    from conformance.cases.features import features
    from conformance.implementations import FORWARD_ONLY
    from conformance.judging.compare import compare_quantity
    from conformance.judging.tolerance import allowed_between

    def judge(oracle: str, case: Any, actual: Any, expected: Any) -> None:
        allowed = allowed_between(case)
        asked = [name for name in case.shapes if oracle not in FORWARD_ONLY or not is_gradient(name)]
        assert set(asked) <= actual.keys() & expected.keys(), "something is missing"
        comparisons = [compare_quantity(case, name, actual[name], expected, allowed) for name in asked]
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
