"""Misuse of networks of several layers, and of options: each has an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lstm_ref import Dropout, Layer, LSTMParams, Network, Options
from lstm_ref.errors import DTypeError, LSTMError, ShapeError, UnsupportedError, UsageError
from lstm_ref.tests.drawn import Drawn

X = np.ones((3, 6, 2))
STATE = np.ones((4, 3, 4))

ONE = Drawn().network()
BOTH = Drawn((4, 4), direction="both").network()
UNEQUAL = Drawn((4, 3)).network()
PROJECTED = Drawn(projection=2).network()
PEEPHOLE = Drawn((4, 4), peephole=True).network()
LAYER = ONE.layers[0]


def last(**options: Any) -> list[Layer]:
    """Two layers, of which the first has options that only the last may have."""
    first, second = Drawn((4, 4), direction="both").network().layers
    return [replace(first, **options), second]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Network([]), UsageError, "at least one layer"),
        (lambda: Network([LAYER, ONE.params]), UsageError, "a list of Layers, not list"),  # type: ignore[list-item]
        (
            lambda: Network([LAYER, LAYER]),
            ShapeError,
            r"layer 0 gives outputs of 4 units.*\(2, 16\), expected \(4, 16\)",
        ),
        (
            lambda: Network([*BOTH.layers, BOTH.layers[1].astype("f4")]),
            DTypeError,
            "layer 1 have dtype float64, those of",
        ),
        (lambda: Network(last(merge=None)), UsageError, "layer 0 has merge=None"),
        (
            lambda: Network(last(options=Options(return_sequences=False))),
            UsageError,
            "layer 0 has return_sequences=False",
        ),
        (lambda: Layer(None), UsageError, "at least one direction"),
        (lambda: Layer(ONE.params, merge="max"), UsageError, "merge='max'"),
        (lambda: Layer(ONE.params, PROJECTED.params), ShapeError, "differ in shape"),
        (lambda: Layer(ONE.params, ONE.params.astype("float32")), DTypeError, "the reverse ones float32"),
        (lambda: Options(activation="swish"), UnsupportedError, "activation='swish' is none of sigmoid, tanh"),
        (lambda: Options(clip=0.0), UsageError, "clip is 0.0, expected a positive number"),
        (lambda: BOTH(X, (STATE[:2], STATE)), ShapeError, r"h0 has shape \(2, 3, 4\).*\(layers \* directions, B, H\)"),
        (lambda: BOTH(X, (STATE, STATE.swapaxes(0, 1))), ShapeError, r"c0 has shape.*never batch-first"),
        (lambda: UNEQUAL(X, (STATE, STATE)), UsageError, r"h0 must be a list of 2 arrays"),
        (lambda: UNEQUAL(X, ([STATE[:1]] * 2,) * 2), ShapeError, r"h0\[1\] has shape \(1, 3, 4\).*= \(1, 3, 3\)"),
        (
            lambda: PROJECTED(X, (STATE[0], STATE[0])),
            ShapeError,
            r"h0 has shape \(3, 4\), expected \(B, P\) = \(3, 2\)",
        ),
        (lambda: BOTH.backward(BOTH.forward(X), d_h=STATE[0]), ShapeError, r"d_h has shape \(3, 4\)"),
        (lambda: BOTH.backward(BOTH.forward(X), X), ShapeError, r"d_output.*expected \(B, T, 2H\) = \(3, 6, 8\)"),
        (
            lambda: ONE(X, mask=np.ones((6, 3), bool)),
            ShapeError,
            r"mask has shape \(6, 3\), expected \(B, T\) = \(3, 6\)",
        ),
        (lambda: ONE(X, mask=np.ones((3, 6), int)), DTypeError, "mask has dtype int64, expected bool"),
        (lambda: BOTH(X, dropout=[None]), UsageError, "dropout must be a list of 2 entries"),
        (lambda: ONE(X, dropout=[{"reverse": Dropout()}]), UsageError, r"dropout\[0\]\['reverse'\].*of forward"),
        (lambda: ONE(X, dropout=[{"forward": X}]), UsageError, "is a ndarray"),  # type: ignore[dict-item]
        (
            lambda: ONE(X, dropout=[{"forward": Dropout(X[:2])}]),
            ShapeError,
            r"\.input has shape.*\(B, T, D\) = \(3, 6, 2\)",
        ),
        (lambda: ONE(X, dropout=[{"forward": Dropout(X[:, 0, :1])}]), ShapeError, r"\.input.*\(B, D\) = \(3, 2\)"),
        (lambda: ONE(X, dropout=[{"forward": Dropout(None, X)}]), ShapeError, r"\.recurrent.*\(B, H\) = \(3, 4\)"),
        (lambda: ONE(X, dropout=[{"forward": Dropout(X.astype("f4"))}]), DTypeError, r"\.input has dtype float32"),
        (lambda: PEEPHOLE.forward(X, checkpoint_every=2), UnsupportedError, "those of layer 0 are not"),
        (
            lambda: ONE.forward(X, dropout=[{"forward": Dropout(None, STATE[0])}], checkpoint_every=2),
            UnsupportedError,
            "checkpoint_every",
        ),
        (lambda: BOTH.backward(BOTH.forward(X), d_h=STATE).d_kernel, UsageError, r"grads.layers\[k\].forward.d_kernel"),
        (lambda: BOTH.params, UsageError, r"network.layers\[k\]"),
        (lambda: LSTMParams(np.ones((2, 8)), np.ones((2, 8)), peephole=np.ones(6)), ShapeError, r"expected \(3, H\)"),
        (lambda: LSTMParams(np.ones((2, 8)), np.ones((2, 8)), projection=np.ones((3, 2))), ShapeError, r"\(P, 4H\)"),
    ],
)
def test_misuse_is_named(call: Callable[[], Any], error: type[LSTMError], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_a_single_layer_has_is_none_where_it_has_it_not() -> None:
    gradients = ONE.backward(ONE.forward(X), d_c=STATE[0])
    assert gradients.d_projection is None
    assert gradients.d_peephole is None
    assert gradients.layers[0].reverse is None
    assert gradients.layers[0].forward is not None
    assert gradients.d_kernel is gradients.layers[0].forward.d_kernel


def test_a_network_says_what_it_is() -> None:
    assert repr(ONE) == "Network(D=2, H=4, float64)"
    assert repr(BOTH) == "Network(D=2, H=[4+4, 4+4], float64)"
    assert repr(Drawn((3,), bias=False, direction="reverse").network()) == "Network(D=2, H=3, float64, no bias)"
