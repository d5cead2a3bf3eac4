"""Layers and models of Keras on TensorFlow: their variables, how they are called, and their gradients.

Source: https://keras.io/api/layers/recurrent_layers/lstm/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from conformance.errors import CandidateError
from conformance.frameworks.calls import Call, by_signature
from conformance.frameworks.with_tensorflow import gradients, stack
from lstm_ref.params import FloatArray

__all__ = ["call_of", "differentiated", "gates_of", "made", "rebuilt", "require_one_layer", "shapes_of", "stack"]

FLAGS = {"return_sequences": True, "return_state": True}
FROZEN = ("name", "dtype", "units", *FLAGS)
"""What is not taken over from an instance."""


def rebuilt(layer: Any) -> Callable[[int, int], Any] | None:
    """What makes layers like a given one of Keras's own of other sizes; None for other classes."""
    if type(layer) is keras.layers.LSTM:
        own = {name: value for name, value in layer.get_config().items() if name not in FROZEN}
        return lambda D, H: keras.layers.LSTM.from_config({**own, "units": H, **FLAGS})
    cell = _cell_of(layer)
    if type(cell) is keras.layers.LSTMCell:
        of_cell = {name: value for name, value in cell.get_config().items() if name not in FROZEN}
        return lambda D, H: keras.layers.RNN(keras.layers.LSTMCell.from_config({**of_cell, "units": H}), **FLAGS)
    return None


def require_one_layer(layer: Any) -> None:
    """Refuse what is more than one plain layer, or is not told by its class.

    Raises
    ------
    CandidateError
        For another backend than TensorFlow, two directions, or a layer that reads from the end or keeps its state.
    """
    if keras.backend.backend() != "tensorflow":
        raise CandidateError(f"Keras runs on {keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow.")
    if isinstance(layer, keras.layers.Bidirectional | keras.layers.StackedRNNCells):
        raise CandidateError(
            f"a {type(layer).__name__} is more than one layer: conformance.module takes one plain layer. Give it the layer inside, or "
            "write a candidate that takes the case, declared with features=(...)."
        )
    if told := [name for name in ("go_backwards", "stateful") if getattr(layer, name, False) is True]:
        raise CandidateError(
            f"the layer has {told[0]}=True: conformance.module takes one plain layer. Make it without."
        )


@contextmanager
def _policy(dtype: str) -> Iterator[None]:
    """Within it, layers are of this dtype unless they say otherwise."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx(dtype)  # what keras.Input makes of what it is given
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def made(factory: Callable[[int, int], Any], D: int, H: int, dtype: str, call: Call, zeros: list[FloatArray]) -> Any:
    """A layer of these sizes and this dtype, which was called once, so that it has its variables."""
    with _policy(dtype):
        layer = factory(D, H)
        if isinstance(layer, keras.layers.LSTM | keras.layers.RNN) and not (
            layer.return_sequences and layer.return_state
        ):
            raise CandidateError(
                f"a {type(layer).__name__} gives output, h and c with return_sequences=True, return_state=True: make it so."
            )
        call.function(layer, *map(tf.constant, zeros))
    layer.trainable = True
    return layer


def shapes_of(layer: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of its variables, by path."""
    return {variable.path: tuple(variable.shape) for variable in layer.trainable_variables}


def gates_of(layer: Any) -> str:
    """The order of its gates, if it is an LSTM of Keras's, or has no other variables than one's."""
    inner = [layer, *getattr(layer, "layers", ()), *vars(layer).values()]
    theirs = [each for each in inner if isinstance(each, keras.layers.LSTM | keras.layers.LSTMCell)]
    theirs += [each for each in inner if isinstance(_cell_of(each), keras.layers.LSTMCell)]
    covered = {id(variable) for each in theirs for variable in each.trainable_variables}
    return "ifco" if theirs and covered == {id(variable) for variable in layer.trainable_variables} else ""


def call_of(layer: Any) -> Call:
    """How a layer is called.

    Raises
    ------
    CandidateError
        If its signature does not tell.
    """
    if isinstance(layer, keras.layers.RNN):
        return Call(lambda layer, x, h0, c0: layer(x, initial_state=[h0, c0]))
    if isinstance(layer, keras.layers.LSTMCell):
        return Call(_over_time)
    if isinstance(layer, keras.Sequential):
        return Call(lambda model, x: model(x), stateless=True)
    if isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras."):  # made of inputs and outputs
        if len(layer.inputs) == 3:
            return Call(lambda model, *arguments: model(list(arguments)))
        if len(layer.inputs) == 1:
            return Call(lambda model, x: model(x), stateless=True)
        raise CandidateError(
            f"the model has {len(layer.inputs)} inputs, expected x, or x, h and c: say how it is called, as "
            "call=lambda model, x, h0, c0: model(...)."
        )
    return by_signature(type(layer).__name__, layer.call)


def _over_time(cell: Any, x: Any, h0: Any, c0: Any) -> Any:
    outputs, states = [], [h0, c0]
    for t in range(x.shape[1]):
        output, states = cell(x[:, t], states)
        outputs.append(output)
    return outputs, states


def differentiated(
    layer: Any,
    forward: Callable[..., dict[str, Any]],
    inputs: list[FloatArray],
    values: list[FloatArray],
    cotangents: Mapping[str, FloatArray] | None,
) -> tuple[dict[str, Any], list[Any]]:
    """What a layer gives with these values of its variables, and the gradients of inputs and of variables."""
    for variable, array in zip(layer.trainable_variables, values, strict=True):
        variable.assign(array)
    tensors = [tf.constant(array) for array in inputs]
    if cotangents is None:
        return forward(layer, *tensors), []
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        given = forward(layer, *tensors)
    leaves = [*tensors, *(variable.value for variable in layer.trainable_variables)]
    return given, gradients(tape, given, leaves, cotangents)


def _cell_of(layer: Any) -> Any:
    """The cell of a ``keras.layers.RNN``, or the layer itself."""
    return layer.cell if type(layer) is keras.layers.RNN else layer
