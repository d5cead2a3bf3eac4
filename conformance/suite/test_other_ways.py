"""The other ways in which PyTorch, Keras and ONNX compute an LSTM give the same, and the reference gives it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from conformance.case import Case, Implementation, Result
from conformance.cases.network import NetworkSpec
from conformance.implementations import built_in, pytorch
from conformance.implementations.by_layer import joined, parts
from conformance.implementations.keras import make_layer, part_kind
from conformance.implementations.onnx import compute_by_evaluator
from lstm_ref import Network, Options

DTYPES = ("float64", "float32")
ZERO = Options(zero_output_for_mask=True)
PLAIN = NetworkSpec(6, 9, 3, (4,), stream="other-ways")
STACKED = NetworkSpec(6, 9, 3, (4, 4, 4), stream="other-ways")
RIGHT = replace(STACKED, direction="both", mask="right", options=ZERO)
HOLES = replace(PLAIN, mask="holes", options=ZERO)

PYTORCH: dict[str, tuple[Implementation, list[NetworkSpec]]] = {
    "cells": (
        pytorch.cells,
        [PLAIN, replace(PLAIN, bias=False), replace(PLAIN, options=Options(return_sequences=False))],
    ),
    "modules": (pytorch.stacked, [STACKED, RIGHT, replace(RIGHT, units=(5, 5), projection=4)]),
    "packed-sorted": (pytorch.packed_sorted, [RIGHT, replace(RIGHT, units=(4, 7)), replace(RIGHT, bias=False)]),
    "packed-unsorted": (pytorch.compute, [RIGHT, replace(RIGHT, units=(4, 7))]),
}


def ways() -> list[object]:
    return [
        pytest.param(way, spec, id=f"{name}-{spec.id.removeprefix(PLAIN.stream + '-float64-')}")
        for name, (way, specs) in PYTORCH.items()
        for spec in specs
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("way", "spec"), ways())
def test_pytorch(way: Implementation, spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case = replace(spec, dtype=dtype).build()
    verdict("torch", case, built_in("ref")(case), way(case))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "spec", [STACKED, replace(STACKED, direction="both"), RIGHT], ids=["stacked", "both", "packed"]
)
def test_dropout_that_pytorch_draws(spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case, expected = pytorch.drawing(replace(spec, dtype=dtype).build(), rate=0.25, seed=1)
    factors = case.dropout[1]["forward"].input
    assert factors is not None
    assert set(np.unique(factors)) == {0, factors.max()}, "something is dropped, and the rest is larger"
    assert factors.max() == pytest.approx(4 / 3)
    verdict("torch", case, built_in("ref")(case), expected)


def by_keras(case: Case, layer: Any, cells: Sequence[Any], nested: bool = False) -> Result:
    """Output, states and gradients of a layer of Keras that is called as its users do.

    Parameters
    ----------
    case : Case
    layer : keras.layers.Layer
    cells : sequence of keras.layers.LSTMCell
        Where the case's weights go, layer by layer and direction by direction.
    nested : bool
        Whether states are pairs in a list, as with StackedRNNCells.
    """
    every = parts(case)
    layer.build(case.x.shape)
    params = [params for part in every for params in part.layer.directions.values()]
    weights = []
    for cell, given in zip(cells, params, strict=True):
        for name, array in given.arrays.items():
            getattr(cell, name).assign(array)
        weights.append([getattr(cell, name).value for name in given.arrays])
    x = tf.constant(case.x)
    pairs = [[tf.constant(h), tf.constant(c)] for part in every for h, c in zip(part.h0, part.c0, strict=True)]
    leaves = [x, pairs, weights]
    mask = None if case.mask is None else tf.constant(case.mask)
    with tf.GradientTape() as tape:
        tape.watch([x, pairs])
        initial = pairs if nested else [state for pair in pairs for state in pair]
        output, *final = layer(x, initial_state=initial, mask=mask)
        final = final if nested else [final[k : k + 2] for k in range(0, len(final), 2)]
    cotangents = [[d_h, d_c] for part in every for d_h, d_c in zip(part.d_h, part.d_c, strict=True)]
    d_x, d_pairs, d_weights = tape.gradient(
        [output, final], leaves, output_gradients=tf.nest.map_structure(tf.constant, [case.d_output, cotangents])
    )
    rows, states, of_layers = iter(zip(final, d_pairs, d_weights, strict=True)), [], []
    for part in every:
        of = [(direction, given, *next(rows)) for direction, given in part.layer.directions.items()]
        arrays = {
            "h": [state[0] for _, _, state, _, _ in of], "c": [state[1] for _, _, state, _, _ in of],
            "d_h0": [d[0] for _, _, _, d, _ in of], "d_c0": [d[1] for _, _, _, d, _ in of],
        }  # fmt: skip
        states.append({name: np.stack([np.asarray(one) for one in ones]) for name, ones in arrays.items()})
        of_layers.append(
            {d: dict(zip(given.arrays, map(np.asarray, found), strict=True)) for d, given, _, _, found in of}
        )
    return joined(case, {"output": np.asarray(output), "d_x": np.asarray(d_x)}, states, of_layers)


BACKWARDS = replace(PLAIN, options=Options(go_backwards=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", [PLAIN, HOLES, BACKWARDS], ids=["plain", "holes", "backwards"])
def test_keras_rnn_of_a_cell(spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case = replace(spec, dtype=dtype).build()
    cell = keras.layers.LSTMCell(4, dtype=dtype)
    options = {name: getattr(case.options, name) for name in ("go_backwards", "zero_output_for_mask")}
    layer = keras.layers.RNN(cell, return_sequences=True, return_state=True, dtype=dtype, **options)
    verdict("keras", case, built_in("ref")(case), by_keras(case, layer, [cell]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mask", ["", "holes"])
def test_keras_stacked_cells(mask: str, dtype: str, verdict: Callable[..., None]) -> None:
    case = NetworkSpec(6, 9, 3, (4, 5), mask=mask, dtype=dtype, stream="other-ways").build()
    cells = [keras.layers.LSTMCell(units, dtype=dtype) for units in (4, 5)]
    stack = keras.layers.StackedRNNCells(cells, dtype=dtype)
    layer = keras.layers.RNN(stack, return_sequences=True, return_state=True, dtype=dtype)
    verdict("keras", case, built_in("ref")(case), by_keras(case, layer, cells, nested=True))


UNROLLED = {
    "plain": PLAIN,
    "zeros": HOLES,
    "repeated": replace(HOLES, options=Options()),
    "backwards": replace(HOLES, options=Options(go_backwards=True)),
    "last": replace(HOLES, options=Options(return_sequences=False)),
    "both": replace(PLAIN, direction="both"),
}


def unrolled(case: Case) -> Result:
    (part,) = parts(case)
    layer = make_layer(part_kind(part, case), part.layer.hidden_size, unroll=True)
    both = len(part.layer.directions) == 2
    return by_keras(
        case, layer, [one.cell for one in ([layer.forward_layer, layer.backward_layer] if both else [layer])]
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", UNROLLED.values(), ids=list(UNROLLED))
def test_keras_unrolled(spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case = replace(spec, dtype=dtype).build()
    verdict("keras", case, built_in("ref")(case), unrolled(case))


def test_unrolled_in_both_directions_keras_still_zeroes_other_steps_than_those_masked() -> None:
    case = replace(HOLES, direction="both").build()
    found, expected = unrolled(case)["output"], built_in("ref")(case)["output"]
    wrong = np.any(np.abs(found - expected) > 1e-9, axis=-1, keepdims=True)[..., 0]
    versions = f"Keras {keras.__version__} on TensorFlow {tf.__version__}"
    assert case.mask is not None
    assert wrong.any(), (
        f"{versions} has mended Bidirectional(LSTM(unroll=True)) with a mask: let test_keras_unrolled have it"
    )
    assert not wrong[case.mask.all(axis=1)].any(), f"{versions}: rows without a masked step were right"
    assert np.abs(found - expected)[..., :4].max() < 1e-9, f"{versions}: the forward direction was right"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", [PLAIN, HOLES], ids=["plain", "holes"])
def test_keras_stateful_in_chunks(spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case = replace(spec, state=False, dtype=dtype).build()
    (part,), chunks = parts(case), [slice(0, 4), slice(4, 5), slice(5, 9)]
    layer = make_layer(part_kind(part, case), 4, stateful=True)
    layer.build(case.x[:, :4].shape)
    layer.set_weights([*case.params.arrays.values(), *layer.get_weights()[3:]])
    network, state = Network(case.layers), (case.h0, case.c0)
    ours, theirs = [], []
    for chunk in chunks:
        mask = None if case.mask is None else case.mask[:, chunk]
        output, state = network(case.x[:, chunk], state, mask)
        ours.append(output)
        y, *final = layer(tf.constant(case.x[:, chunk]), mask=None if mask is None else tf.constant(mask))
        theirs.append(np.asarray(y))
    actual = {"output": np.concatenate(ours, axis=1), "h": state[0], "c": state[1]}
    expected = {"output": np.concatenate(theirs, axis=1), "h": np.asarray(final[0]), "c": np.asarray(final[1])}
    verdict("keras", case, actual, expected, forward_only=True)
    verdict("keras", case, built_in("ref")(case), expected, forward_only=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_keras_model_hands_the_mask_on_as_it_was_behind_go_backwards(dtype: str, verdict: Callable[..., None]) -> None:
    spec = NetworkSpec(6, 9, 3, (4, 5), state=False, mask="holes", options=Options(go_backwards=True), dtype=dtype)
    case = replace(spec, stream="other-ways").build()
    every = parts(case)
    layers = [make_layer(part_kind(part, case), part.layer.hidden_size) for part in every]
    flow = given = keras.Input(case.x.shape[1:], dtype=dtype)
    flow, states = keras.layers.Masking(99.0, dtype=dtype)(flow), []
    for layer in layers:
        flow, *of_layer = layer(flow)
        states.append(of_layer)
    for layer, part in zip(layers, every, strict=True):
        layer.set_weights(list(part.layer.params.arrays.values()))
    assert case.mask is not None
    x = np.where(case.mask[..., np.newaxis], case.x, case.dtype.type(99))  # by which Masking knows what to leave out
    output, of_layers = keras.Model(given, [flow, states])(tf.constant(x))
    found = [{"h": np.asarray(h)[np.newaxis], "c": np.asarray(c)[np.newaxis]} for h, c in of_layers]
    verdict(
        "keras", case, built_in("ref")(case), joined(case, {"output": np.asarray(output)}, found), forward_only=True
    )


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("zeros", [True, False])
def test_bidirectional_of_keras_sets_what_masked_steps_give(zeros: bool, sequences: bool) -> None:
    made = keras.layers.LSTM(4, return_sequences=sequences, zero_output_for_mask=zeros)
    both = keras.layers.Bidirectional(made)
    assert [one.zero_output_for_mask for one in (both.forward_layer, both.backward_layer)] == [sequences, sequences]


def test_keras_stateful_forgets_between_chunks_what_a_masked_step_repeats() -> None:
    case = replace(HOLES, options=Options()).build()
    assert case.mask is not None
    row, before = np.argwhere(case.mask[:, :-1] & ~case.mask[:, 1:])[
        0
    ]  # where the second chunk begins with a masked step
    layer = make_layer(part_kind(parts(case)[0], case), 4, stateful=True)
    first, second = (
        np.asarray(layer(tf.constant(case.x[:, chunk]), mask=tf.constant(case.mask[:, chunk]))[0])
        for chunk in (slice(0, before + 1), slice(before + 1, None))
    )
    assert first[row, -1].all()
    assert not second[row, 0].any(), "zeros, as before the first step of a sequence that counts"


ONNX = [
    PLAIN,
    replace(PLAIN, direction="reverse"),
    replace(STACKED, units=(4, 5), direction="both", peephole=True, bias=False),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", ONNX, ids=["plain", "reverse", "stacked-both-peephole"])
def test_onnx_batch_first(spec: NetworkSpec, dtype: str, verdict: Callable[..., None]) -> None:
    case = replace(spec, dtype=dtype).build()
    verdict("onnx", case, built_in("ref")(case), compute_by_evaluator(case, layout=1), forward_only=True)


@pytest.mark.parametrize("coupled", [True, False], ids=["coupled", "three-gates"])
@pytest.mark.parametrize("clip", [0.05, 0.5, 2.0])
def test_onnxruntime_clips_arguments_and_not_the_cell(clip: float, coupled: bool, verdict: Callable[..., None]) -> None:
    options = Options(clip=clip, coupled_gates=coupled, output_activation="linear")
    case = replace(PLAIN, peephole=True, options=options, dtype="float32").build()
    case = replace(case, c0=case.c0 * 10)
    expected = built_in("onnxruntime")(case)
    assert np.abs(expected["output"]).max() > clip, "the cell on its way out is beyond the clip"
    verdict("onnxruntime", case, built_in("ref")(case), expected, forward_only=True)
