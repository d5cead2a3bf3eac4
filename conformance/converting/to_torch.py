"""PyTorch's names and layouts: a state_dict of ``torch.nn.LSTM``, as .pt by PyTorch itself, or as .safetensors without it.

Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, "Variables".
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from conformance.errors import ConversionError
from lstm_ref import Network
from lstm_ref.params import FloatArray

EXPRESSES = frozenset({"projection"})
RUNNER = "PyTorch"


def remarks(network: Network) -> list[str]:
    """What to know of the file."""
    return ["bias_ih has the whole bias, and bias_hh is zero: a network here has the sum of the two."] * _biased(
        network
    )


def refusal(network: Network) -> str:
    """What else keeps it from being a ``torch.nn.LSTM``; empty if nothing does."""
    return ""


def names(network: Network) -> list[str]:
    """What the LSTMs are called that make up the network."""
    return [""]


def write(network: Network, path: Path) -> None:
    """Write the state_dict."""
    arrays = state(network)
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(arrays, path)
        return
    if importlib.util.find_spec("torch") is None:
        raise ConversionError(
            f"writing {path.suffix} needs PyTorch: pip install 'lstm-conformance[torch]'. A .safetensors file needs it not."
        )
    import torch

    torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, path)


def state(network: Network) -> dict[str, FloatArray]:
    """The arrays by PyTorch's names."""
    arrays: dict[str, FloatArray] = {}
    biased = _biased(network)
    for k, layer in enumerate(network.layers):
        for direction, params in layer.directions.items():
            suffix = f"_l{k}{'_reverse' if direction == 'reverse' else ''}"
            arrays[f"weight_ih{suffix}"] = params.kernel.T
            arrays[f"weight_hh{suffix}"] = params.recurrent_kernel.T
            if biased:
                zeros = np.zeros(4 * params.hidden_size, params.dtype)
                arrays[f"bias_ih{suffix}"] = zeros if params.bias is None else params.bias
                arrays[f"bias_hh{suffix}"] = zeros.copy()
            if params.projection is not None:
                arrays[f"weight_hr{suffix}"] = params.projection.T
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _biased(network: Network) -> bool:
    """Whether a layer has a bias: PyTorch's all have one then, or none."""
    return any(params.bias is not None for layer in network.layers for params in layer.directions.values())


def run(path: Path, network: Network, x: FloatArray) -> FloatArray | str:
    """What a ``torch.nn.LSTM`` of the file's weights gives, or why it cannot be asked."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    import torch

    first = network.layers[0]
    module = torch.nn.LSTM(
        first.input_size,
        first.hidden_size,
        len(network.layers),
        bias=_biased(network),
        batch_first=True,
        bidirectional=len(first.directions) == 2,
        proj_size=0 if first.params.projection is None else first.state_size,
        dtype=torch.float64 if network.dtype == np.float64 else torch.float32,
    )
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        loaded: dict[str, Any] = load_file(path)
    else:
        loaded = torch.load(path, weights_only=True)
    module.load_state_dict(loaded)
    with torch.no_grad():
        output: FloatArray = module(torch.from_numpy(x))[0].numpy()
    return output
