"""The forward pass once more: inputs and states that lag, are normalised, cut off, or kept in another precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import block
from conformance.diagnosis.bugs.read_off import (
    ARRAYS,
    of_gradients,
    read_off,
)
from conformance.diagnosis.bugs.read_off_forward import clipped, of_carried, of_inputs, of_logits, of_results

of_inputs(
    "input-later", "Each step takes the next one's input, the last its own.", "Take x[t] at step t.",
    lambda x, h, c: (np.concatenate([x[:, 1:], x[:, -1:]], axis=1), h, c),
)  # fmt: skip
of_inputs(
    "input-rolled", "Each step takes the input of the one before, the first takes the last one's.", "Take x[t] at step t.",
    lambda x, h, c: (np.roll(x, 1, axis=1), h, c),
)  # fmt: skip
of_inputs(
    "input-reshaped-features", "x is brought to (T, D, B) by reshape instead of transpose.", "Exchange axes with x.transpose.",
    lambda x, h, c: (x.reshape(x.shape[1], x.shape[2], x.shape[0]).transpose(2, 0, 1), h, c),
)  # fmt: skip
of_inputs(
    "input-lagged-from-zero", "Each step takes the input of the one before, the first takes zeros.", "Take x[t] at step t.",
    lambda x, h, c: (np.concatenate([0 * x[:, :1], x[:, :-1]], axis=1), h, c),
)  # fmt: skip
of_results(
    "output-before-gate", "output holds tanh(c), without o.", "Store h.",
    lambda y, h, c, s: (np.stack([np.tanh(t.c_next) for t in s], 1), h, c),
)  # fmt: skip
of_results("final-cell-squashed-by-gate", "o * tanh(c), which is h, scaled once more by o is given as h.", "Give h.",
    lambda y, h, c, s: (y, h * s[-1].o, c))  # fmt: skip
of_results(
    "final-states-averaged", "The final states are the means over the steps.", "Give the last step's.",
    lambda y, h, c, s: (y, np.mean([t.h_next for t in s], 0, dtype=h.dtype), np.mean([t.c_next for t in s], 0, dtype=c.dtype)),
)  # fmt: skip
of_results(
    "final-hidden-averaged", "The final h is the mean of all outputs.", "Give the last one.",
    lambda y, h, c, s: (y, np.mean([t.h_next for t in s], 0, dtype=h.dtype), c),
)  # fmt: skip


def _lagged_candidate(self: Any, up: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    before, self.before = (g if self.t == 0 else self.before), g
    return up(i, f, before, o, c)


read_off(
    "cell", "candidate-lagged", "From the second step on, the candidate is that of the step before.", "Use the step's own g.",
    before=None, cell=_lagged_candidate,
)  # fmt: skip
of_carried(
    "hidden-carried-tanh", "tanh(h) is carried to the next step.", "Carry h itself.", lambda step, h, c: (np.tanh(h), c)
)
of_carried(
    "hidden-carried-without-gate", "tanh(c) is carried as h, without o.", "Carry h itself.",
    lambda step, h, c: (np.tanh(step.c_next), c),
)  # fmt: skip
of_carried("cell-carried-gated", "o * c is carried as c.", "Carry c itself.", lambda step, h, c: (h, step.o * c))
of_carried(
    "hidden-added",
    "The old h is added to the new one as it is carried on.",
    "Carry h itself.",
    lambda step, h, c: (step.h + h, c),
)
of_carried(
    "cell-added",
    "The old c is added to the new one as it is carried on.",
    "Carry c itself.",
    lambda step, h, c: (h, step.c + c),
)
for _gates in ("ifo", "ifco", "o"):
    of_logits(
        f"logits-halved-{_gates}", f"The logits of {', '.join(_gates)} are half of what they should be.", "z = x W + h U + b.",
        lambda self, x, h, c, W, U, b, gates=_gates: {
            gate: -0.5 * (x @ block(W, gate) + h @ block(U, gate) + block(b, gate)) for gate in gates
        },
    )  # fmt: skip


def _layer_norm(z: Any, parts: int) -> Any:
    rows = z.reshape(len(z), parts, -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    return (centred / np.sqrt((centred**2).mean(axis=2, keepdims=True) + 1e-5)).reshape(z.shape).astype(z.dtype)


for _parts, _of in ((1, "all four gates together"), (4, "each gate")):
    read_off(
        "cell", f"logits-normalised-{_parts}", f"The logits are layer-normalised, {_of}.", "Leave the logits as they are.",
        preactivation=lambda self, up, *given, parts=_parts: _layer_norm(up(*given), parts),
    )  # fmt: skip
read_off(
    "cell", "cell-normalised", "The new c is layer-normalised.", "Leave c as it is.",
    cell=lambda self, up, *given: _layer_norm(up(*given), 1),
)  # fmt: skip
for _most in (1.0, 2.0, 3.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0):
    read_off(
        "cell", f"gate-logits-clipped-{_most:g}", f"The gates' logits are clipped to [-{_most:g}, {_most:g}].",
        "Leave the logits as they are.",
        sigmoid=lambda self, up, z, most=_most: up(clipped(z, -most, most)),
    )  # fmt: skip
    read_off(
        "cell", f"all-logits-clipped-{_most:g}", f"All logits, the candidate's too, are clipped to [-{_most:g}, {_most:g}].",
        "Leave the logits as they are.",
        gate=lambda self, up, gate, z, most=_most: up(gate, clipped(z, -most, most)),
    )  # fmt: skip
for _text in ("1e-2", "1e-3", "1e-5", "1e-6", "1e-7", "1e-8", "1e-12"):
    read_off(
        "cell", f"sigmoid-clipped-{_text}", f"The gates are clipped to [{_text}, 1 - {_text}].", "Leave the gates as they are.",
        sigmoid=lambda self, up, z, e=float(_text): clipped(up(z), e, 1 - e),
    )  # fmt: skip
for _most in (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 50.0):
    read_off(
        "cell", f"new-cell-clipped-{_most:g}", f"The new c is clipped to [-{_most:g}, {_most:g}] before h is computed of it.",
        "Leave c as it is.", cell=lambda self, up, *given, most=_most: clipped(up(*given), -most, most),
    )  # fmt: skip


def _tanh_of(form: str) -> Callable[[Any], Any]:
    def ratio(z: Any) -> Any:
        with np.errstate(all="ignore"):
            up, down = (np.exp(z), np.exp(-z)) if form == "exp" else (np.exp(2 * z), 1.0)
            return (up - down) / (up + down)

    return ratio


for _form, _text in (("exp", "(e^z - e^-z) / (e^z + e^-z)"), ("exp2", "(e^2z - 1) / (e^2z + 1)")):
    _tanh = _tanh_of(_form)
    read_off(
        "cell", f"tanh-nan-{_form}", f"tanh is computed as {_text}, which is NaN where that overflows.", "Use np.tanh.",
        candidate=lambda self, up, z, of=_tanh: of(z), squash=lambda self, up, c, of=_tanh: of(c),
    )  # fmt: skip
    read_off(
        "cell", f"candidate-nan-{_form}", f"The candidate's tanh is computed as {_text}, which is NaN where that overflows.",
        "Use np.tanh.", candidate=lambda self, up, z, of=_tanh: of(z),
    )  # fmt: skip


def _padded(self: Any, up: Any, case: Any) -> Any:
    """The outputs of the steps that were not taken are zero."""
    steps, W, U, result = up(case)
    y = result["output"]
    missing = np.zeros((len(y), case.x.shape[1] - y.shape[1], y.shape[2]), y.dtype)
    return steps, W, U, result | {"output": np.concatenate([y, missing], axis=1)}


for _first, _name in ((1, "first"), (0, "last")):

    def cut(self: Any, up: Any, T: int, first: int = _first) -> Any:
        return up(T) if T == 1 else range(first, T - 1 + first)

    read_off(
        "states", f"skips-{_name}-step", f"The {_name} step is left out.", "Take all steps.",
        times=cut,
        run=_padded,
    )  # fmt: skip
for _k in (1, 2, 3, 5, 10):
    read_off(
        "states", f"sequence-truncated-{_k}", f"Only the first {_k} steps are taken.", "Take all steps.",
        times=lambda self, up, T, k=_k: range(min(k, T)),
        run=_padded,
    )  # fmt: skip


# Precision.


def _narrow(a: Any) -> Any:
    """Rounded to float32, and float64 again; all else as it is."""
    if a.dtype != np.float64:
        return a
    with np.errstate(over="ignore"):
        return a.astype(np.float32).astype(np.float64)


read_off(
    "states", "numbers-approximated",
    "Numbers are off by about as much as float32 rounds: something is computed in float32, or approximated, as by an epsilon.",
    "Compute in the inputs' dtype, and add nothing to a denominator or a slope.",
)  # fmt: skip
_PLAIN = "Make arrays with the inputs' dtype: np.zeros(shape, x.dtype)."
of_results(
    "output-narrowed", "output is kept in float32, whatever the inputs' dtype is.", _PLAIN,
    lambda y, h, c, s: (_narrow(y), h, c),
)  # fmt: skip
of_carried(
    "states-narrowed", "h and c are kept in float32, whatever the inputs' dtype is.", _PLAIN,
    lambda step, h, c: (_narrow(h), _narrow(c)),
)  # fmt: skip
read_off(
    "cell", "hidden-narrowed", "Each new h is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    hidden=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
read_off(
    "cell", "cell-narrowed", "Each new c is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    cell=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
read_off(
    "cell", "new-states-narrowed", "Each new h and c is rounded to float32, whatever the inputs' dtype is.", _PLAIN,
    cell=lambda self, up, *given: _narrow(up(*given)), hidden=lambda self, up, *given: _narrow(up(*given)),
)  # fmt: skip
for _group, _group_names in {
    "weights": ARRAYS, "x": ("d_x",), "states": ("d_h0", "d_c0"), "every": ("d_x", "d_h0", "d_c0", *ARRAYS),
    **{name[2:].replace("_", "-"): (name,) for name in ARRAYS},
}.items():  # fmt: skip
    of_gradients(
        f"grad-{_group}-narrowed", f"{', '.join(_group_names)}: kept in float32, whatever the inputs' dtype is.", _PLAIN,
        lambda result, case, names=_group_names: {n: _narrow(result[n]) for n in names if n in result},  # type: ignore[misc]  # as above
    )  # fmt: skip


def _quantised(a: Any) -> Any:
    """Eight bits for the whole array, of one scale, symmetric."""
    scale = np.abs(a).max(initial=0) / 127
    return (np.round(a / scale) * scale).astype(a.dtype) if scale > 0 and a.dtype.kind == "f" else a


read_off(
    "weights", "weights-int8", "The kernels are rounded to 8 bits, one scale for each array.", "Use the weights as given.",
    read=lambda self, up, case: tuple(_quantised(a) if n < 2 else a for n, a in enumerate(up(case))),
)  # fmt: skip
read_off(
    "weights", "weights-float16", "The weights are rounded to float16.", "Use the weights as given.",
    read=lambda self, up, case: tuple(
        a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a for a in up(case)
    ),
)  # fmt: skip
