"""What networks of any layers and options compute: slopes, and laws that tie one network to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lstm_ref import Layer, Network, Options, sequence
from lstm_ref.params import FloatArray
from lstm_ref.tests.drawn import Drawn, close, cotangents, flat, same

NETWORKS = {
    "reverse": Drawn(direction="reverse", bias=False),
    "both directions": Drawn(direction="both"),
    "stacked": Drawn((4, 4, 4), mask="right"),
    "stacked, widths differ": Drawn((4, 2, 3), direction="both", mask="holes"),
    "sum": Drawn(direction="both", merge="sum", mask="left", options=Options(zero_output_for_mask=True)),
    "mul": Drawn((3, 3), direction="both", merge="mul", mask="right"),
    "ave, last": Drawn(direction="both", merge="ave", mask="right", options=Options(return_sequences=False)),
    "unmerged": Drawn((3, 3), direction="both", merge=None, options=Options(go_backwards=True), mask="left"),
    "unmerged, last": Drawn(direction="both", merge=None, options=Options(return_sequences=False)),
    "last, zeros": Drawn(mask="right", options=Options(return_sequences=False, zero_output_for_mask=True)),
    "backwards": Drawn((3, 3), options=Options(go_backwards=True), mask="holes", dropout="steps"),
    "reverse, backwards": Drawn(direction="reverse", options=Options(go_backwards=True), mask="right"),
    "projection": Drawn((4, 4), direction="both", projection=2, mask="right"),
    "projection, first wider": Drawn((5, 4), projection=2, peephole=True),
    "peephole": Drawn(peephole=True, mask="holes", bias=False),
    "peephole, coupled, clip": Drawn(peephole=True, options=Options(coupled_gates=True, clip=0.4)),
    "clip": Drawn(direction="both", options=Options(clip=0.3), mask="left"),
    "dropout": Drawn((3, 3), direction="both", dropout="shared", mask="right"),
    "dropout, projection": Drawn(dropout="shared", projection=2, direction="reverse"),
    "relu, hard_sigmoid": Drawn((3, 3), options=Options("relu", "hard_sigmoid"), direction="both"),
    "linear on its way out": Drawn(options=Options(output_activation="linear"), peephole=True),
    "exponential, softsign": Drawn(options=Options("softsign", "exponential", "elu", clip=2.0)),
    "softplus, hard_sigmoid_keras2": Drawn(options=Options("softplus", "hard_sigmoid_keras2", "linear")),
}


@pytest.mark.parametrize("drawn", NETWORKS.values(), ids=NETWORKS.keys())
def test_gradients_are_the_slopes_of_the_loss(drawn: Drawn) -> None:
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given)
    d_output, d_h, d_c = cotangents(run)
    gradients = flat(network.backward(run, d_output, d_h, d_c))
    values = {f"d_{name}": a for name, a in zip(("x", "h0", "c0"), (given["x"], *given["state"]), strict=True)}
    for k, layer in enumerate(network.layers):
        for direction, params in layer.directions.items():
            values |= {f"layers.{k}.{direction}.d_{name}": a for name, a in params.arrays.items()}
    values = flat(values)
    assert gradients.keys() == values.keys()

    def loss() -> float:
        output, (h, c) = network(**given)
        every = zip(flat([d_output, d_h, d_c]).values(), flat([output, h, c]).values(), strict=True)
        return float(sum((d * a).sum() for d, a in every))

    step = 1e-5
    for name, value in values.items():
        along, before = np.random.default_rng(4).uniform(-1, 1, value.shape), value.copy()
        losses = []
        for sign in (1, -1):
            value[...] = before + sign * step * along
            losses.append(loss())
        value[...] = before
        slope = (losses[0] - losses[1]) / (2 * step)
        assert (gradients[name] * along).sum() == pytest.approx(slope, rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize("drawn", NETWORKS.values(), ids=NETWORKS.keys())
def test_inference_gives_the_numbers_of_the_forward_pass_to_the_bit(drawn: Drawn) -> None:
    network = replace(drawn, dtype="float32").network()
    given = replace(drawn, dtype="float32").given(network)
    output, (h, c) = network(**given)
    run = network.forward(**given)
    same([output, h, c], [run.output, run.h, run.c])
    assert {a.dtype.name for a in flat([output, h, c, network.backward(run, *cotangents(run))]).values()} == {"float32"}


@pytest.mark.parametrize("drawn", NETWORKS.values(), ids=NETWORKS.keys())
def test_nothing_that_is_given_or_returned_is_used_again(drawn: Drawn) -> None:
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given)
    d = cotangents(run)
    first = network.backward(run, *d)
    forward = [given["x"], *given["state"], *([] if given["mask"] is None else [given["mask"]])]
    for array in flat([forward, run.output, run.h, run.c]).values():
        array[...] = np.logical_not(array)
    same(network.backward(run, *d), first)
    results = list(flat([run.output, run.h, run.c, first]).values())
    others = list(flat([forward, list(d)]).values())
    for number, result in enumerate(results):
        assert result.flags.c_contiguous
        assert not any(np.shares_memory(result, other) for other in [*results[:number], *others])


@pytest.mark.parametrize("mask", ["", "holes"])
@pytest.mark.parametrize("options", [Options(), Options(zero_output_for_mask=True), Options(clip=0.5)])
def test_a_reverse_direction_is_a_forward_one_on_flipped_time(options: Options, mask: str) -> None:
    reverse = Drawn(direction="reverse", options=options, mask=mask)
    network = reverse.network()
    given = reverse.given(network)
    run = network.forward(**given)
    d_output, d_h, d_c = cotangents(run)
    for backwards in (False, True):  # the layer's own way to read from the end
        forward = Network(Layer(network.params, options=replace(options, go_backwards=backwards)))
        seen = given if backwards else given | {"x": given["x"][:, ::-1]}
        if mask and not backwards:
            seen = seen | {"mask": given["mask"][:, ::-1]}
        other = forward.forward(**seen)
        same([run.output[:, ::-1], run.h, run.c], [other.output, other.h, other.c])
        ours, theirs = network.backward(run, d_output, d_h, d_c), forward.backward(other, d_output[:, ::-1], d_h, d_c)
        same(ours.d_x, theirs.d_x if backwards else theirs.d_x[:, ::-1])
        same([ours.d_h0, ours.d_c0, ours.layers[0].reverse], [theirs.d_h0, theirs.d_c0, theirs.layers[0].forward])


MERGED: dict[str | None, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    None: lambda a, b: np.array([a, b]),
}


@pytest.mark.parametrize("options", [Options(), Options(go_backwards=True), Options(return_sequences=False)])
@pytest.mark.parametrize("merge", MERGED)
def test_two_directions_are_each_alone_and_then_merged(merge: str | None, options: Options) -> None:
    drawn = Drawn(direction="both", merge=merge, options=options, mask="right")
    network = drawn.network()
    given = drawn.given(network)
    output, (h, c) = network(**given)
    both, (h0, c0) = network.layers[0], given["state"]
    one_way = [Layer(both.forward, options=options), Layer(None, both.reverse, options=options)]
    alone = [Network(layer)(given["x"], (h0[k], c0[k]), given["mask"]) for k, layer in enumerate(one_way)]
    same(output, MERGED[merge](alone[0][0], alone[1][0]))
    same([h, c], [np.array([each[1][n] for each in alone]) for n in (0, 1)])


@pytest.mark.parametrize("drawn", [Drawn((4, 3, 2), "both", mask="holes"), Drawn((3, 3), peephole=True, mask="left")])
def test_stacked_layers_are_each_run_on_what_the_one_before_gave(drawn: Drawn) -> None:
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given)
    d_output, d_h, d_c = cotangents(run)
    gradients = network.backward(run, d_output, d_h, d_c)

    y, runs = given["x"], []
    for k, layer in enumerate(network.layers):
        alone = Network(layer)
        runs.append((alone, alone.forward(y, tuple(s[k] for s in given["state"]), given["mask"])))
        y = runs[-1][1].output
        same([run.h[k], run.c[k]], [runs[-1][1].h, runs[-1][1].c])
    same(run.output, y)
    d = d_output
    for k, (alone, one) in reversed(list(enumerate(runs))):
        of_layer = alone.backward(one, d, d_h[k], d_c[k])
        same([gradients.d_h0[k], gradients.d_c0[k]], [of_layer.d_h0, of_layer.d_c0])
        same(gradients.layers[k], of_layer.layers[0])
        d = of_layer.d_x
    same(gradients.d_x, d)


@pytest.mark.parametrize(
    "drawn",
    [
        Drawn((4, 2), mask="holes", T=9),
        Drawn((3, 3), projection=2, peephole=True, T=9),
        Drawn(mask="right", T=9, options=Options("relu", clip=2.0, zero_output_for_mask=True)),
    ],
)
def test_chunks_with_their_state_carried_are_the_whole(drawn: Drawn) -> None:
    network = drawn.network()
    given = drawn.given(network)
    mask = np.ones((drawn.B, drawn.T), bool) if given["mask"] is None else given["mask"]
    mask[:, 0] = True  # or a chunk shows zeros before its first step that counts
    mask[:, 4] = True
    output, last = network(given["x"], given["state"], mask)
    first, state = network(given["x"][:, :4], given["state"], mask[:, :4])
    second, state = network(given["x"][:, 4:], state, mask[:, 4:])
    close([np.concatenate([first, second], axis=1), *state], [output, *last])


@pytest.mark.parametrize("mask", ["", "holes", "left"])
def test_checkpoints_change_no_bit_of_many_layers_with_a_mask(mask: str) -> None:
    drawn = Drawn((4, 3), direction="both", mask=mask, B=64, T=150)
    network = drawn.network()
    given = drawn.given(network)
    whole, parts = network.forward(**given), network.forward(**given, checkpoint_every=1)
    record = parts.records[0][0].time
    assert isinstance(record, sequence.Record)
    assert record.tape is None, "there are several pieces"
    same([whole.output, whole.h, whole.c], [parts.output, parts.h, parts.c])
    d = cotangents(whole)
    same(network.backward(whole, *d), network.backward(parts, *d))


@pytest.mark.parametrize("sizes", [{"B": 0}, {"T": 0}], ids=["no samples", "no steps"])
@pytest.mark.parametrize("drawn", NETWORKS.values(), ids=NETWORKS.keys())
def test_empty_sequences_and_batches(drawn: Drawn, sizes: dict[str, int]) -> None:
    B, T, network = sizes.get("B", 3), sizes.get("T", 6), drawn.network()
    run = network.forward(np.ones((B, T, 2)), mask=np.ones((B, T), bool))
    gradients = network.backward(run, *cotangents(run))
    assert run.output.shape == network.layers[-1].output_shape(B, T)
    assert not run.output.any()
    assert not any(a.any() for a in flat(list(gradients.layers)).values())
