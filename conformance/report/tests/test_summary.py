"""The closing summary says what ran, what failed and what did not run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import conformance
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


def test_a_run_of_the_suite_ends_with_it() -> None:
    suite = Path(conformance.__file__).parent / "suite/test_matrix.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite), "-k", "torch-float64-B1-T1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^=+ conformance of lstm_ref =+$", done.stdout, re.M), done.stdout
    assert re.search(r"^[\d,]+ checks: [\d,]+ against torch\. 0 failed", done.stdout, re.M)
