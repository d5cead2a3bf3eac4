"""``keras.layers.LSTM`` on TensorFlow as an implementation; gradients by a GradientTape.

Source: https://keras.io/api/layers/recurrent_layers/lstm/.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from conformance.case import QUANTITIES, Case, Result
from conformance.errors import OracleError
from conformance.implementations.prepared import Prepared
from conformance.implementations.unheard import unheard
from lstm_ref.errors import UnsupportedError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow while it is imported: no start-up chatter
with unheard():
    import keras
    import tensorflow as tf

Sizes: TypeAlias = tuple[int | None, int | None, int | None, int | None]
"""(B, T, D, H); None for any."""
ANY: Sizes = (None, None, None, None)


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
    ready = _prepared(case, backward=True, sizes=ANY)
    return ready.result(ready.step())


def prepared(case: Case, backward: bool) -> Prepared:
    """The forward pass, or the forward and backward pass, traced for the case's sizes, with the case's tensors."""
    return _prepared(case, backward, case.sizes)


def _prepared(case: Case, backward: bool, sizes: Sizes) -> Prepared:
    params = case.params
    inputs = [case.x, case.h0, case.c0, params.kernel, params.recurrent_kernel]
    if params.bias is not None:
        inputs.append(params.bias)
    compiled = _compiled(case.dtype.name, params.bias is not None, backward, sizes)
    tensors = [tf.constant(a) for a in inputs], [tf.constant(a) for a in (case.d_output, case.d_h, case.d_c)]
    return Prepared(lambda: compiled(*tensors), _result)


def _result(given: Sequence[tf.Tensor]) -> Result:
    return {name: np.asarray(tensor) for name, tensor in zip(QUANTITIES, given, strict=False)}


@cache
def _compiled(dtype: str, has_bias: bool, backward: bool, sizes: Sizes) -> Any:
    """A function traced for these sizes, or for all: tracing costs a few tenths of a second, a traced call milliseconds.

    The layer's own `call` is traced, with the case's weights in the place of its variables, so that
    one trace can serve every D and H. One that does is up to a quarter slower.
    """
    B, T, D, H = sizes
    gates = None if H is None else 4 * H
    layer = keras.layers.LSTM(1, use_bias=has_bias, return_sequences=True, return_state=True, dtype=dtype)
    layer.build((None, None, 1))
    shapes = [(B, T, D), (B, H), (B, H), (D, gates), (H, gates), (gates,)][: 6 if has_bias else 5]
    inputs_like = [tf.TensorSpec(shape, dtype) for shape in shapes]
    cotangents_like = [tf.TensorSpec(shape, dtype) for shape in ((B, T, H), (B, H), (B, H))]

    @tf.function(input_signature=[inputs_like, cotangents_like])  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def compiled(inputs: list[tf.Tensor], cotangents: list[tf.Tensor]) -> list[tf.Tensor]:
        x, h0, c0, *weights = inputs
        for name, weight in zip(("kernel", "recurrent_kernel", "bias"), weights, strict=False):
            object.__setattr__(layer.cell, name, weight)  # around Keras's tracker, which takes variables only
        if not backward:
            return list(layer.call(x, initial_state=[h0, c0]))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer.call(x, initial_state=[h0, c0])
        gradients = tape.gradient(outputs, inputs, output_gradients=cotangents, unconnected_gradients="zero")
        return [*outputs, *gradients]

    return compiled
