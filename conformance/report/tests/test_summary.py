"""The closing summary says what ran, what failed and what did not run."""

from __future__ import annotations

from conformance.report.summary import Check, summarise


def test_counts_and_worst_shares() -> None:
    checks = [
        Check("torch", "float64", "output", 5, 0.25, 1e-16),
        Check("torch", "float64", "output", 500, 0.5, 3e-16),
        Check("keras", "float32", "d_x", 5, 2.0, 1e-3),
    ]
    text = "\n".join(summarise(checks, ["no network", "no network"]))
    assert "3 checks: 1 against keras, 2 against torch. 1 failed, 2 parts not run." in text
    assert "not run, 2 times: no network" in text
    assert "1.0e-16 (3.0e-16)" in text
    assert "0.500" in text
    assert "2.000" in text


def test_nothing_ran_is_said_plainly() -> None:
    assert summarise([], ["no network"]) == ["0 checks. 1 parts not run.", "not run: no network"]
