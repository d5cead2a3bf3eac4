"""A published checkpoint that nobody here trained gives PyTorch's numbers over 500 steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lstm_ref
from conformance.cases.matrix import case_of_params
from conformance.implementations import built_in

CHECKPOINT = "silero_vad_16k.safetensors"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("oracle", ["torch", "keras"])
def test_silero_vad_over_500_steps(
    oracle: str,
    dtype: str,
    request: pytest.FixtureRequest,
    verdict: Callable[..., None],
    not_run: Callable[[str], None],
) -> None:
    folder: Path | None = request.config.getoption("--lstm-published")
    path = None if folder is None else folder / CHECKPOINT
    if path is None or not path.exists():
        not_run(
            f"{CHECKPOINT} is not there; `python -m conformance.suite.published DIR` fetches it, --lstm-published DIR names it"
        )
    assert path is not None
    network = lstm_ref.load(path, name="lstm_cell")
    assert (network.params.input_size, network.params.hidden_size) == (128, 128)
    case = case_of_params(f"silero-vad-{dtype}", network.params.astype(dtype), B=2, T=500)
    verdict(oracle, case, built_in("ref")(case), built_in(oracle)(case))
