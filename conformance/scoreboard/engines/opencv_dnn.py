"""OpenCV's dnn module on an ONNX model with one LSTM node; forward only."""

import cv2
import numpy as np

import conformance
from conformance.implementations.onnx import model


@conformance.candidate(without=("float64",))
def lstm(case):
    B, T, _, H = case.sizes
    made = model(case)
    shapes = {"Y0": (T, 1, B, H), "Y_h0": (1, B, H), "Y_c0": (1, B, H)}
    for value in made.graph.output:  # OpenCV asks for them
        for length in shapes[value.name]:
            value.type.tensor_type.shape.dim.add().dim_value = length
    net = cv2.dnn.readNetFromONNX(np.frombuffer(made.SerializeToString(), np.uint8))
    given = {"X": case.x.swapaxes(0, 1), "initial_h0": case.h0[None], "initial_c0": case.c0[None]}
    for name, array in given.items():
        net.setInput(np.ascontiguousarray(array), name)
    Y, h, c = net.forward([*shapes])
    return {"output": Y.reshape(T, B, H).swapaxes(0, 1), "h": h.reshape(B, H), "c": c.reshape(B, H)}
