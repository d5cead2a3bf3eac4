"""`lstm_ref` behind the protocol, with what the words of the command line declare: ``python reference.py '{"features": ["mask"]}'``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.flat import of_arrays
from conformance.implementations import built_in
from conformance.languages.protocol import HELLO, directions, weight_names
from conformance.layouts.layout import Layout
from conformance.trial.call import flattened
from lstm_ref import LSTMParams

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import my_lstm  # type: ignore[import-not-found]  # it is beside the package, not in it

WEIGHTS = ("kernel", "recurrent_kernel", "bias", "projection", "peephole")


def case_of(message: Mapping[str, Any], layout: Layout) -> Case:
    """The case that a request is, out of a layout of weights alone: the gates' order, and two biases or one."""
    arrays = {}
    for name, given in message["arrays"].items():
        array = my_lstm.array(given)
        prefix, _, kind = name.rpartition(".")
        if kind in WEIGHTS[:3] and layout.gates != "ifco":
            array = np.concatenate([np.split(array, 4, axis=-1)[layout.gates.index(gate)] for gate in "ifco"], axis=-1)
        arrays[f"{prefix or 'params'}.{kind}" if kind in WEIGHTS else name] = array
    return of_arrays(arrays, message["id"], message["dtype"], message["layers"])


def results(case: Case, layout: Layout) -> dict[str, Any]:
    """What the reference gives, in the layout."""
    found = dict(flattened(built_in("ref")(case), case))
    for prefix, _ in directions(case) if layout != Layout() else ():
        given = [found.pop(f"{prefix}d_{name}") for name in WEIGHTS[:3]]
        turned = layout.weights(LSTMParams(*given))
        found |= {f"{prefix}d_{name}": array for name, array in zip(weight_names(layout), turned, strict=True)}
    return {name: my_lstm.encoded(np.ascontiguousarray(array)) for name, array in found.items()}


if __name__ == "__main__":
    declares = json.loads(sys.argv[1])
    layout = Layout(**declares.get("layout", {}))
    for line in sys.stdin:
        message = json.loads(line)
        answer = {**HELLO, "arrays": "base64", **declares}
        if "call" in message:
            answer = {"call": message["call"], "results": results(case_of(message, layout), layout)}
        print(json.dumps(answer), flush=True)
