"""Trained from the same weights on the same data, the reference goes where PyTorch and Keras go."""

from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np
import pytest

from conformance.cases.matrix import DTYPES
from conformance.cases.tasks import NO_EPSILON, TASKS
from conformance.fixtures.training import Trained, trained_by
from conformance.fixtures.trajectories import frozen
from conformance.implementations import ORACLES, trainer
from conformance.implementations.training import trained
from conformance.judging.tolerance import roundoff
from conformance.suite.heads import COMBINATIONS, Combination
from lstm_ref.training import SGD, Adam, Update, train

UPDATES = 20
LINEAR = 8
"""In the matrix two trainings may be apart by so many roundoffs of the largest loss, or weight, for each update; 2.8 were
measured."""
OPTIMIZERS: dict[str, SGD | Adam] = {
    "sgd": SGD(0.02),
    "momentum": SGD(0.01, 0.9),
    "adam": Adam(0.01, 0.99, 0.9999, NO_EPSILON),
}

ROUNDED_BETAS = 16
"""How many times the allowed error Keras's Adam may use up in float32; 12 were measured.

It computes 1 − beta_2ᵗ in float32, where for beta_2 = 0.9999 the digits that are left are few: its first steps are off by up to
2e-4 of themselves. PyTorch and the reference compute it in float64, whatever the weights are.
"""


@cache
def computed(name: str, engine: str, dtype: str) -> Trained:
    task, updates = frozen()[name].task.astype(dtype), len(frozen()[name].losses)
    if engine != "ref":
        return trained_by(engine, task, updates)
    made = train(task.model, task.batches, task.loss, task.optimizer, epochs=task.epochs_of(updates), state=task.state)
    every = list(islice(made, updates))
    return Trained(np.array([update.loss for update in every]), every[-1].model)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", ["ref", *ORACLES])
@pytest.mark.parametrize("name", TASKS)
def test_losses_are_the_frozen_ones(name: str, engine: str, dtype: str) -> None:
    found = frozen()[name].beside(dtype, computed(name, engine, dtype).losses)
    keras_adam = (name, engine, dtype) == ("sine", "keras", "float32")
    assert found.worst <= (ROUNDED_BETAS if keras_adam else 1), str(found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("name", TASKS)
def test_final_weights_are_the_frameworks(name: str, oracle: str, dtype: str) -> None:
    ours, theirs = (computed(name, engine, dtype).model.weights for engine in ("ref", oracle))
    allowed = frozen()[name].allowed_weights[dtype]
    if (name, oracle, dtype) == ("sine", "keras", "float32"):
        allowed *= ROUNDED_BETAS
    moved = [
        np.abs(w - given).max() for w, given in zip(ours.values(), TASKS[name]().model.weights.values(), strict=True)
    ]
    assert max(moved) > 10 * allowed, "so little training shows nothing"
    for weight, expected in zip(ours.values(), theirs.values(), strict=True):
        assert np.abs(weight - expected).max() <= allowed


@pytest.mark.parametrize("name", ["sine", "counting", "vectors"])
def test_published_losses_are_reached_or_undercut(name: str) -> None:
    task = TASKS[name]()
    updates = train(task.model, task.batches, task.loss, task.optimizer, epochs=task.epochs, state=task.state)
    losses = task.by_epoch([update.loss for update in updates])
    later = {epoch: loss for epoch, loss in task.published.items() if epoch > 1}
    assert later
    for epoch, published in later.items():
        assert losses[epoch - 1] <= published, f"epoch {epoch}"


def apart(ours: list[Update], theirs: list[Update]) -> float:
    """How far two trainings are apart, for each update, in roundoffs of the largest loss and the largest weight."""
    losses = np.array([[one.loss, other.loss] for one, other in zip(ours, theirs, strict=True)])
    found = [np.abs(losses[:, 0] - losses[:, 1]) / np.abs(losses).max() / np.arange(1, len(losses) + 1)]
    for name, weight in ours[-1].model.weights.items():
        expected = theirs[-1].model.weights[name]
        found.append(np.abs(weight - expected) / np.abs(expected).max() / len(ours))
    return max(float(each.max()) for each in found) / roundoff(np.dtype("float64"))


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_every_head_with_every_loss_and_optimizer_is_trained_alike(
    combination: Combination, optimizer: str, oracle: str
) -> None:
    x, target, state = combination.data
    settings = OPTIMIZERS[optimizer]
    made = trainer(oracle)(combination.model, combination.loss, settings)
    theirs = list(trained(made, [(x, target)], epochs=UPDATES, state=state))
    ours = list(train(combination.model, [(x, target)], combination.loss, settings, epochs=UPDATES, state=state))
    assert ours[-1].loss < ours[0].loss
    assert apart(ours, theirs) <= LINEAR


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize(
    ("truncate", "stateful"), [(2, False), (None, True), (2, True)], ids=["truncated", "stateful", "both"]
)
def test_truncated_and_stateful_training_is_the_frameworks(oracle: str, truncate: int | None, stateful: bool) -> None:
    one = next(each for each in COMBINATIONS if str(each) == "dense-mean_squared_error")
    x, target, state = one.data
    batches = [(x, target), (x[:, ::-1].copy(), target)]
    how = {"epochs": 4, "truncate": truncate, "stateful": stateful, "state": state}
    theirs = list(trained(trainer(oracle)(one.model, one.loss, SGD(0.05)), batches, **how))  # type: ignore[arg-type]  # by name
    ours = list(train(one.model, batches, one.loss, SGD(0.05), **how))  # type: ignore[arg-type]  # by name
    assert len(ours) == 4 * 2 * (3 if truncate else 1)
    assert [(update.number, update.epoch) for update in ours] == [(update.number, update.epoch) for update in theirs]
    assert apart(ours, theirs) <= LINEAR
