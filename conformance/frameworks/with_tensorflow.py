"""Gradients by TensorFlow's tape, of a function of tensors.

Source: https://www.tensorflow.org/api_docs/python/tf/GradientTape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from conformance.errors import CandidateError
from lstm_ref.params import FloatArray


def differentiated(
    forward: Callable[..., dict[str, Any]], arguments: list[Any], cotangents: Mapping[str, FloatArray] | None
) -> tuple[dict[str, Any], list[Any] | None]:
    """What a function gives for arguments, and the gradients with respect to them; zero for what was not used.

    Parameters
    ----------
    forward : callable
        Takes a tensor, or a list of them, for each argument, and gives named tensors.
    arguments : list of arrays, or of lists of arrays
    cotangents : mapping of str to array, or None
        Of what `forward` gives; None if there are to be no gradients.

    Raises
    ------
    CandidateError
        If nothing that it gives depends on an argument as far as the tape sees.
    """
    tensors = tf.nest.map_structure(tf.constant, arguments)
    if cotangents is None:
        return forward(*tensors), None
    with tf.GradientTape() as tape:
        tape.watch(tf.nest.flatten(tensors))
        given = forward(*tensors)
    flat = gradients(tape, given, tf.nest.flatten(tensors), cotangents)
    return given, tf.nest.pack_sequence_as(tensors, flat)


def gradients(
    tape: Any, given: Mapping[str, Any], leaves: list[Any], cotangents: Mapping[str, FloatArray]
) -> list[Any]:
    """The gradients of named tensors with respect to tensors or variables; zero for what was not used, or was stopped.

    Raises
    ------
    CandidateError
        If nothing depends on any of them.
    """
    like = [tf.cast(tf.constant(cotangents[name]), value.dtype) for name, value in given.items()]
    found = tape.gradient(list(given.values()), leaves, output_gradients=like)
    if all(gradient is None for gradient in found):
        raise CandidateError(
            f"no gradient flows out of {', '.join(given)}: everything is stopped by tf.stop_gradient, or computed in NumPy."
        )
    return [
        tf.zeros_like(leaf) if gradient is None else tf.convert_to_tensor(gradient)
        for leaf, gradient in zip(leaves, found, strict=True)
    ]


def stack(steps: list[Any], axis: int) -> Any:
    """Steps as one tensor."""
    return tf.stack(steps, axis)
