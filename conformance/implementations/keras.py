"""``keras.layers.LSTM`` on TensorFlow as an implementation; gradients by a GradientTape.

Source: https://keras.io/api/layers/recurrent_layers/lstm/.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow while it is imported: no start-up chatter

import keras
import numpy as np
import tensorflow as tf

from conformance.case import Case, Result
from conformance.errors import OracleError
from lstm_ref.errors import UnsupportedError

NAMES = ("output", "h", "c", "d_x", "d_h0", "d_c0", "d_kernel", "d_recurrent_kernel", "d_bias")


def compute(case: Case) -> Result:
    """Forward and backward pass of a ``keras.layers.LSTM`` on the CPU, in the case's dtype.

    Raises
    ------
    OracleError
        If Keras runs on another backend than TensorFlow.
    """
    if case.mask is not None:
        raise UnsupportedError("the Keras implementation takes no mask yet.")
    if keras.backend.backend() != "tensorflow":
        raise OracleError(
            f"Keras runs on the backend {keras.backend.backend()!r}, expected TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    results = prepared(case)()
    return {name: np.asarray(tensor) for name, tensor in zip(NAMES, results, strict=False)}


def prepared(case: Case) -> Callable[[], Any]:
    """The traced forward and backward pass with the case's tensors, ready to be called."""
    params = case.params
    inputs = [case.x, case.h0, case.c0, params.kernel, params.recurrent_kernel]
    if params.bias is not None:
        inputs.append(params.bias)
    compiled = _compiled(case.dtype.name, params.bias is not None)
    tensors = [tf.constant(a) for a in inputs], [tf.constant(a) for a in (case.d_output, case.d_h, case.d_c)]
    return lambda: compiled(*tensors)


@cache
def _compiled(dtype: str, has_bias: bool) -> Any:
    """A traced function for all sizes: tracing costs a few tenths of a second, a traced call milliseconds.

    The layer's own `call` is traced, with the case's weights in the place of its variables, so that
    one trace serves every D and H.
    """
    layer = keras.layers.LSTM(1, use_bias=has_bias, return_sequences=True, return_state=True, dtype=dtype)
    layer.build((None, None, 1))
    shapes = [(None,) * n for n in (3, 2, 2, 2, 2, 1)[: 6 if has_bias else 5]]
    inputs_like = [tf.TensorSpec(shape, dtype) for shape in shapes]
    cotangents_like = [tf.TensorSpec((None,) * n, dtype) for n in (3, 2, 2)]

    @tf.function(input_signature=[inputs_like, cotangents_like])  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def forward_and_backward(inputs: list[tf.Tensor], cotangents: list[tf.Tensor]) -> list[tf.Tensor]:
        x, h0, c0, *weights = inputs
        for name, weight in zip(("kernel", "recurrent_kernel", "bias"), weights, strict=False):
            object.__setattr__(layer.cell, name, weight)  # around Keras's tracker, which takes variables only
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer.call(x, initial_state=[h0, c0])
        gradients = tape.gradient(outputs, inputs, output_gradients=cotangents, unconnected_gradients="zero")
        return [*outputs, *gradients]

    return forward_and_backward
