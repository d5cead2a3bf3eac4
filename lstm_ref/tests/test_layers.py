"""What networks of any layers and options compute: slopes, and laws that tie one network to another."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_ref import Options
from lstm_ref.tests.drawn import Drawn, cotangents, flat

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
