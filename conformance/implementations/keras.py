"""``keras.layers.LSTM`` and ``Bidirectional`` on TensorFlow as an implementation; gradients by a GradientTape.

Source: https://keras.io/api/layers/recurrent_layers/lstm/ and .../bidirectional/.

What Keras does, and a case has to ask for it in its words:

- `Bidirectional` sets ``zero_output_for_mask`` of its two layers to ``return_sequences``, whatever they were made with. It
  is set back here, on the real layers, to what the case says; nothing else in Keras stands in its way.
- ``recurrent_dropout`` draws four factors for each unit, one for each gate, and with it ``dropout`` does so too; a case has
  the same for all four gates, and all four are given to the layer.
- Between layers the mask stays as it was, also behind a layer with ``go_backwards``, whose outputs are in another order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from conformance.case import Case, Result
from conformance.errors import OracleError
from conformance.implementations.by_layer import Part, joined, parts
from conformance.implementations.keras_refusal import refusal
from conformance.implementations.prepared import Prepared
from conformance.implementations.unheard import unheard
from lstm_ref.errors import UnsupportedError
from lstm_ref.params import FloatArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow while it is imported: no start-up chatter
with unheard():
    import keras
    import tensorflow as tf

Size: TypeAlias = int | None
"""None for any."""

RATE = 0.5
"""Any rate that is not 0: Keras looks for factors where there is a rate, and then at the factors alone."""


@keras.saving.register_keras_serializable(package="conformance")  # type: ignore[untyped-decorator]  # Keras has no types
def hard_sigmoid_keras2(z: Any) -> Any:
    """Keras 2's hard sigmoid, clip(0.2 z + 1/2, 0, 1), which Keras 3 has no name for."""
    return keras.ops.clip(0.2 * z + 0.5, 0.0, 1.0)


def named_activation(name: str) -> Any:
    """What Keras takes for one of our names of activations."""
    return hard_sigmoid_keras2 if name == "hard_sigmoid_keras2" else name


def compute(case: Case) -> Result:
    """Forward and backward pass of Keras's layers on the CPU, in the case's dtype.

    All layers but the last run forward once to give the next one its input, and once more on the way back, where each has
    its own tape: two traced calls are faster than one with what it has to remember in between.

    Raises
    ------
    UnsupportedError
        If Keras has not what the case asks for.
    OracleError
        If Keras runs on another backend than TensorFlow.
    """
    return _computed(case, _traced)


def eager(case: Case) -> Result:
    """The same without a trace: a step takes milliseconds, but the first call of a kind not the seconds that a trace does.

    It is for many kinds of short cases; `compute` is for many cases of a kind, or long ones.
    """
    return _computed(case, _untraced)


def _computed(case: Case, function: Callable[[Kind, bool], Any]) -> Result:
    check(case)
    every, mask = parts(case), case.mask
    given = [_Given(part, part_kind(part, case)) for part in every]
    flows = [tf.constant(case.x)]
    masks = [] if mask is None else [tf.constant(mask)]
    for one in given[:-1]:
        flows.append(function(one.kind, False)(flows[-1], one.tensors, masks)[0])
    cotangent, output, states, weights = tf.constant(case.d_output), None, [], []
    for x, one in zip(flows[::-1], given[::-1], strict=True):
        found, cotangent, of_states, of_weights = function(one.kind, True)(
            x, one.tensors, masks, [cotangent, *one.cotangents]
        )
        output = found[0] if output is None else output
        states.append(_states(found[1:], of_states))
        weights.append(_weights(one.part, of_weights))
    named = {"output": np.asarray(output), "d_x": np.asarray(cotangent)}
    return joined(case, named, states[::-1], weights[::-1])


def prepared(case: Case, backward: bool) -> Prepared:
    """The forward pass, or the forward and backward pass, traced as a whole for the case's sizes, with the case's tensors."""
    check(case)
    every = parts(case)
    given = [_Given(part, part_kind(part, case)) for part in every]
    layers = [make_layer(one.kind, one.part.layer.hidden_size) for one in given]
    for one, layer in zip(given, layers, strict=True):
        layer.build((None, None, one.part.layer.input_size))
    masks = [] if case.mask is None else [tf.constant(case.mask)]
    x, tensors = tf.constant(case.x), [one.tensors for one in given]
    cotangents = [tf.constant(case.d_output), [one.cotangents for one in given]]

    def forward(x: Any, tensors: Any, masks: Any) -> Any:
        states = []
        for one, layer, of_layer in zip(given, layers, tensors, strict=True):
            x, *of = _apply(layer, one.kind, x, of_layer, masks)
            states.append(of)
        return [x, states]

    def training(x: Any, tensors: Any, masks: Any, cotangents: Any) -> Any:
        leaves = [x, [[states, weights] for states, weights, _ in tensors]]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            found = forward(x, tensors, masks)
        return [*found, *tape.gradient(found, leaves, output_gradients=cotangents, unconnected_gradients="zero")]

    def result(found: Any) -> Result:
        output, states, *gradients = found
        named = {"output": np.asarray(output)}
        if not gradients:
            return joined(case, named, [_states(of, ()) for of in states])
        d_x, of_layers = gradients
        return joined(
            case,
            named | {"d_x": np.asarray(d_x)},
            [_states(of, d_of) for of, (d_of, _) in zip(states, of_layers, strict=True)],
            [_weights(one.part, d_weights) for one, (_, d_weights) in zip(given, of_layers, strict=True)],
        )

    step, arguments = (training, (x, tensors, masks, cotangents)) if backward else (forward, (x, tensors, masks))
    # a concrete function: what is no more than called again is not taken for one that is traced too often
    compiled = tf.function(step, autograph=False).get_concrete_function(*arguments)
    return Prepared(lambda: compiled(*arguments), result)


def check(case: Case) -> None:
    """Raise what keeps Keras from computing the case."""
    if keras.backend.backend() != "tensorflow":
        raise OracleError(
            f"Keras runs on the backend {keras.backend.backend()!r}, expected TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    if reason := refusal(case):
        raise UnsupportedError(f"{reason}.")


@dataclass(frozen=True)
class Kind:
    """Everything about a layer but its sizes: what a trace depends on."""

    dtype: str
    both: bool
    merge: str | None
    bias: bool
    activation: str
    recurrent_activation: str
    go_backwards: bool
    return_sequences: bool
    masked: bool
    zero_output_for_mask: bool
    between: bool
    input_dropout: bool
    recurrent_dropout: bool

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.both else 1


def part_kind(part: Part, case: Case) -> Kind:
    """The kind of a case's layer; what has no effect without a mask or a second direction is left at one value."""
    layer, options, masked = part.layer, part.layer.options, case.mask is not None
    both = len(layer.directions) == 2
    between = part.between is not None
    return Kind(
        case.dtype.name, both, layer.merge if both else None, layer.params.bias is not None,
        options.activation, options.recurrent_activation, options.go_backwards, options.return_sequences,
        masked, masked and options.zero_output_for_mask, between,
        input_dropout=not between and any(given.input is not None for given in part.dropout.values()),
        recurrent_dropout=any(given.recurrent is not None for given in part.dropout.values()),
    )  # fmt: skip


def make_layer(kind: Kind, units: int = 1, **options: Any) -> Any:
    """A real layer of this kind, not yet built.

    Parameters
    ----------
    kind : Kind
    units : int
    **options
        More of what ``keras.layers.LSTM`` takes.
    """

    def lstm(go_backwards: bool) -> Any:
        return keras.layers.LSTM(
            units,
            activation=named_activation(kind.activation),
            recurrent_activation=named_activation(kind.recurrent_activation),
            use_bias=kind.bias,
            dropout=RATE * kind.input_dropout,
            recurrent_dropout=RATE * kind.recurrent_dropout,
            return_sequences=kind.return_sequences,
            return_state=True,
            go_backwards=go_backwards,
            zero_output_for_mask=kind.zero_output_for_mask,
            dtype=kind.dtype,
            **options,
        )

    layer = lstm(kind.go_backwards)
    if kind.both:
        layer = keras.layers.Bidirectional(
            layer, kind.merge, backward_layer=lstm(not kind.go_backwards), dtype=kind.dtype
        )
        for of_direction in (layer.forward_layer, layer.backward_layer):
            of_direction.zero_output_for_mask = kind.zero_output_for_mask
    return layer


class _Given:
    """A layer's tensors: states, weights and factors of each direction; and the cotangents of its final states."""

    def __init__(self, part: Part, kind: Kind) -> None:
        self.part, self.kind = part, kind
        self.tensors = [
            [tf.constant(array) for pair in zip(part.h0, part.c0, strict=True) for array in pair],
            [[tf.constant(array) for array in of.arrays.values()] for of in part.layer.directions.values()],
            [[tf.constant(array) for array in _factors(part, direction)] for direction in part.layer.directions],
        ]
        self.cotangents = [tf.constant(array) for pair in zip(part.d_h, part.d_c, strict=True) for array in pair]


def _factors(part: Part, direction: str) -> list[FloatArray]:
    given = part.dropout.get(direction)
    return [] if given is None else [factors for factors in (given.input, given.recurrent) if factors is not None]


@cache
def _traced(kind: Kind, backward: bool) -> Any:
    """A function traced for all sizes: tracing costs a second, a traced call milliseconds.

    One that serves every D and H is up to a quarter slower than one for given sizes.
    """

    def of(rank: int) -> Any:
        return tf.TensorSpec([None] * rank, kind.dtype)

    shared = [kind.input_dropout or kind.between, kind.recurrent_dropout]
    ranks = [3 if kind.between else 2, 2]
    states = [of(2)] * (2 * kind.directions)
    weights = [[of(2), of(2), of(1)][: 3 if kind.bias else 2]] * kind.directions
    factors = [[of(rank) for rank, there in zip(ranks, shared, strict=True) if there]] * kind.directions
    masks = [tf.TensorSpec([None, None], tf.bool)] * kind.masked
    signature: list[Any] = [of(3), [states, weights, factors], masks]
    if backward:
        signature.append([of(2 + kind.return_sequences + (kind.both and kind.merge is None)), *states])
    return tf.function(_untraced(kind, backward), signature, autograph=False).get_concrete_function()


@cache
def _untraced(kind: Kind, backward: bool) -> Any:
    """A layer of this kind as a function of all that it is given, or of that and the cotangents.

    The layer's own `call` is called, with the case's weights in the place of its variables, so that one layer can serve
    every D and H.
    """
    layer = make_layer(kind)
    layer.build((None, None, 1))

    def training(x: Any, tensors: Any, masks: Any, cotangents: Any) -> Any:
        leaves = [x, *tensors[:2]]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            found = _apply(layer, kind, x, tensors, masks)
        return [found, *tape.gradient(found, leaves, output_gradients=cotangents, unconnected_gradients="zero")]

    return training if backward else partial(_apply, layer, kind)


def _apply(layer: Any, kind: Kind, x: Any, tensors: Any, masks: Sequence[Any]) -> list[Any]:
    """Call the real layer with these tensors in the place of its variables: the output, then h and c of each direction."""
    states, weights, factors = tensors
    cells = [layer.forward_layer.cell, layer.backward_layer.cell] if kind.both else [layer.cell]
    for cell, of_cell, of_dropout in zip(cells, weights, factors, strict=True):
        given = dict(zip(("kernel", "recurrent_kernel", "bias"), of_cell, strict=False))
        for name, weight in given.items():
            object.__setattr__(cell, name, weight)  # around Keras's tracker, which takes variables only
        if kind.recurrent_dropout:
            object.__setattr__(
                cell, "units", tf.shape(given["recurrent_kernel"])[0]
            )  # by which it then splits the kernel
        give_factors(cell, kind, of_dropout)
    if kind.between:
        x = x * factors[0][0]  # as keras.layers.Dropout in front of the layer does it
    output, *final = layer.call(
        x, initial_state=states, mask=masks[0] if masks else None, training=kind.input_dropout or kind.recurrent_dropout
    )
    if kind.both and kind.merge is None:
        return [tf.stack([output, final[0]]), *final[1:]]
    return [output, *final]


def give_factors(cell: Any, kind: Kind, factors: Sequence[Any]) -> None:
    """Lay the factors where the cell keeps those that it has drawn for the call; it draws only if there are none.

    A cell with `recurrent_dropout` keeps one for each gate, also of its input.
    """
    given = list(factors[1:] if kind.between else factors)
    for name, there in (("_dropout_mask", kind.input_dropout), ("_recurrent_dropout_mask", kind.recurrent_dropout)):
        if there:
            mask = given.pop(0)
            object.__setattr__(cell, name, [mask] * 4 if kind.recurrent_dropout else mask)


def _states(found: Sequence[Any], gradients: Sequence[Any]) -> dict[str, FloatArray]:
    """States and their gradients, which come as h and c of each direction in turn."""
    every = {"h": found[::2], "c": found[1::2], "d_h0": gradients[::2], "d_c0": gradients[1::2]}
    return {name: np.stack([np.asarray(tensor) for tensor in tensors]) for name, tensors in every.items() if tensors}


def _weights(part: Part, gradients: Sequence[Sequence[Any]]) -> dict[str, dict[str, FloatArray]]:
    return {
        direction: {name: np.asarray(tensor) for name, tensor in zip(params.arrays, tensors, strict=True)}
        for (direction, params), tensors in zip(part.layer.directions.items(), gradients, strict=True)
    }
