"""Weights: what is accepted, and how layouts of other libraries are brought into ours."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from lstm_ref import LSTMParams, from_torch, reorder_gates
from lstm_ref.errors import DTypeError, ShapeError, UsageError
from lstm_ref.params import from_cudnn_keras

RNG = np.random.default_rng(0)
KERNEL, RECURRENT, BIAS = RNG.uniform(size=(3, 8)), RNG.uniform(size=(2, 8)), RNG.uniform(size=8)


def test_sizes_and_dtype() -> None:
    params = LSTMParams(KERNEL, RECURRENT, BIAS)
    assert (params.input_size, params.hidden_size, params.dtype.name) == (3, 2, "float64")
    assert params.kernel is KERNEL, "arrays are kept, not copied"


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        (
            (KERNEL.T, RECURRENT, BIAS),
            ShapeError,
            r"kernel has shape \(8, 3\), expected \(D, 4H\) = \(any, 8\)\. PyTorch",
        ),
        (
            (KERNEL, RECURRENT.T, BIAS),
            ShapeError,
            r"recurrent_kernel has shape \(8, 2\), expected \(H, 4H\) = \(8, 32\)",
        ),
        ((KERNEL[:, :0], np.zeros((0, 0)), BIAS[:0]), ShapeError, r"recurrent_kernel has shape \(0, 0\)"),
        ((KERNEL, RECURRENT[:0], BIAS), ShapeError, r"recurrent_kernel has shape \(0, 8\)"),
        (
            (KERNEL, RECURRENT, np.tile(BIAS, 2)),
            ShapeError,
            r"bias has shape \(16,\), expected \(4H,\) = \(8,\).* have to be summed",
        ),
        ((KERNEL[0], RECURRENT, BIAS), ShapeError, r"kernel has shape \(8,\)"),
        ((KERNEL, RECURRENT.astype("f4"), BIAS), DTypeError, r"\['float32', 'float64'\], expected one"),
        ((None, RECURRENT, BIAS), DTypeError, "kernel has dtype object"),
        ((KERNEL, None, BIAS), DTypeError, "recurrent_kernel has dtype object"),
        ((KERNEL.astype("i2"), RECURRENT, BIAS), DTypeError, r"kernel has dtype int16"),
        ((KERNEL.astype(int), RECURRENT, BIAS), DTypeError, r"kernel has dtype int64"),
    ],
)
def test_weights_that_do_not_fit_are_refused(arrays, error, message) -> None:  # type: ignore[no-untyped-def]  # rows of arrays
    with pytest.raises(error, match=message):
        LSTMParams(*arrays)


@pytest.mark.parametrize("order", ["".join(p) for p in permutations("ifco")])
def test_every_gate_order_there_and_back(order: str) -> None:
    moved = reorder_gates(KERNEL, "ifco", order)
    np.testing.assert_array_equal(reorder_gates(moved, order), KERNEL)
    for position, gate in enumerate(order):
        ours = "ifco".index(gate)
        np.testing.assert_array_equal(moved[:, 2 * position : 2 * position + 2], KERNEL[:, 2 * ours : 2 * ours + 2])


def test_reordering_names_a_wrong_order_and_a_wrong_length() -> None:
    with pytest.raises(UsageError, match="'ifxo' is not one of the 24"):
        reorder_gates(KERNEL, "ifxo")
    np.testing.assert_array_equal(reorder_gates(KERNEL, "ifgo"), KERNEL)
    with pytest.raises(ShapeError, match=r"\(7,\)"):
        reorder_gates(KERNEL[:, :7], "iofc")


def test_torch_biases_are_summed_and_matrices_transposed() -> None:
    params = from_torch(KERNEL.T, RECURRENT.T, BIAS, 2 * BIAS)
    np.testing.assert_array_equal(params.kernel, KERNEL)
    np.testing.assert_array_equal(params.recurrent_kernel, RECURRENT)
    np.testing.assert_array_equal(params.bias, 3 * BIAS)
    np.testing.assert_array_equal(from_torch(KERNEL.T, RECURRENT.T, bias_hh=BIAS).bias, BIAS)
    assert from_torch(KERNEL.T, RECURRENT.T).bias is None
    with pytest.raises(ShapeError, match=r"bias_hh has shape \(1,\), expected \(4H,\) = \(8,\)"):
        from_torch(KERNEL.T, RECURRENT.T, BIAS, np.zeros(1))
    with pytest.raises(DTypeError, match="bias_ih has dtype float32, but weight_hh has float64"):
        from_torch(KERNEL.T, RECURRENT.T, BIAS.astype("f4"))


def test_one_hidden_unit_is_enough() -> None:
    assert LSTMParams(KERNEL[:, :4], RECURRENT[:1, :4], BIAS[:4]).hidden_size == 1
    np.testing.assert_array_equal(reorder_gates(BIAS[:4], "iofc"), BIAS[[0, 2, 3, 1]])


def test_in_another_dtype_they_are_the_same_weights() -> None:
    narrow = LSTMParams(KERNEL, RECURRENT, BIAS).astype("float32")
    for name, array in (("kernel", KERNEL), ("recurrent_kernel", RECURRENT), ("bias", BIAS)):
        assert getattr(narrow, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(narrow, name), array.astype("f4"))
    assert LSTMParams(KERNEL, RECURRENT).astype("float32").bias is None


def test_a_number_has_no_blocks() -> None:
    with pytest.raises(ShapeError, match="axis -1 of the array"):
        reorder_gates(np.float64(1), "iofc")  # type: ignore[arg-type]  # what is refused


def test_blocks_of_cudnn_are_the_other_way_round() -> None:
    params = from_cudnn_keras(KERNEL, RECURRENT, np.concatenate([BIAS, 2 * BIAS]))
    for gate in range(4):
        block = slice(2 * gate, 2 * gate + 2)
        as_cudnn_reads_it = KERNEL[:, block].ravel().reshape(2, 3)  # (H, D)
        np.testing.assert_array_equal(params.kernel[:, block], as_cudnn_reads_it.T)
        np.testing.assert_array_equal(params.recurrent_kernel[:, block], RECURRENT[:, block].T)
    np.testing.assert_array_equal(params.bias, 3 * BIAS)
