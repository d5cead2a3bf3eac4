"""cv2.dnn raises for an ONNX LSTM node that has initial states and no B, which is an optional input.

opencv-python-headless 5.0.0.93, onnx 1.23.2 to make the model, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: a model of one LSTM node with initial states and a B of zeros, the same without B, which by ONNX's definition is
the same, and both without states.

Expected: the numbers of the equations in NumPy from all four. Actual: with states and without B, cv2.error, "One or more
matrix operands are empty"; the other three are right.

Where: net.forward; readNetFromONNX takes all four models.
"""

import cv2
import numpy as np
from onnx import TensorProto, helper, numpy_helper

T, B, D, H = 4, 2, 3, 5
rng = np.random.default_rng(0)
X, W, R = (rng.normal(size=shape).astype(np.float32) for shape in ((T, B, D), (1, 4 * H, D), (1, 4 * H, H)))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def equations(h, c):
    every = []
    for t in range(T):
        i, o, f, g = np.split(X[t] @ W[0].T + h @ R[0].T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        every.append(h)
    return np.array(every)


def computed(bias, states):
    stored = {"W": W, "R": R} | ({"B": np.zeros((1, 8 * H), np.float32)} if bias else {})
    inputs = {"X": X} | ({"h0": STATES[0], "c0": STATES[1]} if states else {})
    names = ["X", "W", "R", *(["B"] if bias else [])]
    if states:
        names = ["X", "W", "R", "B" if bias else "", "", "h0", "c0"]
    node = helper.make_node("LSTM", names, ["Y"], hidden_size=H)
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [T, 1, B, H])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    for name, array in inputs.items():
        net.setInput(array, name)
    return net.forward("Y").reshape(T, B, H)


STATES = rng.normal(size=(2, 1, B, H)).astype(np.float32)
print("OpenCV", cv2.__version__)
for states in (False, True):
    for bias in (True, False):
        word = f"{'initial states' if states else 'no states'}, {'B of zeros' if bias else 'no B'}"
        try:
            expected = equations(*STATES[:, 0]) if states else equations(np.zeros((B, H)), np.zeros((B, H)))
            print(f"{word:<28}largest difference from NumPy: {abs(computed(bias, states) - expected).max():.1e}")
        except cv2.error as problem:
            print(f"{word:<28}raises cv2.error: {problem.err}")
