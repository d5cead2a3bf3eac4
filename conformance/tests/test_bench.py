"""The benchmark times what it says, for every size and dtype; no time is asserted."""

from __future__ import annotations

import numpy as np
import pytest

from conformance import bench
from conformance.cases import Spec
from conformance.cli import main


def test_a_line_for_every_size_and_dtype(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "GRID", ((1, 3, 2, 4),))
    assert main(["bench", "--seconds", "0.01"]) == 0
    heading, float64, float32 = capsys.readouterr().out.splitlines()
    assert "/ torch" in heading
    assert "/ keras" in heading
    assert float64.startswith("float64 (1, 3, 2, 4)")
    assert float32.startswith("float32 (1, 3, 2, 4)")
    assert float64.count("-") == 2, "two ratios with their quartiles"


def test_what_is_timed_is_the_whole_pass() -> None:
    case = Spec(2, 4, 3, 5).build()
    gradients = bench.reference(case)()
    outputs = bench.oracle("keras", case)()
    np.testing.assert_allclose(np.asarray(outputs[3]), gradients.d_x, rtol=0, atol=1e-14)
