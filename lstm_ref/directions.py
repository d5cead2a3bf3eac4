"""One layer: each of its directions over time, what masked steps show, and the merge; forward and backward.

What a direction reads may run backwards: in the reverse direction, or with ``go_backwards``, or, with both, forwards
again. A reverse direction's outputs are put back into the order of the layer's input, as ``go_backwards`` has left that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_ref import sequence, variant
from lstm_ref.gradients import LayerGradients
from lstm_ref.layer import Dropout, Layer
from lstm_ref.options import Options
from lstm_ref.params import FloatArray

Mask = npt.NDArray[np.bool_]

NO_DROPOUT = Dropout()


@dataclass(frozen=True, eq=False, slots=True)
class DirectionRecord:
    """What is remembered of a direction's forward pass.

    Attributes
    ----------
    time : lstm_ref.sequence.Record or lstm_ref.variant.Record
    shown : array (B, T) of bool, or (B, 1) where only the last output is given, or None
        Where the output is not zero, in the order of processing; None where no mask makes it so.
    factors : array (B, T, D) or (B, 1, D), or None
        What the input was multiplied by.
    output : array or None
        For merge "mul" alone.
    """

    time: sequence.Record | variant.Record
    shown: Mask | None
    factors: FloatArray | None
    output: FloatArray | None


def forward(
    layer: Layer,
    x: FloatArray,
    h0: Sequence[FloatArray],
    c0: Sequence[FloatArray],
    mask: Mask | None,
    dropout: Mapping[str, Dropout],
    remember: int | None,
) -> tuple[FloatArray, list[FloatArray], list[FloatArray], list[DirectionRecord]]:
    """Run a layer.

    Parameters
    ----------
    layer : Layer
    x : array (B, T, D)
    h0, c0 : sequence of arrays (B, P) and (B, H)
        One for each direction.
    mask : array (B, T) of bool, or None
    dropout : mapping
        From directions to their factors.
    remember : int or None
        As in `lstm_ref.sequence.forward`.

    Returns
    -------
    output : array
        As `Layer.output_shape` tells.
    h, c : list of arrays (B, P) and (B, H)
        The final states, one for each direction.
    records : list of DirectionRecord
        Empty if nothing is to be remembered.
    """
    outputs, h, c, records = [], [], [], []
    for number, (direction, params) in enumerate(layer.directions.items()):
        given = dropout.get(direction, NO_DROPOUT)
        factors = given.input if given.input is None or given.input.ndim == 3 else given.input[:, np.newaxis]
        seen = x if factors is None else x * factors
        counted = mask
        if _backwards(layer, direction):
            seen, counted = seen[:, ::-1], None if mask is None else mask[:, ::-1]
        state = h0[number], c0[number]
        time: sequence.Record | variant.Record | None
        if _plain(layer, given):
            every, *last, time = sequence.forward(params, seen, *state, counted, remember)
        else:
            cell = variant.Cell(params, layer.options, given.recurrent)
            every, *last, time = variant.forward(cell, seen, *state, counted, remember is not None)
        shown = _shown(layer.options, counted, x)
        outputs.append(_output(layer, direction, every, last[0], shown))
        h.append(last[0])
        c.append(last[1])
        if time is not None:
            records.append(DirectionRecord(time, shown, factors, outputs[-1] if layer.merge == "mul" else None))
    return _merged(layer.merge, outputs), h, c, records


def backward(
    layer: Layer,
    records: Sequence[DirectionRecord],
    d_output: FloatArray | None,
    d_h: Sequence[FloatArray | None],
    d_c: Sequence[FloatArray | None],
) -> tuple[FloatArray, list[FloatArray], list[FloatArray], LayerGradients]:
    """Backpropagate through a layer; cotangents that are None are zero.

    Parameters
    ----------
    layer : Layer
    records : sequence of DirectionRecord
        The forward pass's; they are left as they are.
    d_output : array as the output is, or None
    d_h, d_c : sequence of arrays (B, P) and (B, H), or None

    Returns
    -------
    d_x : array (B, T, D)
    d_h0, d_c0 : list of arrays (B, P) and (B, H)
    gradients : LayerGradients
    """
    d_outputs = _unmerged(layer.merge, d_output, records)
    d_xs, d_h0, d_c0, gradients = [], [], [], {}
    for number, (direction, params) in enumerate(layer.directions.items()):
        record, d_last = records[number], d_h[number]
        d_every = _d_output(layer, direction, d_outputs[number], record.shown)
        if not layer.options.return_sequences and d_every is not None:
            d_last, d_every = d_every if d_last is None else d_last + d_every, None
        if isinstance(record.time, sequence.Record):
            d_x, *d_state, weights = sequence.backward(params, record.time, d_every, d_last, d_c[number])
        else:
            d_x, *d_state, weights = variant.backward(record.time, d_every, d_last, d_c[number])
        if _backwards(layer, direction):
            d_x = d_x[:, ::-1]
        d_xs.append(d_x if record.factors is None else d_x * record.factors)
        d_h0.append(d_state[0])
        d_c0.append(d_state[1])
        gradients[direction] = weights
    d_x = np.ascontiguousarray(d_xs[0]) if len(d_xs) == 1 else d_xs[0] + d_xs[1]
    return d_x, d_h0, d_c0, LayerGradients(**gradients)


def has_checkpoints(layer: Layer, dropout: Mapping[str, Dropout]) -> bool:
    """Whether no direction of a layer needs more than `lstm_ref.sequence` computes, which alone has checkpoints."""
    return all(_plain(layer, dropout.get(direction, NO_DROPOUT)) for direction in layer.directions)


def _plain(layer: Layer, dropout: Dropout) -> bool:
    """Whether the equations of one step are those of `lstm_ref.cell`."""
    return layer.options.plain_cell and layer.params.plain_cell and dropout.recurrent is None


def _backwards(layer: Layer, direction: str) -> bool:
    """Whether a direction reads x from its end."""
    return layer.options.go_backwards != (direction == "reverse")


def _shown(options: Options, counted: Mask | None, x: FloatArray) -> Mask | None:
    """Where the output is not zero, as in `DirectionRecord`.

    Source: ``zero_output_for_mask`` in https://keras.io/api/layers/recurrent_layers/rnn/; where that is off, Keras repeats the
    output before, and zeros before the first.
    """
    if not options.return_sequences and x.shape[1] == 0:
        return np.zeros((len(x), 1), np.bool_)  # there is no last output
    if counted is None:
        return None
    shown = counted if options.zero_output_for_mask else np.logical_or.accumulate(counted, axis=1)
    return shown if options.return_sequences else shown[:, -1:]


def _output(layer: Layer, direction: str, every: FloatArray, last: FloatArray, shown: Mask | None) -> FloatArray:
    """What a direction shows, of h after every step and after the last."""
    if not layer.options.return_sequences:
        return last.copy() if shown is None else np.where(shown, last, last.dtype.type(0))
    if shown is not None:
        every[~shown] = 0
    return every[:, ::-1] if direction == "reverse" else every


def _d_output(layer: Layer, direction: str, d_output: FloatArray | None, shown: Mask | None) -> FloatArray | None:
    """What `_output` lets through of the cotangent of what is shown, in the order of processing."""
    if d_output is None:
        return None
    if not layer.options.return_sequences:
        return d_output if shown is None else np.where(shown, d_output, d_output.dtype.type(0))
    if direction == "reverse":
        d_output = d_output[:, ::-1]
    return d_output if shown is None else np.where(shown[..., np.newaxis], d_output, d_output.dtype.type(0))


def _merged(merge: str | None, outputs: list[FloatArray]) -> FloatArray:
    if len(outputs) == 1:
        return np.ascontiguousarray(outputs[0])
    there, back = outputs
    if merge == "concat":
        return np.concatenate([there, back], axis=-1)
    if merge is None:
        return np.stack([there, back])
    if merge == "mul":
        return there * back
    return there + back if merge == "sum" else (there + back) / 2


def _unmerged(
    merge: str | None, d_output: FloatArray | None, records: Sequence[DirectionRecord]
) -> Sequence[FloatArray | None]:
    """The cotangent of each direction's output."""
    if d_output is None or len(records) == 1:
        return [d_output] * len(records)
    if merge == "concat":
        return np.split(d_output, 2, axis=-1)
    if merge is None:
        return [d_output[0], d_output[1]]
    if merge == "mul":
        there, back = (record.output for record in records)
        assert there is not None
        assert back is not None
        return [d_output * back, d_output * there]
    return [d_output, d_output] if merge == "sum" else [d_output / 2, d_output / 2]
