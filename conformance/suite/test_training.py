"""What `lstm_ref.training` is made of is PyTorch's and Keras's: gradients of heads and losses, steps of optimizers, clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import lstm_ref
from conformance.cases.draw import Draw
from conformance.implementations import ORACLES, trainer
from conformance.implementations.keras_training import native as keras_optimizer
from conformance.implementations.pytorch_training import native as torch_optimizer
from conformance.suite.heads import COMBINATIONS, Combination
from lstm_ref.params import FloatArray
from lstm_ref.training import SGD, Adam, ClipByNorm, ClipByValue, Dense, Model, differentiate

EPS = float(np.finfo(np.float64).eps)
NEAR = 16 * EPS
"""How far two engines may be apart, of a quantity's scale; 7 eps were measured of gradients, 3 of steps."""

OPTIMIZERS = {
    "torch": [SGD(0.1), SGD(0.3, 0.9), Adam(0.1), Adam(1e-4, 0.99, 0.9999), Adam(0.1, 0.0, 0.5, 1e-3)],
    "keras": [
        SGD(0.1),
        SGD(0.3, 0.9),
        Adam(0.1, epsilon_uncorrected=True),
        Adam(1e-4, 0.99, 0.9999, 1e-7, epsilon_uncorrected=True),
        Adam(0.1, 0.0, 0.5, 1e-3, epsilon_uncorrected=True),
    ],
}


def near(actual: FloatArray, expected: FloatArray) -> bool:
    return bool(np.abs(actual - expected).max() <= NEAR * np.abs(expected).max())


@pytest.mark.parametrize("framework", ORACLES)
@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_every_gradient_is_the_frameworks(combination: Combination, framework: str) -> None:
    x, target, state = combination.data
    ours = differentiate(combination.model, x, target, combination.loss, state)
    theirs = trainer(framework)(combination.model, combination.loss, SGD(0.1)).differentiate(x, target, state)
    assert near(np.array(ours.loss), np.array(theirs.loss))
    assert ours.gradients.keys() == theirs.gradients.keys() == combination.model.weights.keys()
    for name, gradient in ours.gradients.items():
        assert np.abs(gradient).max() > 1e-4, f"{name}: it would be compared with nothing"
        assert near(gradient, theirs.gradients[name]), name


def torch_steps(optimizer: SGD | Adam, weights: FloatArray, gradients: FloatArray) -> list[FloatArray]:
    parameter, found = torch.nn.Parameter(torch.tensor(weights)), []
    theirs = torch_optimizer(optimizer, [parameter])
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        found.append(parameter.detach().numpy().copy())
    return found


def keras_steps(optimizer: SGD | Adam, weights: FloatArray, gradients: FloatArray) -> list[FloatArray]:
    variable, found = keras.Variable(weights, dtype="float64"), []
    theirs = keras_optimizer(optimizer)
    for gradient in gradients:
        theirs.apply([tf.constant(gradient)], [variable])
        found.append(variable.numpy())
    return found


STEPS: dict[str, Callable[..., list[FloatArray]]] = {"torch": torch_steps, "keras": keras_steps}


@pytest.mark.parametrize("size", [1.0, 1e-7])  # beside the second, epsilon is large
@pytest.mark.parametrize(
    ("framework", "optimizer"), [(name, one) for name, several in OPTIMIZERS.items() for one in several], ids=str
)
def test_every_step_of_an_optimizer_is_the_frameworks(framework: str, optimizer: SGD | Adam, size: float) -> None:
    draw = Draw("optimizers")
    weights, gradients = draw.uniform(size, 5, 3), draw.uniform(size, 20, 5, 3)
    ours, memory = {"w": weights}, None
    for gradient, expected in zip(gradients, STEPS[framework](optimizer, weights, gradients), strict=True):
        before = ours["w"]
        ours, memory = optimizer.step(ours, {"w": gradient}, memory)
        assert np.abs(ours["w"] - before).max() > 1e3 * NEAR * np.abs(before).max()
        assert near(ours["w"], expected)


def test_with_one_epsilon_the_frameworks_adam_take_different_steps() -> None:
    gradients = np.full((1, 1), 1e-8)
    by_torch, by_keras = (STEPS[name](Adam(1.0), np.zeros(1), gradients)[0] for name in ORACLES)
    np.testing.assert_allclose([by_torch, by_keras], [[-1 / 2], [-1 / (1 + 1000**0.5)]], rtol=1e-12)


@pytest.mark.parametrize("limit", [0.5, 50.0])  # the second cuts nothing
def test_clipping_is_the_frameworks(limit: float) -> None:
    draw = Draw("clipping")
    given = {"a": draw.uniform(2.0, 3, 4), "b": draw.uniform(2.0, 5)}

    def by_torch(clip: Callable[..., Any]) -> list[FloatArray]:
        parameters = [torch.nn.Parameter(torch.zeros(a.shape, dtype=torch.float64)) for a in given.values()]
        for parameter, gradient in zip(parameters, given.values(), strict=True):
            parameter.grad = torch.tensor(gradient)
        clip(parameters, limit)
        return [np.asarray(parameter.grad) for parameter in parameters]

    def by_keras(option: str) -> list[FloatArray]:
        variables = [keras.Variable(np.zeros(a.shape), dtype="float64") for a in given.values()]
        optimizer = keras.optimizers.SGD(lambda: np.float64(1.0), **{option: limit})
        optimizer.apply([tf.constant(a) for a in given.values()], variables)
        return [-variable.numpy() for variable in variables]

    by_value, by_norm = ClipByValue(limit)(given).values(), ClipByNorm(limit)(given).values()
    norm = float(np.sqrt(sum((a**2).sum() for a in given.values())))
    less = norm / (norm + 1e-6) if norm > limit else 1.0  # what PyTorch leaves of the norm
    for value, from_torch, from_keras in zip(
        by_value, by_torch(torch.nn.utils.clip_grad_value_), by_keras("clipvalue"), strict=True
    ):
        assert near(value, from_torch)
        assert near(value, from_keras)
    for value, from_torch, from_keras in zip(
        by_norm, by_torch(torch.nn.utils.clip_grad_norm_), by_keras("global_clipnorm"), strict=True
    ):
        assert near(value * less, from_torch)
        assert near(value, from_keras)


def test_a_new_head_is_drawn_as_keras_draws_it() -> None:
    H, K = 30, 20
    layer = keras.layers.Dense(K)
    layer.build((None, H))
    ours, theirs = Dense.glorot(np.random.default_rng(0), H, K), layer.kernel.numpy()
    np.testing.assert_allclose(np.abs(ours.kernel).max(), np.abs(theirs).max(), rtol=0.02)
    np.testing.assert_allclose(ours.kernel.std(), theirs.std(), rtol=0.1)
    np.testing.assert_array_equal(ours.arrays["bias"], layer.bias.numpy())


@pytest.mark.parametrize(
    ("framework", "changes", "told"),
    [
        ("torch", {"optimizer": Adam(0.1, epsilon_uncorrected=True)}, "PyTorch's Adam adds epsilon after"),
        ("keras", {"optimizer": Adam(0.1)}, "Keras's Adam adds epsilon before"),
        ("torch", {"options": lstm_ref.Options(clip=1.0)}, "PyTorch is asked to train plain layers with a bias alone"),
    ],
)
def test_what_a_framework_does_otherwise_is_refused(framework: str, changes: dict[str, Any], told: str) -> None:
    one = COMBINATIONS[0]
    model = Model(one.model.params, one.model.head, changes.get("options", one.model.options))
    with pytest.raises(lstm_ref.errors.UnsupportedError, match=told):
        trainer(framework)(model, one.loss, changes.get("optimizer", SGD(0.1)))
