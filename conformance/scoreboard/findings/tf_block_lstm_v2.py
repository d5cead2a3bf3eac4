"""BlockLSTMV2 is differentiated as if its gates stood in the order of BlockLSTM.

tensorflow 2.21.0 (tensorflow-cpu), Linux x86_64, Python 3.11.

What was run: tf.raw_ops.BlockLSTMV2 on random inputs, its gradients by tf.GradientTape, the same equations written with plain
operations, and central differences of the op's own output.

Expected: the three agree. Actual: the outputs do; of the gradients none does that the tape gives of the op, while those of plain
operations agree with the differences.

Where: BlockLSTM has its gates in the order i, c, f, o, BlockLSTMV2 in the order i, f, c, o. tensorflow/python/ops/rnn_grad.py
registers one function for both, which calls BlockLSTMGrad; that takes the weights in the order i, c, f, o.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

B, T, D, H = 2, 3, 3, 2
rng = np.random.default_rng(0)
shapes = {"x": (T, B, D), "cs_prev": (B, H), "h_prev": (B, H), "w": (D + H, 4 * H), "b": (4 * H,)}
GIVEN = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
COTANGENT = rng.normal(size=(T, B, H)).astype(np.float32)
PEEPHOLES = dict.fromkeys(("wci", "wcf", "wco"), np.zeros(H, np.float32))


def by_op(given):
    made = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(T, tf.int64), **given, **PEEPHOLES, cell_clip=0.0, use_peephole=False
    )
    return made.h


def by_plain_operations(given):
    h, c, every = given["h_prev"], given["cs_prev"], []
    for t in range(T):
        i, f, g, o = tf.split(tf.concat([given["x"][t], h], 1) @ given["w"] + given["b"], 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        every.append(h)
    return tf.stack(every)


def gradients(function):
    given = {name: tf.constant(array) for name, array in GIVEN.items()}
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_sum(function(given) * COTANGENT)
    return {name: gradient.numpy() for name, gradient in tape.gradient(loss, given).items()}


def difference(name, place, step=1e-2):
    """A central difference of the op's own output, in float32."""
    losses = []
    for sign in (1, -1):
        changed = {key: array.copy() for key, array in GIVEN.items()}
        changed[name][place] += sign * step
        losses.append(float(np.sum(np.asarray(by_op(changed), np.float64) * COTANGENT)))
    return (losses[0] - losses[1]) / (2 * step)


print("tensorflow", tf.__version__)
print(
    "largest difference of the outputs, op and plain operations:",
    abs(by_op(GIVEN) - by_plain_operations(GIVEN)).numpy().max(),
)
op, plain = gradients(by_op), gradients(by_plain_operations)
print(f"\n{'gradient':<26}{'tape of the op':>16}{'plain':>12}{'central difference':>20}")
for k, gate in enumerate("ifco"):
    print(
        f"{f'b, gate {gate}, unit 0':<26}{op['b'][k * H]:>16.4f}{plain['b'][k * H]:>12.4f}{difference('b', k * H):>20.4f}"
    )
for name, place in (("x", (0, 0, 0)), ("h_prev", (0, 0)), ("cs_prev", (0, 0)), ("w", (0, H)), ("w", (0, 2 * H))):
    print(f"{f'{name} {place}':<26}{op[name][place]:>16.4f}{plain[name][place]:>12.4f}{difference(name, place):>20.4f}")
