"""Training in Keras on TensorFlow, with its own layers, losses and optimizers, and gradients by a GradientTape.

In float64 three things of Keras have to be told so, or they compute in float32 and round by 1e-8 without a word: a loss has
a dtype of its own; a learning rate is a float32 variable unless it is given as a function; and ``beta_1``, ``beta_2`` and
``momentum`` become float32 tensors on their way unless they are NumPy's float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from conformance.implementations.keras import keras, tf  # type: ignore[attr-defined]  # imported there without a word
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


def native_loss(loss: Loss, dtype: str) -> Callable[[Any, Any], Any]:
    """Prediction and target to Keras's loss."""
    mean = keras.losses.MeanSquaredError(dtype=dtype)
    total = keras.losses.MeanSquaredError(reduction="sum", dtype=dtype)  # of means over the last axis
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
    losses: dict[Loss, Callable[[Any, Any], Any]] = {
        mean_squared_error: lambda prediction, target: mean(target, prediction),
        half_squared_error: lambda prediction, target: total(target, prediction) * prediction.shape[-1] / 2,
        first_unit_squared_error: lambda prediction, target: total(target[..., None], prediction[..., :1]),
        cross_entropy: lambda logits, target: classes(target, logits),
    }
    return losses[loss]


def native(optimizer: SGD | Adam) -> Any:
    """Keras's optimizer of these settings."""
    rate = np.float64(optimizer.learning_rate)
    if isinstance(optimizer, SGD):
        return keras.optimizers.SGD(lambda: rate, np.float64(optimizer.momentum))
    betas = np.float64(optimizer.beta_1), np.float64(optimizer.beta_2)
    return keras.optimizers.Adam(lambda: rate, *betas, optimizer.epsilon)


class Trainer:
    """A model in Keras; see `conformance.implementations.training.Trainer`.

    Parameters
    ----------
    model : Model
    loss : callable
        One of `lstm_ref.training`'s, which stands for Keras's.
    optimizer : SGD or Adam
        It stands for Keras's.
    """

    def __init__(self, model: Model, loss: Loss, optimizer: SGD | Adam) -> None:
        require_known(model, optimizer, "Keras", uncorrected=True)
        self.given, dtype = model, model.params.dtype.name
        self.loss, self.optimizer = native_loss(loss, dtype), native(optimizer)
        H, every = model.params.hidden_size, {"return_sequences": True, "return_state": True, "dtype": dtype}
        if model.options == IDENTITY_OUTPUT:
            self.lstm = keras.layers.RNN(_IdentityOutputCell(H, dtype=dtype), **every)
        else:
            self.lstm = keras.layers.LSTM(H, **every)
        self.lstm.build((None, None, model.params.input_size))
        self.variables = [self.lstm.cell.kernel, self.lstm.cell.recurrent_kernel, self.lstm.cell.bias]
        self.head = None
        if model.head is not None:
            units, activation = model.head.kernel.shape[1], "softmax" if model.head.softmax else None
            self.head = keras.layers.Dense(units, activation, use_bias=model.head.bias is not None, dtype=dtype)
            self.head.build((None, H))
            self.variables += self.head.trainable_variables
        self.load(model.weights)
        self.optimizer.build(self.variables)
        self._step = tf.function(self._update, autograph=False)

    @property
    def model(self) -> Model:
        """The model as it is now."""
        arrays = (variable.numpy() for variable in self.variables)
        return self.given.with_weights(dict(zip(self.given.weights, arrays, strict=True)))

    def load(self, weights: Mapping[str, FloatArray]) -> None:
        """Give the model other weights."""
        for variable, name in zip(self.variables, self.given.weights, strict=True):
            variable.assign(weights[name])

    def differentiate(self, x: FloatArray, target: Target, state: State | None) -> Differentiated:
        """The loss of a batch and its gradients."""
        loss, gradients, after = self._gradients(*self._tensors(x, target, state))
        named = zip(self.given.weights, (np.asarray(gradient) for gradient in gradients), strict=True)
        return Differentiated(float(loss), dict(named), _arrays(after))

    def step(self, x: FloatArray, target: Target, state: State | None) -> tuple[float, State]:
        """Update the weights by a batch."""
        loss, after = self._step(*self._tensors(x, target, state))
        return float(loss), _arrays(after)

    def _tensors(self, x: FloatArray, target: Target, state: State | None) -> list[Any]:
        zeros = np.zeros((len(x), self.given.params.hidden_size), x.dtype)
        h, c = (zeros, zeros) if state is None else state
        return [tf.constant(array) for array in (x, target, h, c)]

    def _gradients(self, x: Any, target: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            output, *after = self.lstm(x, initial_state=[h, c])
            prediction = output
            if self.head is not None and self.given.head is not None:
                prediction = self.head(output[:, -1] if self.given.head.last_step else output)
            loss = self.loss(prediction, target)
        return loss, tape.gradient(loss, self.variables, unconnected_gradients="zero"), after

    def _update(self, x: Any, target: Any, h: Any, c: Any) -> tuple[Any, Any]:
        loss, gradients, after = self._gradients(x, target, h, c)
        self.optimizer.apply(gradients, self.variables)
        return loss, after


class _IdentityOutputCell(keras.layers.LSTMCell):  # type: ignore[misc]  # Keras has no types
    """An LSTM cell with h' = o ⊙ c'."""

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step."""
        h, c = states
        z = inputs @ self.kernel + h @ self.recurrent_kernel + self.bias
        z_i, z_f, z_c, z_o = keras.ops.split(z, 4, axis=1)
        sigmoid = keras.ops.sigmoid
        c = sigmoid(z_f) * c + sigmoid(z_i) * keras.ops.tanh(z_c)
        h = sigmoid(z_o) * c
        return h, [h, c]


def _arrays(state: Any) -> State:
    h, c = state
    return np.asarray(h), np.asarray(c)
