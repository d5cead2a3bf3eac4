"""tf.raw_ops.BlockLSTM: gates i, c, f, o, a matrix on [x, h], time first; gradients by a tape.

It adds `forget_bias`, 1 by default, to the forget gate; the adapter has it add 0.
"""

import numpy as np
import tensorflow as tf

import conformance

LAYOUT = conformance.Layout(gates="icfo", joined="xh", axes="tbf")


@conformance.candidate(features=("peephole",), without=("float64",))
def lstm(case):
    return run(tf.raw_ops.BlockLSTM, LAYOUT, case, forget_bias=0.0)


def run(op, layout, case, **settings):
    _, T, _, H = case.sizes
    w, b = layout.weights(case.params)
    peephole = case.params.peephole
    wci, wcf, wco = np.zeros((3, H), case.dtype) if peephole is None else peephole
    given = [tf.constant(np.ascontiguousarray(a)) for a in (*layout.inputs(case), w, b, wci, wcf, wco)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        x, h0, c0, w, b, *p = given
        made = op(
            seq_len_max=tf.constant(T, tf.int64),
            x=x,
            cs_prev=c0,
            h_prev=h0,
            w=w,
            b=b,
            wci=p[0],
            wcf=p[1],
            wco=p[2],
            cell_clip=0.0,
            use_peephole=peephole is not None,
            **settings,
        )
        y, h, c = made.h, made.h[-1], made.cs[-1]
        cotangents = layout.cotangents(case)
        loss = sum(tf.reduce_sum(a * np.ascontiguousarray(d)) for a, d in zip((y, h, c), cotangents))
    dx, dh0, dc0, dw, db, *dp = (g.numpy() for g in tape.gradient(loss, given, unconnected_gradients="zero"))
    result = layout.result(case, weights=(dw, db), output=y, h=h, c=c, d_x=dx, d_h0=dh0, d_c0=dc0)
    return result if peephole is None else dict(result) | {"d_peephole": np.stack(dp)}
