"""Training in PyTorch, with its own layers, losses, gradients and optimizers.

``torch.nn.LSTM`` has two biases and trains both, so that their sum moves twice as far as one bias would. Here the second is
zero and stays so: one bias is trained, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from conformance.implementations.training import IDENTITY_OUTPUT, require_known
from lstm_ref.params import FloatArray
from lstm_ref.training import (
    SGD,
    Adam,
    Differentiated,
    Model,
    cross_entropy,
    first_unit_squared_error,
    half_squared_error,
    mean_squared_error,
)
from lstm_ref.training.losses import Loss, Target
from lstm_ref.training.model import State

Tensors: TypeAlias = tuple[torch.Tensor, torch.Tensor]

LOSSES: dict[Loss, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    mean_squared_error: functional.mse_loss,
    half_squared_error: lambda prediction, target: functional.mse_loss(prediction, target, reduction="sum") / 2,
    first_unit_squared_error: lambda prediction, target: functional.mse_loss(
        prediction[..., 0], target, reduction="sum"
    ),
    cross_entropy: lambda logits, target: functional.cross_entropy(logits.flatten(0, -2), target.flatten()),
}


class Trainer:
    """A model in PyTorch; see `conformance.implementations.training.Trainer`.

    Parameters
    ----------
    model : Model
    loss : callable
        One of `lstm_ref.training`'s, which stands for PyTorch's.
    optimizer : SGD or Adam
        It stands for PyTorch's.
    """

    def __init__(self, model: Model, loss: Loss, optimizer: SGD | Adam) -> None:
        require_known(model, optimizer, "PyTorch", uncorrected=False)
        self.given, self.loss, self.network = model, LOSSES[loss], _Network(model)
        self.load(model.weights)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = native(optimizer, self.parameters)

    @property
    def model(self) -> Model:
        """The model as it is now."""
        return self.given.with_weights(
            {name: _array(self.network.get_parameter(theirs)).T.copy() for name, theirs in self._names.items()}
        )

    def load(self, weights: Mapping[str, FloatArray]) -> None:
        """Give the model other weights."""
        with torch.no_grad():
            for name, theirs in self._names.items():
                self.network.get_parameter(theirs).copy_(torch.tensor(weights[name].T))

    def differentiate(self, x: FloatArray, target: Target, state: State | None) -> Differentiated:
        """The loss of a batch and its gradients."""
        loss, after = self._forward(x, target, state)
        gradients = dict(zip(self.parameters, torch.autograd.grad(loss, self.parameters), strict=True))
        named = {name: _array(gradients[self.network.get_parameter(own)]).T for name, own in self._names.items()}
        return Differentiated(loss.item(), named, after)

    def step(self, x: FloatArray, target: Target, state: State | None) -> tuple[float, State]:
        """Update the weights by a batch."""
        loss, after = self._forward(x, target, state)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        self.optimizer.step()
        return loss.item(), after

    def _forward(self, x: FloatArray, target: Target, state: State | None) -> tuple[torch.Tensor, State]:
        initial = None if state is None else (torch.tensor(state[0]), torch.tensor(state[1]))
        prediction, (h, c) = self.network(torch.tensor(x), initial)
        return self.loss(prediction, torch.tensor(target)), (_array(h), _array(c))

    @property
    def _names(self) -> dict[str, str]:
        """Our names of the weights to PyTorch's."""
        names = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias_ih"}
        ours = {name: f"lstm.{theirs}_l0" for name, theirs in names.items()}
        ours |= {"head.kernel": "head.weight", "head.bias": "head.bias"}
        return {name: ours[name] for name in self.given.weights}


def native(optimizer: SGD | Adam, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """PyTorch's optimizer of these settings."""
    if isinstance(optimizer, SGD):
        return torch.optim.SGD(parameters, optimizer.learning_rate, optimizer.momentum)
    betas = optimizer.beta_1, optimizer.beta_2
    return torch.optim.Adam(parameters, optimizer.learning_rate, betas, optimizer.epsilon)


class _Network(torch.nn.Module):
    """A ``torch.nn.LSTM``, and a ``torch.nn.Linear`` on its outputs."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        params, head, self.options = model.params, model.head, model.options
        dtype = getattr(torch, params.dtype.name)
        self.lstm = torch.nn.LSTM(params.input_size, params.hidden_size, batch_first=True, dtype=dtype)
        self.head, self.last_step, self.softmax = None, False, False
        if head is not None:
            H, K = head.kernel.shape
            self.head = torch.nn.Linear(H, K, bias=head.bias is not None, dtype=dtype)
            self.last_step, self.softmax = head.last_step, head.softmax
        torch.nn.init.zeros_(self.lstm.get_parameter("bias_hh_l0").requires_grad_(False))

    def forward(self, x: torch.Tensor, state: Tensors | None) -> tuple[torch.Tensor, Tensors]:
        """The prediction, and the state after the last step."""
        output, after = self._identity(x, state) if self.options == IDENTITY_OUTPUT else self._plain(x, state)
        if self.head is None:
            return output, after
        prediction = self.head(output[:, -1] if self.last_step else output)
        return (prediction.softmax(-1) if self.softmax else prediction), after

    def _plain(self, x: torch.Tensor, state: Tensors | None) -> tuple[torch.Tensor, Tensors]:
        output, (h, c) = self.lstm(x, None if state is None else (state[0][None], state[1][None]))
        return output, (h[0], c[0])

    def _identity(self, x: torch.Tensor, state: Tensors | None) -> tuple[torch.Tensor, Tensors]:
        lstm: Any = self.lstm
        zeros = x.new_zeros(len(x), lstm.hidden_size)
        h, c = state or (zeros, zeros)
        outputs = []
        for x_t in x.unbind(1):
            z = functional.linear(x_t, lstm.weight_ih_l0, lstm.bias_ih_l0) + functional.linear(h, lstm.weight_hh_l0)
            i, f, g, o = z.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy())
