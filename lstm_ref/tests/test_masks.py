"""What a mask does: Keras's rule, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_ref import Layer, Network, Options
from lstm_ref.tests.drawn import Drawn, close, cotangents, flat, same

ZEROS = Options(zero_output_for_mask=True)

MASKED = {
    "plain": Drawn(),
    "reverse": Drawn(direction="reverse"),
    "stacked": Drawn((4, 3), direction="both", dropout="steps"),
    "backwards": Drawn((3, 3), direction="both", options=Options(go_backwards=True)),
    "last": Drawn(options=Options(return_sequences=False)),
    "zeros": Drawn((3, 3), direction="both", options=ZEROS),
    "not plain": Drawn((3, 3), direction="both", projection=2, peephole=True, dropout="shared"),
    "exponential": Drawn(options=Options("exponential", "relu", "linear", coupled_gates=True)),
}


@pytest.mark.parametrize("mask", ["right", "left", "holes"])
@pytest.mark.parametrize("drawn", MASKED.values(), ids=MASKED.keys())
def test_what_is_at_masked_steps_changes_nothing_and_has_no_gradient(drawn: Drawn, mask: str) -> None:
    drawn = replace(drawn, mask=mask)
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given)
    d = cotangents(run)
    gradients = network.backward(run, *d)
    assert not gradients.d_x[~given["mask"]].any()
    for value in (np.nan, np.inf, 1e300):
        x = given["x"].copy()
        x[~given["mask"]] = value
        other = network.forward(**given | {"x": x})
        same([other.output, other.h, other.c], [run.output, run.h, run.c])
        same(network.backward(other, *d), gradients)


@pytest.mark.parametrize("drawn", MASKED.values(), ids=MASKED.keys())
def test_a_mask_in_which_every_step_counts_is_no_mask_to_the_bit(drawn: Drawn) -> None:
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given)
    masked = network.forward(**given | {"mask": np.ones((drawn.B, drawn.T), bool)})
    same([masked.output, masked.h, masked.c], [run.output, run.h, run.c])
    d = cotangents(run)
    same(network.backward(masked, *d), network.backward(run, *d))


@pytest.mark.parametrize("options", [Options(), ZEROS, Options(return_sequences=False), replace(ZEROS, clip=0.5)])
@pytest.mark.parametrize("direction", ["forward", "reverse", "both"])
def test_right_padding_is_each_length_by_itself(direction: str, options: Options) -> None:
    drawn = Drawn(direction=direction, options=options, mask="right", B=4)
    network = drawn.network()
    given = drawn.given(network)
    lengths = given["mask"].sum(axis=1)
    run = network.forward(**given)
    d_output, d_h, d_c = cotangents(run)
    if options.return_sequences and not options.zero_output_for_mask:  # what padding shows is tried elsewhere
        d_output *= given["mask"][..., np.newaxis]
    gradients = network.backward(run, d_output, d_h, d_c)

    total = {name: np.zeros_like(a) for name, a in flat(list(gradients.layers)).items()}
    for b, length in enumerate(lengths):
        x, row = given["x"][b : b + 1, :length], np.s_[..., b : b + 1, :]
        alone = network.forward(x, tuple(s[row] for s in given["state"]))
        d_alone = d_output[b : b + 1, :length] if options.return_sequences else d_output[b : b + 1]
        shown = run.output[b : b + 1, :length] if options.return_sequences else run.output[b : b + 1]
        close([shown, run.h[row], run.c[row]], [alone.output, alone.h, alone.c])
        of_row = network.backward(alone, d_alone, d_h[row], d_c[row])
        close(gradients.d_x[b : b + 1, :length], of_row.d_x)
        close([gradients.d_h0[row], gradients.d_c0[row]], [of_row.d_h0, of_row.d_c0])
        total = {name: total[name] + a for name, a in flat(list(of_row.layers)).items()}
    close(list(gradients.layers), total)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("projection", [0, 2], ids=["plain", "not plain"])
def test_masked_steps_repeat_the_output_or_are_zero(projection: int, zero: bool) -> None:
    drawn = Drawn(projection=projection, options=Options(zero_output_for_mask=zero), B=1, T=5)
    network = drawn.network()
    given = drawn.given(network)
    mask = np.array([[False, True, False, True, False]])
    output, (h, c) = network(**given | {"mask": mask})
    counted, last = network(given["x"][:, 1:4:2], given["state"])
    nothing = np.zeros_like(counted[:, 0])
    first, second = counted[:, 0], counted[:, 1]
    shown = [nothing, first, nothing, second, nothing] if zero else [nothing, first, first, second, second]
    close([output, h, c], [np.stack(shown, axis=1), *last])

    end = Network([replace(network.layers[0], options=Options(zero_output_for_mask=zero, return_sequences=False))])
    close(end(**given | {"mask": mask})[0], nothing if zero else second)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_where_no_step_counts_the_state_is_the_initial_one_and_the_output_zero(direction: str) -> None:
    drawn = Drawn(direction=direction)
    network = drawn.network()
    given = drawn.given(network)
    run = network.forward(**given | {"mask": np.zeros((drawn.B, drawn.T), bool)})
    same([run.h, run.c], list(given["state"]))
    assert not run.output.any()
    d_output, d_h, d_c = cotangents(run)
    gradients = network.backward(run, d_output, d_h, d_c)
    same([gradients.d_h0, gradients.d_c0], [d_h, d_c])
    assert not any(a.any() for a in flat(list(gradients.layers)).values())


def test_the_next_layer_is_given_the_mask_as_it_was_given() -> None:
    drawn = Drawn((3, 3), options=Options(go_backwards=True), mask="right")
    network = drawn.network()
    given = drawn.given(network)
    output, _ = network(**given)
    (first, second), (h0, c0) = network.layers, given["state"]
    y, _ = Network(Layer(first.forward))(given["x"][:, ::-1], (h0[0], c0[0]), given["mask"][:, ::-1])
    z, _ = Network(Layer(second.forward))(y[:, ::-1], (h0[1], c0[1]), given["mask"][:, ::-1])
    same(output, z)
