"""The five LSTMs of the zoo train as the reference and PyTorch do: by their own steps, from the same weights and data.

On the tasks of `conformance.cases.tasks` their losses are compared, before each update, with the allowed errors of the frozen
trainings, which are measured. On others the weights are compared with PyTorch's as well, in float64; how far those may be apart,
`BAND`, is what was measured with a margin: a training that is stable makes little of a rounding. At a rate of learning at which the
loss jumps, the same two trainings part within a hundred steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

import conformance
from conformance.cases.matrix import DTYPES
from conformance.fixtures.training import trained_by
from conformance.fixtures.trajectories import frozen
from conformance.zoo import cached_cell, column_cell, feature_major, linked_nodes, sequence_layer, training
from conformance.zoo.naming import listed, named
from lstm_ref import LSTMParams
from lstm_ref.training import train

BAND = 1e-12
"""Of the largest number of an array; the worst that was measured is 8e-14."""


def weights(D: int, H: int, K: int, scale: float = 0.5) -> tuple[LSTMParams, Any, Any]:
    """Random weights of an LSTM and of a dense layer (K, H) with a bias (K, 1)."""
    rng = np.random.default_rng([D, H, K])
    kernel, recurrent, bias, Wy, by = (
        rng.uniform(-scale, scale, shape) for shape in ((D, 4 * H), (H, 4 * H), (4 * H,), (K, H), (K, 1))
    )
    return LSTMParams(kernel, recurrent, bias), Wy, by


class Model(torch.nn.Module):
    """PyTorch's LSTM and a dense layer, with given weights; of its two biases the second is zero and stays so."""

    def __init__(self, params: LSTMParams, Wy: Any, by: Any, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(params.input_size, params.hidden_size, dtype=torch.float64)
        self.dense = torch.nn.Linear(params.hidden_size, len(Wy), dtype=torch.float64)
        given = conformance.Layout(gates="ifgo", transposed=True, biases=2).weights(params)
        with torch.no_grad():
            for parameter, array in zip(self.parameters(), [*given, Wy, by[:, 0]], strict=True):
                parameter.copy_(torch.tensor(array))
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.optimizer = optimizer([parameter for parameter in self.parameters() if parameter.requires_grad])

    def forward(self, x: Any, state: Any = None) -> Any:
        """The dense layer's output at every step of (T, B, D), and the last state."""
        output, state = self.lstm(torch.tensor(x), state)
        return self.dense(output), state

    def descend(self, loss: Any) -> float:
        """One step of the optimizer; the loss."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()  # type: ignore[no-any-return]  # PyTorch's

    def trained(self) -> list[Any]:
        """The LSTM's weights, and the dense layer's."""
        W, U, b, _, Wy, by = (parameter.detach().numpy() for parameter in self.parameters())
        return [LSTMParams(np.ascontiguousarray(W.T), np.ascontiguousarray(U.T), b), Wy, by[:, None]]


def assert_same(losses: Sequence[Any], own: Any, expected_losses: Sequence[Any], expected: Any) -> None:
    """Losses and weights, which may be nested in any way."""
    part = len(losses) // 5
    assert np.mean(losses[-part:]) < 0.5 * np.mean(losses[:part]), "it has learnt something"
    for actual, right in zip(flat([losses, own]), flat([expected_losses, expected]), strict=True):
        assert np.abs(actual - right).max() <= BAND * np.abs(right).max()


def flat(nested: Any) -> list[Any]:
    if isinstance(nested, list | tuple) and not np.isscalar(nested[0]):
        return [array for one in nested for array in flat(one)]
    return [np.ravel(nested)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "own", [training.cell, training.sine, training.vectors, training.counting, training.classification]
)
def test_on_its_task_each_has_the_losses_of_the_reference_and_of_pytorch(
    own: Callable[[Any], Iterator[float]], dtype: str
) -> None:
    known = frozen()[own.__name__]
    task, count = known.task.astype(dtype), len(known.losses)
    actual = np.array([*islice(own(task), count)])
    updates = train(task.model, task.batches, task.loss, task.optimizer, epochs=task.epochs_of(count), state=task.state)
    reference = np.array([update.loss for update in islice(updates, count)])
    assert known.beside(dtype, actual).worst <= 1, "beside the frozen losses"
    for expected in (reference, trained_by("torch", task, count).losses):
        assert (np.abs(actual - expected) <= known.allowed[dtype]).all()
    assert np.abs(actual - actual[0]).max() > 10 * known.allowed[dtype][-1], "it has learnt something"


def test_the_column_cell_step_by_step() -> None:
    params, Wy, by = weights(3, 4, 2)
    layout = conformance.Layout(gates="figo", joined="xh", transposed=True, split=True)
    W, b = layout.weights(params)
    cell = column_cell.Cell(W, [v[:, None] for v in b], Wy, by)
    model = Model(params, Wy, by, partial(torch.optim.SGD, lr=0.1))
    state, losses, expected = None, [], []
    h = c = np.zeros((4, 1))
    for n in range(200):
        x = np.array([[np.sin(n)], [np.cos(n)], [0.5]])
        loss, h, c = column_cell.train_step(cell, x, h, c, x[1::-1], 0.1)
        y, state = model(x.T[None], state)
        state = tuple(array.detach() for array in state)  # one step is all that is gone back
        losses.append(loss)
        expected.append(model.descend(0.5 * ((y[0, 0] - torch.tensor(x[[1, 0], 0])) ** 2).sum()))
    trained, *head = model.trained()
    own = listed(vars(cell), "Wb", "figo"), cell.Wy, cell.by
    assert_same(losses, own, expected, [layout.weights(trained), head])


def test_the_sequence_layer_and_a_dense_one_on_a_sine() -> None:
    params, Wy, by = weights(1, 32, 1, 0.3)
    layout = conformance.Layout(gates="ifog", transposed=True, split=True)
    lstm, dense, adam = sequence_layer.LSTM(1, 32), sequence_layer.Dense(32, 1), sequence_layer.Adam(0.002)
    model = Model(params, Wy, by, partial(torch.optim.Adam, lr=0.002))
    lstm.set_params(named("WUb", "ifog", layout.weights(params)))
    dense.set_params({"W": Wy, "b": by})
    sine = np.sin(np.linspace(0, 8 * np.pi, 100))[:, None, None]
    losses, expected = [], []
    for _ in range(5):
        for start in range(0, 75, 3):
            x, target = sine[start : start + 25], sine[start + 25]
            losses.append(sequence_layer.train_step([lstm, dense], x, target, adam))
            y, _ = model(x)
            expected.append(model.descend(0.5 * (y[-1, 0, 0] - target.item()) ** 2))
    trained, *head = model.trained()
    own = listed(lstm.get_params(), "WUb", "ifog"), dense.get_params()["W"], dense.get_params()["b"]
    assert_same(losses, own, expected, [layout.weights(trained), head])


def test_the_linked_nodes_on_four_random_vectors() -> None:
    rng = np.random.default_rng(0)
    params, *_ = weights(50, 100, 1, 0.1)
    xs, targets = rng.random((4, 50)), [-0.5, 0.2, 0.1, -0.5]
    layout = conformance.Layout(gates="gifo", joined="xh", transposed=True, split=True)
    shared = linked_nodes.Parameters(*layout.weights(params))
    W, b = ([torch.tensor(array, requires_grad=True) for array in of] for of in layout.weights(params))
    optimizer = torch.optim.SGD([*W, *b], 0.1)
    losses, expected = [], []
    for _ in range(250):
        losses.append(linked_nodes.train_step(shared, xs, targets, 0.1))
        h = c = torch.zeros(100, dtype=torch.float64)
        loss = torch.zeros((), dtype=torch.float64)
        for x, target in zip(xs, targets, strict=True):
            z = [w @ torch.cat([torch.tensor(x), h]) + v for w, v in zip(W, b, strict=True)]
            g, i, f, o = z[0].tanh(), z[1].sigmoid(), z[2].sigmoid(), z[3].sigmoid()
            c = g * i + c * f
            h = c * o  # without tanh
            loss = loss + (h[0] - target) ** 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        optimizer.step()
        expected.append(loss.item())
    right = [[array.detach().numpy() for array in of] for of in (W, b)]
    assert_same(losses, [list(shared.W.values()), list(shared.b.values())], expected, right)
    assert losses[-1] < 1e-4


def test_the_cached_cell_counts() -> None:
    params, Wy, by = weights(1, 8, 1)
    layout = conformance.Layout(gates="fiog", joined="hx", transposed=True, split=True)
    gates = named("Wb", "fiog", layout.weights(params))
    cell = cached_cell.LSTMCell({**gates, "Wy": Wy, "by": by})
    model = Model(params, Wy, by, partial(torch.optim.SGD, lr=0.01))
    numbers = np.arange(1.0, 11)[:, None, None]
    losses, expected = [], []
    for n in range(400):
        start = n % 4
        xs, target = numbers[start : start + 6], numbers[start + 6]
        losses.append(cached_cell.train_step(cell, xs, target, 0.01))
        y, _ = model(xs)
        expected.append(model.descend((y[-1, 0, 0] - target.item()) ** 2))
    trained, *head = model.trained()
    own = listed(cell.parameters, "Wb", "fiog"), cell.parameters["Wy"], cell.parameters["by"]
    assert_same(losses, own, expected, [layout.weights(trained), head])


def test_the_feature_major_functions_classify_every_step() -> None:
    params, Wy, by = weights(3, 8, 3)
    layout = conformance.Layout(gates="figo", joined="hx", transposed=True, split=True)
    parameters = {**named("Wb", "figo", layout.weights(params)), "Wy": Wy, "by": by}
    velocity = {name: np.zeros_like(array) for name, array in parameters.items()}
    model = Model(params, Wy, by, partial(torch.optim.SGD, lr=0.05, momentum=0.8))
    x = np.random.default_rng(0).normal(size=(3, 5, 7))
    labels = np.maximum(x, np.roll(x, 1, axis=2)).argmax(axis=0)  # which feature was the largest, now or just before
    losses, expected = [], []
    for _ in range(200):
        loss, parameters, velocity = feature_major.train_step(x, labels, parameters, velocity, 0.05, 0.8)
        losses.append(loss)
        y, _ = model(x.transpose(2, 1, 0))
        logits = y.permute(1, 2, 0)
        expected.append(model.descend(torch.nn.functional.cross_entropy(logits, torch.tensor(labels))))
    trained, *head = model.trained()
    own = listed(parameters, "Wb", "figo"), parameters["Wy"], parameters["by"]
    assert_same(losses, own, expected, [layout.weights(trained), head])
