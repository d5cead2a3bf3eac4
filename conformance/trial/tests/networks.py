"""A correct network of plain LSTMs, stacked and in both directions, and golden vectors of networks in a folder of a test."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.cases.network import NetworkSpec
from conformance.fixtures.plan import on_grid
from conformance.fixtures.store import FORMAT, MANIFEST, described, digest, vector_bytes
from conformance.judging.tolerance import scale_of
from conformance.trial.tests import wrong
from lstm_ref import LSTMParams

SPECS = (
    NetworkSpec(3, 5, 4, (2, 2), "both"),
    NetworkSpec(2, 4, 3, (4, 2)),
    NetworkSpec(2, 5, 3, (2,), "both", "sum", bias=False),
    NetworkSpec(2, 5, 4, (3,), "reverse"),
)
SHARES = {"float64": 1e-13, "float32": 1e-5}


def network(case: Case) -> dict[str, Any]:
    """Layers of the plain LSTM; of two directions, the outputs are joined or added."""
    inputs, every = [case.x], len(case.layers)
    for k in range(every):
        inputs.append(_joined(case, k, [run["output"] for run in _runs(case, k, inputs[k]).values()]))
    result, d_output = {"output": inputs[-1]}, case.d_output
    rows: dict[str, list[Any]] = {name: [] for name in ("h", "c", "d_h0", "d_c0")}
    for k in reversed(range(every)):
        runs = _runs(case, k, inputs[k], d_output)
        d_output = sum(run["d_x"] for run in runs.values())
        for direction, run in runs.items():
            prefix = "" if case.single else f"layers.{k}.{direction}."
            result |= {prefix + name: run[name] for name in run if name.endswith(("kernel", "bias"))}
        for name in rows:
            rows[name].insert(0, np.stack([run[name] for run in runs.values()]))
    for name, arrays in rows.items():
        if not case.uniform:
            result |= {f"layers.{k}.{name}": array for k, array in enumerate(arrays)}
        else:
            result[name] = arrays[0][0] if case.single else np.concatenate(arrays)
    return result | {"d_x": d_output}


def _joined(case: Case, k: int, outputs: list[Any]) -> Any:
    return sum(outputs) if case.layers[k].merge == "sum" else np.concatenate(outputs, axis=-1)


def _runs(case: Case, k: int, x: Any, d_output: Any = None) -> dict[str, dict[str, Any]]:
    """What the plain LSTM gives in each direction of a layer, with time as in the layer's input."""
    layer, runs = case.layers[k], {}
    d_outputs = [d_output] * 2
    if d_output is not None and layer.merge == "concat":
        d_outputs = np.split(d_output, len(layer.directions), axis=-1)
    for j, (direction, params) in enumerate(layer.directions.items()):
        turn = slice(None, None, -1 if direction == "reverse" else 1)
        states = [_state(case, name, k, j) for name in ("h0", "c0")]
        cotangents = [np.zeros((*x.shape[:2], layer.hidden_size), x.dtype), *(np.zeros_like(s) for s in states)]
        if d_output is not None:
            cotangents = [d_outputs[j][:, turn], _state(case, "d_h", k, j), _state(case, "d_c", k, j)]
        h0, c0 = states
        run = wrong.correct(Case("", case.dtype, x[:, turn], h0, c0, _with_bias(params), *cotangents))
        missing = {"d_bias"} if params.bias is None else set()
        turned = {name: run[name][:, turn] for name in ("output", "d_x")}
        runs[direction] = {name: array for name, array in run.items() if name not in missing} | turned
    return runs


def _with_bias(params: LSTMParams) -> LSTMParams:
    zeros = np.zeros(4 * params.hidden_size, params.dtype)
    return LSTMParams(params.kernel, params.recurrent_kernel, zeros if params.bias is None else params.bias)


def _state(case: Case, name: str, k: int, j: int) -> Any:
    states: Any = getattr(case, name)
    if case.single:
        return states
    return states[k][j] if not case.uniform else states[k * len(case.layers[0].directions) + j]


def build(spec: NetworkSpec) -> Case:
    """A spec's case with numbers that every precision holds, as those of golden vectors."""
    case = spec.build()
    arrays = {name: array if name == "mask" else on_grid(array) for name, array in arrays_of(case).items()}
    return of_arrays(arrays, case.id.lower().replace(".", "-"), case.dtype, layers_of(case))


def write(folder: Path, specs: Iterable[NetworkSpec] = SPECS, expected: Any = network) -> Path:
    """A folder of golden vectors, with a manifest that has what reading them takes."""
    entries = []
    (folder / "vectors").mkdir(parents=True, exist_ok=True)
    for spec in specs:
        case = build(spec)
        right = {name: array for name, array in expected(case).items() if name in case.shapes}
        content = vector_bytes(case, right)
        name = f"vectors/{case.id}.{digest(content)[:8]}.safetensors"
        (folder / name).write_bytes(content)
        allowed = {t: {q: share * scale_of(a) for q, a in right.items()} for t, share in SHARES.items()}
        entry = {"id": case.id, "file": name, "sha256": digest(content), "allowed": allowed, "comment": "", "flags": []}
        entries.append(entry | described(case))
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "flags": {}, "vectors": entries}))
    return folder
