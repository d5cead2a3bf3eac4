"""A layout as lines of Python that turn a mapping ``arrays`` into ``lstm_ref.LSTMParams``."""

from __future__ import annotations

from conformance.layouts.unknown.biases import Convention
from conformance.layouts.unknown.hypothesis import Hypothesis
from lstm_ref.params import GATES


def code(found: Hypothesis, load: str = "") -> str:
    """The lines, with their imports.

    Parameters
    ----------
    found : Hypothesis
    load : str
        What to read ``arrays`` with; without it, they have to be there: a mapping of names to arrays as given.
    """
    m, H = found.matrices, found.matrices.H
    lines = [f"arrays = {load}"] if load else []
    if any(found.arrays[name].dtype != found.dtype for name in found.names):
        listed = ", ".join(map(repr, dict.fromkeys(found.names)))
        lines.append(f"arrays = {{name: arrays[name].astype({found.dtype.name!r}) for name in ({listed})}}")
    order = found.order(found.kernel)
    names = tuple(m.kernel.names[k] for k in found.kernel) if m.kernel.split else m.kernel.names
    to_reorder = []
    if m.recurrent is None:
        lines.append(f"both = {m.kernel.form.code(names)}")
        if not m.kernel.split and order != GATES:
            lines.append(f"both = lstm_ref.reorder_gates(both, {order!r})")
        first, names_of_two = (m.D, "kernel, recurrent_kernel") if m.joined == "xh" else (H, "recurrent_kernel, kernel")
        lines.append(f"{names_of_two} = both[:{first}], both[{first}:]")
    else:
        lines.append(f"kernel = {m.kernel.form.code(names)}")
        names = tuple(m.recurrent.names[k] for k in found.recurrent) if m.recurrent.split else m.recurrent.names
        lines.append(f"recurrent_kernel = {m.recurrent.form.code(names)}")
        if not m.kernel.split:
            to_reorder += ["kernel", "recurrent_kernel"]
    bias, bias_order = _bias(found)
    lines.append(f"bias = {bias}")
    if bias != "None" and bias_order == order and not m.kernel.split:
        to_reorder.append("bias")
    elif bias != "None" and bias_order != GATES:
        lines.append(f"bias = lstm_ref.reorder_gates(bias, {bias_order!r})")
    if order != GATES:
        lines += [f"{name} = lstm_ref.reorder_gates({name}, {order!r})" for name in to_reorder]
    if found.forget:
        start = f"np.zeros({4 * H}, {found.dtype.name!r})" if bias == "None" else "bias.copy()"
        lines += [f"bias = {start}", f"bias[{H}:{2 * H}] += 1  # the forget gate's"]
    lines.append("params = lstm_ref.LSTMParams(kernel, recurrent_kernel, bias)")
    imports = [line for line in ("import numpy as np", "import conformance", "import lstm_ref") if _used(line, lines)]
    return "\n".join([*imports, "", *lines]) + "\n"


def _used(line: str, lines: list[str]) -> bool:
    name = line.split()[-1]
    return any(f"{name}." in line for line in lines)


def _bias(found: Hypothesis) -> tuple[str, str]:
    """The bias before it is reordered, and its order."""
    arrays, H = found.arrays, found.matrices.H
    if not isinstance(found.bias, Convention):
        return f"np.concatenate([{', '.join(gate.code(arrays) for gate in found.bias)}])", GATES
    parts = [part.code(arrays, H) for part in found.bias.parts]
    if not parts:
        return "None", GATES
    text = f"2 * {parts[0]}" if found.bias.kind == "double" else " + ".join(parts)
    return text, found.order(found.bias_blocks)
