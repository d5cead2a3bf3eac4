"""Each of the five trains itself on a task of `conformance.cases.tasks`: by its own forward pass, head, loss, backward pass and update.

What is here only brings weights and data into the shapes that the LSTM takes. Each function gives the loss before each update, for
as long as it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

import conformance
from conformance.zoo import cached_cell, column_cell, feature_major, linked_nodes, sequence_layer
from conformance.zoo.naming import named


def cell(task: Any) -> Iterator[float]:
    """The column cell, on one step from a given state."""
    layout = conformance.Layout(gates="figo", joined="xh", transposed=True, split=True)
    W, b = layout.weights(task.model.params)
    own = column_cell.Cell(W, [v[:, None] for v in b], *head(task))
    h, c = (array.T for array in task.state)
    for x, target in cycle(task.batches):
        loss, *_ = column_cell.train_step(own, x[:, 0].T, h, c, target[:, 0].T, task.optimizer.learning_rate)
        yield loss


def sine(task: Any) -> Iterator[float]:
    """The sequence layer and a dense one, by their own Adam."""
    layout = conformance.Layout(gates="ifog", transposed=True, split=True)
    D, (Wy, by) = task.model.params.input_size, head(task)
    layers = [sequence_layer.LSTM(D, Wy.shape[1]), sequence_layer.Dense(*Wy.T.shape)]
    layers[0].set_params(named("WUb", "ifog", layout.weights(task.model.params)))
    layers[1].set_params({"W": Wy, "b": by})
    settings = task.optimizer
    adam = sequence_layer.Adam(settings.learning_rate, settings.beta_1, settings.beta_2, settings.epsilon)
    for x, target in cycle(task.batches):
        yield sequence_layer.train_step(layers, x[0, :, :, None], target.T, adam)


def vectors(task: Any) -> Iterator[float]:
    """The chain of nodes, without tanh on the cell's way out."""
    layout = conformance.Layout(gates="gifo", joined="xh", transposed=True, split=True)
    shared = linked_nodes.Parameters(*layout.weights(task.model.params))
    for x, target in cycle(task.batches):
        yield linked_nodes.train_step(shared, x[0], target[0], task.optimizer.learning_rate)


def counting(task: Any) -> Iterator[float]:
    """The cached cell, which is trained to give the last output."""
    layout = conformance.Layout(gates="fiog", joined="hx", transposed=True, split=True, axes="tfb")
    Wy, by = head(task)
    gates = named("Wb", "fiog", layout.weights(task.model.params))
    own = cached_cell.LSTMCell({**gates, "Wy": Wy, "by": by})
    for x, target in cycle(task.batches):
        yield cached_cell.train_step(own, layout.sequence(x), target.T, task.optimizer.learning_rate)


def classification(task: Any) -> Iterator[float]:
    """The feature-major functions, with a class at every step."""
    layout = conformance.Layout(gates="figo", joined="hx", transposed=True, split=True, axes="fbt")
    Wy, by = head(task)
    parameters = {**named("Wb", "figo", layout.weights(task.model.params)), "Wy": Wy, "by": by}
    velocity = {name: np.zeros_like(array) for name, array in parameters.items()}
    rate, momentum = task.optimizer.learning_rate, task.optimizer.momentum
    for x, labels in cycle(task.batches):
        loss, parameters, velocity = feature_major.train_step(
            layout.sequence(x), labels, parameters, velocity, rate, momentum
        )
        yield loss


def head(task: Any) -> tuple[Any, Any]:
    """A task's dense layer as they all have it: (K, H), and a column."""
    return task.model.head.kernel.T, task.model.head.bias[:, None]
