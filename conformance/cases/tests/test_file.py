"""A case in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from conformance.case import Case
from conformance.cases.at_random import random_case
from conformance.cases.features import FEATURES
from conformance.cases.file import KEY, as_bytes, read_case
from conformance.cases.flat import arrays_of, layers_of
from conformance.errors import CaseFileError
from conformance.implementations import built_in


def drawn(number: int) -> tuple[Case, dict[str, Any]]:
    case = random_case(0, number, ("float32",), frozenset(FEATURES))[1]
    return case, {name: np.asarray(a, np.float64) for name, a in built_in("ref")(case).items()}


@pytest.mark.parametrize("number", range(24))
def test_what_was_written_is_read(number: int, tmp_path: Path) -> None:
    case, expected = drawn(number)
    (path := tmp_path / "case.safetensors").write_bytes(as_bytes(case, expected))
    read, values = read_case(path)
    assert (read.id, read.dtype, layers_of(read)) == (case.id, case.dtype, layers_of(case))
    for name, a in arrays_of(case).items():
        assert a.dtype == arrays_of(read)[name].dtype
        np.testing.assert_array_equal(arrays_of(read)[name], a)
    for name, a in expected.items():
        np.testing.assert_array_equal(values[name], a)
    assert as_bytes(read, values) == path.read_bytes()


def broken(change: str) -> bytes:
    case, expected = drawn(0)
    arrays = load(as_bytes(case, expected))
    told = {"format": 1, "id": "one", "dtype": "float32", "layers": layers_of(case)}
    if change == "a missing array":
        del arrays["params.kernel"]
    elif change == "another shape":
        arrays["h0"] = np.zeros((9, 9), np.float32)
    elif change == "another dtype":
        arrays["x"] = arrays["x"].astype(np.float64)
    elif change == "a true value less":
        del arrays["expected.d_x"]
    elif change == "layers that are none":
        told["layers"] = [{"directions": ["sideways"]}]
    elif change == "another format":
        told["format"] = 2
    return save(arrays, {KEY: json.dumps(told)})


@pytest.mark.parametrize(
    "change",
    [
        "a missing array",
        "another shape",
        "another dtype",
        "a true value less",
        "layers that are none",
        "another format",
    ],
)
def test_what_is_no_case_is_refused(change: str, tmp_path: Path) -> None:
    (path := tmp_path / "case.safetensors").write_bytes(broken(change))
    with pytest.raises(CaseFileError, match=r"case\.safetensors holds"):
        read_case(path)


@pytest.mark.parametrize("content", [b"", b"no such file", save({"x": np.zeros(3)})])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "other.safetensors").write_bytes(content)
    with pytest.raises(CaseFileError, match=r"other\.safetensors"):
        read_case(path)
    with pytest.raises(CaseFileError, match=r"cannot be read"):
        read_case(tmp_path / "nowhere.safetensors")
