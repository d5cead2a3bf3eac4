"""Cells that are not plain: where they meet the plain one, and their options one by one, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_ref import Dropout, Layer, LSTMParams, Network, Options
from lstm_ref.activations import ACTIVATIONS
from lstm_ref.tests.drawn import Drawn, close, cotangents, flat


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


@pytest.mark.parametrize("mask", ["", "holes"])
@pytest.mark.parametrize("neutral", ["projection", "peephole", "clip", "dropout"])
def test_an_option_that_changes_nothing_gives_what_the_plain_cell_gives(neutral: str, mask: str) -> None:
    drawn = Drawn(direction="both", mask=mask)
    network = drawn.network()
    given = drawn.given(network)
    layer, other = network.layers[0], dict(given)
    if neutral == "clip":
        layer = replace(layer, options=Options(clip=1e9))
    elif neutral == "dropout":
        other["dropout"] = [dict.fromkeys(layer.directions, Dropout(recurrent=np.ones((drawn.B, 4))))]
    else:
        added = {"projection": np.eye(4)} if neutral == "projection" else {"peephole": np.zeros((3, 4))}
        there, back = (LSTMParams(**params.arrays | added) for params in layer.directions.values())
        layer = replace(layer, forward=there, reverse=back)
    run, variant = network.forward(**given), Network(layer).forward(**other)
    close([variant.output, variant.h, variant.c], [run.output, run.h, run.c])
    d = cotangents(run)
    plain, departed = flat(network.backward(run, *d)), flat(variant.network.backward(variant, *d))
    close({name: departed[name] for name in plain}, plain)


def step(
    options: Options, z: tuple[float, float, float, float], c: float, peephole: object = None
) -> tuple[float, float]:
    """h' and c' of one unit of which z_i, z_f, z_c and z_o are given, before peepholes."""
    weights = np.zeros((1, 4))
    params = LSTMParams(weights, weights, np.array(z), peephole=None if peephole is None else np.array(peephole))
    _, (h, c_next) = Network(Layer(params, options=options))(np.ones((1, 1, 1)), (np.ones((1, 1)), np.full((1, 1), c)))
    return float(h[0, 0]), float(c_next[0, 0])


def test_coupled_gates_forget_what_they_do_not_let_in() -> None:
    h, c = step(Options(coupled_gates=True), (0.3, 7.0, 0.5, 0.1), 2.0)
    i = sigmoid(0.3)
    assert c == pytest.approx((1 - i) * 2.0 + i * np.tanh(0.5))
    assert h == pytest.approx(sigmoid(0.1) * np.tanh(c))


def test_peepholes_see_the_old_cell_state_but_that_of_the_output_gate_the_new_one() -> None:
    h, c = step(Options(), (0.3, 0.2, 0.5, 0.1), 2.0, [[0.4], [-0.6], [0.7]])
    assert c == pytest.approx(sigmoid(0.2 - 0.6 * 2.0) * 2.0 + sigmoid(0.3 + 0.4 * 2.0) * np.tanh(0.5))
    assert h == pytest.approx(sigmoid(0.1 + 0.7 * c) * np.tanh(c))


def test_the_clip_is_on_what_the_activations_are_given_peepholes_included() -> None:
    h, c = step(Options(clip=0.25), (0.3, 0.2, -0.5, 0.1), 2.0, [[0.0], [-0.6], [0.7]])
    assert c == pytest.approx(sigmoid(-0.25) * 2.0 + sigmoid(0.25) * np.tanh(-0.25))
    assert h == pytest.approx(sigmoid(0.25) * np.tanh(c))


def test_each_activation_is_where_its_name_says() -> None:
    h, c = step(Options("softsign", "hard_sigmoid", "relu"), (0.3, 0.2, 0.5, 0.1), 2.0)
    assert c == pytest.approx((0.2 / 6 + 0.5) * 2.0 + (0.3 / 6 + 0.5) * 0.5 / 1.5)
    assert h == pytest.approx((0.1 / 6 + 0.5) * c)
    assert step(Options("linear"), (0.3, 0.2, 0.5, 0.1), 2.0)[0] > 0.7, "the candidate's, if the output's is not given"


def test_a_projection_is_of_the_gated_output_and_the_cell_keeps_its_width() -> None:
    drawn = Drawn(projection=2, T=1)
    network = drawn.network()
    given = drawn.given(network)
    p, (h0, c0) = network.params, given["state"]
    assert p.bias is not None
    assert p.projection is not None
    i, f, g, o = np.split(given["x"][:, 0] @ p.kernel + h0 @ p.recurrent_kernel + p.bias, 4, axis=1)
    c = c0 / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    _, state = network(given["x"], (h0, c0))
    close(list(state), [(np.tanh(c) / (1 + np.exp(-o))) @ p.projection, c])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_their_slopes_keep_the_dtype_and_are_finite_where_their_values_are(
    name: str, dtype: str
) -> None:
    activation = ACTIVATIONS[name]
    z = np.array([-1000, -40, -2.7, -0.3, 0.2, 1.1, 2.4, 2.9, 40, 1000], dtype)
    with np.errstate(all="ignore"):
        a = activation.of(z)
        slope = activation.slope(z, a)
    assert a.dtype == slope.dtype == dtype
    assert a is not z
    finite = np.isfinite(a)
    assert np.isfinite(slope[finite]).all()
    if dtype == "float64":
        with np.errstate(all="ignore"):
            numeric = (activation.of(z + 1e-6) - activation.of(z - 1e-6)) / 2e-6
        np.testing.assert_allclose(slope[finite], numeric[finite], rtol=1e-8, atol=1e-9)


def test_dropout_multiplies_the_input_and_what_the_recurrent_kernel_meets_of_h() -> None:
    drawn = Drawn(T=2)
    network = drawn.network()
    given = drawn.given(network)
    x, (h0, c0) = given["x"], given["state"]
    rng = np.random.default_rng(5)
    each, shared, recurrent = rng.uniform(size=(3, 2, 2)), rng.uniform(size=(3, 2)), rng.uniform(size=(3, 4))
    close(
        network(x, (h0, c0), dropout=[{"forward": Dropout(each)}])[0],
        network(x * each, (h0, c0))[0],
    )
    actual, _ = network(x, (h0, c0), dropout=[{"forward": Dropout(shared, recurrent)}])
    x = x * shared[:, np.newaxis]
    first, (h, c) = network(x[:, :1], (h0 * recurrent, c0))
    second, _ = network(x[:, 1:], (h * recurrent, c))
    close(actual, np.concatenate([first, second], axis=1))
