"""OpenVINO's CPU plugin on an ONNX model with one LSTM node, in float32 throughout; forward only."""

import numpy as np
import openvino as ov

import conformance
from conformance.implementations.onnx import model

CORE = ov.Core()
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@conformance.candidate(without=("float64",))
def lstm(case):
    compiled = CORE.compile_model(CORE.read_model(model(case).SerializeToString()), "CPU", EXACT)
    states = {"initial_h0": case.h0[None], "initial_c0": case.c0[None]}
    Y, h, c = compiled({"X": np.ascontiguousarray(case.x.swapaxes(0, 1)), **states}).values()
    return {"output": Y[:, 0].swapaxes(0, 1), "h": h[0], "c": c[0]}
