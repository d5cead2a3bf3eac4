"""tf.raw_ops.BlockLSTMV2: as BlockLSTM, with gates i, f, c, o."""

import tensorflow as tf
from tf_block_lstm import run

import conformance

LAYOUT = conformance.Layout(gates="ifco", joined="xh", axes="tbf")


@conformance.candidate(features=("peephole",), without=("float64",))
def lstm(case):
    return run(tf.raw_ops.BlockLSTMV2, LAYOUT, case)
