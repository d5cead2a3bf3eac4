"""The candidate named by ``--lstm-candidate``: one test for each of its checks."""

from __future__ import annotations

import pytest

from conformance.trial.doors import Check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per check; none at all without the option."""
    spec = metafunc.config.getoption("--lstm-candidate")
    if spec is None:
        metafunc.parametrize("check", [])
        return
    from conformance.errors import ConformanceError
    from conformance.languages.program import PREFIX, process
    from conformance.trial.doors import checks
    from conformance.trial.given import find

    try:
        asked = {name: metafunc.config.getoption(f"--lstm-{name}") for name in ("profile", "strict", "features")}
        candidate = process(spec.removeprefix(PREFIX)) if spec.startswith(PREFIX) else find(spec)
        found = checks(candidate, **asked)
    except ConformanceError as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("check", found, ids=[check.id for check in found])


def test_conforms(check: Check) -> None:
    check()
