from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

import lstm_ref
from lstm_ref import Options
from lstm_ref.errors import DTypeError, LSTMError, ShapeError, UnsupportedError, UsageError
from lstm_ref.training import (
    SGD,
    Adam,
    ClipByNorm,
    Dense,
    Model,
    cross_entropy,
    differentiate,
    first_unit_squared_error,
    half_squared_error,
    mean_squared_error,
    train,
)

RNG = np.random.default_rng(0)
PARAMS = lstm_ref.initial.pytorch(RNG, 2, 3, dtype="float64")
X = RNG.uniform(-1, 1, (4, 6, 2))
Y = RNG.uniform(-1, 1, (4, 6, 2))
STATE = RNG.uniform(-1, 1, (4, 3)), RNG.uniform(-1, 1, (4, 3))
OPTIONS = Options(output_activation="linear")


def model(**of_head: Any) -> Model:
    return Model(PARAMS, Dense.glorot(np.random.default_rng(1), 3, 2, dtype="float64", **of_head))


@pytest.mark.parametrize(
    ("given", "target", "loss"),
    [
        (model(), Y, mean_squared_error),
        (model(last_step=True), Y[:, -1], half_squared_error),
        (model(softmax=True), Y, half_squared_error),
        (model(), Y[..., 0], first_unit_squared_error),
        (model(last_step=True), np.array([0, 1, 1, 0]), cross_entropy),
        (Model(PARAMS, options=OPTIONS), Y[..., 0], first_unit_squared_error),
    ],
)
def test_gradients_are_the_losses_slopes(given: Model, target: np.ndarray, loss: Any) -> None:
    found = differentiate(given, X, target, loss, STATE)
    assert found.gradients.keys() == given.weights.keys()
    for name, weight in given.weights.items():
        for index in np.ndindex(*weight.shape):
            step = np.zeros_like(weight)
            step[index] = 1e-5
            there, back = (
                differentiate(given.with_weights(given.weights | {name: w}), X, target, loss, STATE).loss
                for w in (weight + step, weight - step)
            )
            assert found.gradients[name][index] == pytest.approx((there - back) / 2e-5, rel=1e-6, abs=1e-9), name


def test_what_is_predicted_is_what_the_loss_is_of() -> None:
    given = model(last_step=True)
    loss, _ = mean_squared_error(given.predict(X, STATE), Y[:, -1])
    assert differentiate(given, X, Y[:, -1], mean_squared_error, STATE).loss == loss


def test_options_are_the_layers() -> None:
    expected, _ = lstm_ref.Network(lstm_ref.Layer(PARAMS, options=OPTIONS))(X)
    np.testing.assert_array_equal(Model(PARAMS, options=OPTIONS).predict(X), expected)


def test_an_update_is_what_the_optimizer_makes_of_the_gradients() -> None:
    given = model()
    first, second = train(given, [(X, Y)], mean_squared_error, SGD(0.1, momentum=0.5), epochs=2, clip=ClipByNorm(0.01))
    assert (first.number, first.epoch, second.number, second.epoch) == (1, 1, 2, 2)
    gradients = ClipByNorm(0.01)(differentiate(given, X, Y, mean_squared_error).gradients)
    weights, memory = SGD(0.1, momentum=0.5).step(given.weights, gradients)
    again = differentiate(given.with_weights(weights), X, Y, mean_squared_error)
    assert second.loss == again.loss
    weights, _ = SGD(0.1, momentum=0.5).step(weights, ClipByNorm(0.01)(again.gradients), memory)
    for name, weight in second.model.weights.items():
        np.testing.assert_array_equal(weight, weights[name])


def test_batches_are_gone_through_in_their_order_in_each_epoch() -> None:
    batches = [(X[:1], Y[:1]), (X[1:], Y[1:])]
    updates = list(train(model(), batches, mean_squared_error, SGD(1e-9), epochs=2))
    expected = [differentiate(model(), x, y, mean_squared_error).loss for x, y in batches] * 2
    assert [update.epoch for update in updates] == [1, 1, 2, 2]
    np.testing.assert_allclose([update.loss for update in updates], expected, rtol=1e-6)


def test_the_model_that_was_given_is_not_changed() -> None:
    given = model()
    before = {name: weight.copy() for name, weight in given.weights.items()}
    list(train(given, [(X, Y)], mean_squared_error, Adam(0.1), epochs=3))
    for name, weight in given.weights.items():
        np.testing.assert_array_equal(weight, before[name])


def test_pieces_hand_their_state_on_and_each_makes_an_update() -> None:
    given = model()
    updates = list(train(given, [(X, Y)], mean_squared_error, SGD(1e-9), truncate=4, state=STATE))
    first = differentiate(given, X[:, :4], Y[:, :4], mean_squared_error, STATE)
    second = differentiate(given, X[:, 4:], Y[:, 4:], mean_squared_error, first.state)
    np.testing.assert_allclose([update.loss for update in updates], [first.loss, second.loss], rtol=1e-6)


def test_a_stateful_batch_begins_where_the_one_before_it_ended() -> None:
    given, batches = model(), [(X[:, :2], Y[:, :2]), (X[:, 2:], Y[:, 2:])]
    first = differentiate(given, *batches[0], mean_squared_error)
    stateful = differentiate(given, *batches[1], mean_squared_error, first.state)
    stateless = differentiate(given, *batches[1], mean_squared_error)
    for carries, second in ((True, stateful), (False, stateless)):
        updates = train(given, batches, mean_squared_error, SGD(1e-9), epochs=2, stateful=carries)
        expected = [first.loss, second.loss] * 2  # an epoch begins anew
        np.testing.assert_allclose([update.loss for update in updates], expected, rtol=1e-6)


def test_another_lstm_can_be_trained_by_the_loop() -> None:
    calls = []

    def noting(*given: Any) -> Any:
        calls.append(given)
        return differentiate(*given)

    updates = train(model(), [(X, Y)], mean_squared_error, SGD(0.1), epochs=5, differentiate=noting)
    assert len(list(islice(updates, 2))) == 2
    assert len(calls) == 2  # no more than was asked for


def test_training_finds_a_loss_near_zero() -> None:
    updates = list(train(model(last_step=True), [(X, Y[:, -1])], mean_squared_error, Adam(0.05), epochs=300))
    assert updates[0].loss > 0.1
    assert updates[-1].loss < 1e-4


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.1)])
def test_float32_stays(optimizer: Any) -> None:
    x, y = X.astype("f"), Y.astype("f")
    *_, last = train(model().astype("f"), [(x, y)], mean_squared_error, optimizer, epochs=2)
    assert {weight.dtype.name for weight in last.model.weights.values()} == {"float32"}


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"epochs": 0}, UsageError, "epochs is 0, expected a whole number, 1 or more"),
        ({"truncate": 0}, UsageError, "truncate is 0, expected a whole number"),
        ({"batches": []}, UsageError, r"batches is list \[\], expected a list of pairs \(x, target\)"),
        ({"batches": iter([(X, Y)])}, UsageError, "batches is list_iterator .* expected a list of pairs"),
        ({"batches": (X, Y)}, UsageError, r"batches\[0\] is no pair. .* of one batch, \[\(x, target\)\]"),
        ({"batches": [(X, Y), (X,)]}, UsageError, r"batches\[1\] is no pair"),
        ({"model": model(last_step=True), "truncate": 2}, UsageError, "this head reads the last step alone"),
    ],
)
def test_a_wrong_call_is_refused_at_once(changes: dict[str, Any], error: type[LSTMError], told: str) -> None:
    given: dict[str, Any] = {
        "model": model(),
        "batches": [(X, Y)],
        "loss": mean_squared_error,
        "optimizer": SGD(0.1),
    } | changes
    with pytest.raises(error, match=told):
        train(**given)


def test_a_model_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"the head's kernel has shape \(4, 1\), expected \(H, K\) = \(3, any\)"):
        Model(PARAMS, Dense(np.zeros((4, 1))))
    with pytest.raises(DTypeError, match="the head's kernel has dtype float32, but the LSTM's weights have float64"):
        Model(PARAMS, Dense(np.zeros((3, 1), "f")))
    with pytest.raises(UnsupportedError, match="return_sequences=False is not trained here"):
        Model(PARAMS, options=Options(return_sequences=False))
    with pytest.raises(UsageError, match="cross_entropy takes logits, and this head gives probabilities"):
        differentiate(model(softmax=True), X, np.zeros((4, 6), int), cross_entropy)
