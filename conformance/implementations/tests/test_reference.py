"""The reference behind `Case -> Result`: it gives what a case asks for, whatever the case."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.case import is_gradient
from conformance.cases.network import NetworkSpec
from conformance.implementations import reference
from lstm_ref import Options

SPECS = [
    NetworkSpec(3, 5, 2, (4,)),
    NetworkSpec(3, 5, 2, (4,), direction="reverse", bias=False, mask="holes"),
    NetworkSpec(3, 5, 2, (4, 4), direction="both", mask="right", dropout="between"),
    NetworkSpec(3, 5, 2, (4, 3, 4), direction="both", merge="sum", dropout="both", dtype="float32"),
    NetworkSpec(3, 5, 2, (4,), direction="both", merge=None, options=Options(return_sequences=False)),
    NetworkSpec(3, 5, 2, (4, 3), projection=2, peephole=True, mask="left", options=Options(clip=0.5)),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_every_quantity_of_a_case_is_given_in_its_shape_and_dtype(spec: NetworkSpec) -> None:
    case = spec.build()
    result = reference.compute(case)
    assert {name: array.shape for name, array in result.items()} == case.shapes
    assert {array.dtype for array in result.values()} == {case.dtype}


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_what_is_timed_is_what_is_computed(spec: NetworkSpec, backward: bool) -> None:
    case = spec.build()
    expected, ready = reference.compute(case), reference.prepared(case, backward)
    result = ready.result(ready.step())
    names = set(expected) if backward else {name for name in expected if not is_gradient(name)}
    assert result.keys() == names
    for name, array in result.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
