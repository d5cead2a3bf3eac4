"""One failing case by itself: its numbers, and a NumPy program that shows the failure without this package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conformance.case import Case
from conformance.cases.features import features
from conformance.cases.model import split_model
from conformance.fixtures.store import vector_path
from conformance.judging.compare import name_index
from conformance.trial.call import Outcome
from conformance.trial.results import CheckResult, Trial
from lstm_ref.params import FloatArray

INLINE = 2000
"""Up to so many numbers, the case is written out; beyond, it is read from the golden vector's file."""


def snippet(
    spec: str,
    trial: Trial,
    outcome: Outcome,
    worst: CheckResult,
    model: tuple[str, ...] = (),
    file: Path | None = None,
) -> str:
    """A program that calls the candidate on the case; for a large case it reads the golden vector's file.

    Parameters
    ----------
    spec : str
        The candidate as named on the command line.
    trial : Trial
    outcome : Outcome
        What the candidate gave.
    worst : CheckResult
        The failure to show.
    model : tuple of str
        The words of the command line that name the model whose case it is; empty for the suite's own.
    file : Path, optional
        The file that holds the case, if one does.
    """
    case, params = trial.case, trial.case.params
    numbers = sum(a.size for a in (case.x, case.d_output, params.kernel, params.recurrent_kernel))
    read = numbers > INLINE and trial.oracle == "fixtures"

    def value(name: str, array: FloatArray | None) -> str:
        return f"a.get({name!r})" if read else _literal(array)

    arrays = {name: getattr(case, name) for name in ("x", "h0", "c0", "d_output", "d_h", "d_c")}
    weights = {"kernel": params.kernel, "recurrent_kernel": params.recurrent_kernel, "bias": params.bias}
    lines = _of_model(spec, case, model) if model else _network(spec, case, file) if features(case) else None
    if lines is None:
        lines = ["import types", *_import(spec), "import numpy as np"]
        if read:
            path = vector_path(case.id.removesuffix(f"-{case.dtype}"))
            lines += [
                "from safetensors.numpy import load_file",
                f"a = {{name: array.astype({case.dtype.name!r}) for name, array in load_file({str(path)!r}).items()}}",
            ]
        lines += [
            "",
            f"# {trial.id}; gate blocks are in the order i, f, c, o",
            "weights = types.SimpleNamespace(",
            *(f"    {name}={value(name, a)}," for name, a in weights.items()),
            f"    dtype=np.dtype({case.dtype.name!r}), input_size={case.sizes[2]}, hidden_size={case.sizes[3]},",
            ")",
            "case = types.SimpleNamespace(",
            *(f"    {name}={value(name, a)}," for name, a in arrays.items()),
            f"    id={case.id!r}, dtype=np.dtype({case.dtype.name!r}), mask=None, options=None, params=weights,",
            f"    sizes={case.sizes}, shapes={case.shapes},",
            ")",
            "result = lstm(case)",
        ]
    told = worst.comparison
    if told is not None and not told.reason:
        error = np.abs(np.asarray(outcome.result[worst.quantity], np.float64) - trial.expected()[worst.quantity])
        index = tuple(int(i) for i in np.unravel_index(int(np.nan_to_num(error, nan=np.inf).argmax()), error.shape))
        where = name_index(case, worst.quantity, index)
        lines += [
            f"print('actual  ', result[{worst.quantity!r}][{', '.join(map(str, index))}])  # {worst.quantity} at {where}",
            f"print('expected', {told.expected!r}, 'allowed error', {told.allowed:.3g})",
        ]
    else:
        lines.append(f"print({{name: np.shape(value) for name, value in result.items()}})  # {worst.message}")
    return "\n".join(lines)


def _network(spec: str, case: Case, file: Path | None) -> list[str]:
    """The beginning of a program for a network: it takes the case from this package, as it has many parts."""
    if file is not None:
        return [
            "from pathlib import Path",
            "from conformance.cases.file import read_case  # a network's case is read by lstm-conformance, which has to be there",
            *_import(spec),
            "import numpy as np",
            "",
            f"case, _ = read_case(Path({str(file.resolve())!r}))",
            "result = lstm(case)",
        ]
    return [
        "from conformance.fixtures.store import golden  # a network's case is read by lstm-conformance, which has to be there",
        *_import(spec),
        "import numpy as np",
        "",
        f"vectors = golden(({case.dtype.name!r},), features={sorted(features(case))})",
        f"case = next(vector.case for vector in vectors if vector.case.id == {case.id!r})",
        "result = lstm(case)",
    ]


def _of_model(spec: str, case: Case, words: tuple[str, ...]) -> list[str]:
    """The same for a model's case, which this package makes of the model's file."""
    named = dict(zip(words[::2], words[1::2], strict=True))
    file, name = split_model(named["--model"])
    given = f", read_inputs({str(Path(named['--input']).resolve())!r})" if "--input" in named else ""
    load = f"lstm_ref.load({str(Path(file).resolve())!r}{f', {name!r}' if name else ''})"
    return [
        "from conformance.cases.model import model_cases, read_inputs  # lstm-conformance has to be there",
        "import lstm_ref",
        *_import(spec),
        "import numpy as np",
        "",
        f"cases = model_cases({load}.layers, {case.dtype.name!r}{given})",
        f"case = next(case for case in cases if case.id == {case.id!r})",
        "result = lstm(case)",
    ]


def _import(spec: str) -> list[str]:
    source, _, name = spec.rpartition(":")
    if source.endswith(".py"):
        path = str(Path(source).resolve())
        first, *rest = name.split(".")
        return [
            "import runpy, sys",
            f"sys.path.insert(0, {str(Path(path).parent)!r})",
            "lstm = " + ".".join([f"runpy.run_path({path!r})[{first!r}]", *rest]),
        ]
    if source:
        return [f"import {source}; lstm = {source}.{name}"]
    return [f"from conformance.implementations import built_in; lstm = built_in({spec!r})  # a built-in candidate"]


def _literal(array: FloatArray | None) -> str:
    if array is None:
        return "None"
    if not array.any():
        return f"np.zeros({array.shape}, np.{array.dtype})"
    values = np.array2string(array, separator=", ", threshold=10**9, floatmode="unique", max_line_width=10**9)
    values = values.replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({' '.join(values.split())}, np.{array.dtype})"
