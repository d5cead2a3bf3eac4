"""OpenCV's dnn module on an ONNX model with one LSTM node; forward only."""

import cv2
import numpy as np

import conformance
from conformance.implementations.onnx import model


@conformance.candidate(without=("float64",))
def lstm(case):
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model(case).SerializeToString(), np.uint8))
    given = {"X": case.x.swapaxes(0, 1), "initial_h0": case.h0[None], "initial_c0": case.c0[None]}
    for name, array in given.items():
        net.setInput(np.ascontiguousarray(array), name)
    T, B, H = case.x.shape[1], case.x.shape[0], case.params.hidden_size
    Y, h, c = net.forward(["Y0", "Y_h0", "Y_c0"])
    return {"output": Y.reshape(T, B, H).swapaxes(0, 1), "h": h.reshape(B, H), "c": c.reshape(B, H)}
