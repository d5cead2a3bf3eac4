"""The same bugs against somebody else's published vectors: ONNX's LSTM backend node tests.

The bug is the backend: it gets the node's inputs, in the reference's layout, and its outputs are
compared as ONNX's own runner compares them. Peepholes are left out: none of the LSTMs here has them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.diagnosis.bugs.catalogue import bugs
from lstm_ref import LSTMParams, reorder_gates


@dataclass(frozen=True)
class Node:
    """One direction of one of ONNX's LSTM tests.

    Attributes
    ----------
    name : str
    case : Case
        float32; its cotangents are zero, for these tests have none.
    expected : dict
        Of output, h and c, those that the test gives.
    rtol, atol : float
        ONNX's own.
    """

    name: str
    case: Case
    expected: dict[str, Any]
    rtol: float
    atol: float


def nodes() -> list[Node]:
    """ONNX's LSTM tests, direction by direction."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx makes the data of all its tests, with overflows and all
        from onnx.backend.test.case.node import collect_testcases

        tests = collect_testcases("LSTM")
    found = []
    for test in tests:
        node = test.model.graph.node[0]
        if "P" in node.input:
            continue
        attributes = {a.name: a.s or a.i for a in node.attribute}
        for given, wanted in test.data_sets:
            inputs = dict(zip(node.input, given, strict=True))
            outputs = dict(zip([name for name in node.output if name], wanted, strict=True))
            found += _directions(test, attributes, inputs, outputs)
    return found


def _directions(test: Any, attributes: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any]) -> list[Node]:
    batch_first = attributes.get("layout") == 1
    x = inputs["X"] if batch_first else inputs["X"].transpose(1, 0, 2)
    found = []
    for direction, (W, R) in enumerate(zip(inputs["W"], inputs["R"], strict=True)):
        H = R.shape[1]
        bias = None if "B" not in inputs else inputs["B"][direction].reshape(2, -1).sum(axis=0)
        arrays = [W.T, R.T, *([] if bias is None else [bias])]
        params = LSTMParams(*(reorder_gates(a.astype(np.float32), "iofc") for a in arrays))
        reverse = attributes.get("direction") == b"reverse" or direction == 1
        B, T, _ = x.shape
        zeros = np.zeros((B, H), np.float32)
        steps = np.ascontiguousarray(x[:, ::-1] if reverse else x).astype(np.float32)
        case = Case(
            test.name,
            params.dtype,
            steps,
            zeros,
            zeros,
            params,
            d_output=np.zeros((B, T, H), np.float32),
            d_h=zeros,
            d_c=zeros,
        )
        names = {"h": "Y_h", "c": "Y_c"}
        expected = {
            ours: outputs[theirs][:, direction] if batch_first else outputs[theirs][direction]
            for ours, theirs in names.items()
            if theirs in outputs
        }
        if "Y" in outputs and batch_first:
            expected["output"] = outputs["Y"][:, :, direction]
        found.append(Node(test.name, case, expected, test.rtol, test.atol))
    return found


def passes(candidate: Any, node: Node) -> bool:
    """Whether a candidate passes one of ONNX's tests, by ONNX's own measure."""
    with np.errstate(all="ignore"):
        result = candidate(node.case)
    return all(np.allclose(result[name], value, node.rtol, node.atol) for name, value in node.expected.items())


def missed() -> tuple[list[str], list[str]]:
    """(Forward bugs that all of ONNX's LSTM tests let pass, all forward bugs)."""
    tests = nodes()
    forward = [slug for slug, bug in bugs().items() if bug.group != "backward"]
    return [slug for slug in forward if all(passes(bugs()[slug].candidate(), node) for node in tests)], forward
