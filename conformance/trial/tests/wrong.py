"""Wrong LSTMs, each wrong in one place, on one small LSTM with hooks; what the trial has to catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.case import Case, Result


def sigmoid(z: Any) -> Any:
    """The logistic function."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def lstm(
    case: Case,
    sigma: Callable[[Any], Any] = sigmoid,
    order: str = "ifco",
    recurrent: Callable[[Any], Any] = lambda U: U,
    output_of: Callable[[Any, Any], Any] = lambda o, c: o * np.tanh(c),
    forget: Callable[[Any], Any] = lambda f: f,
    h0: Callable[[Case], Any] = lambda case: case.h0,
    d_h: Callable[[Case], Any] = lambda case: case.d_h,
    d_c: Callable[[Case], Any] = lambda case: case.d_c,
    cell_of_forget: Callable[[Any, Any], Any] = lambda before, after: before,
    carry: Callable[[Any, Any], Any] = lambda d_c, f: d_c * f,
    hidden_for_weights: Callable[[Any, Any], Any] = lambda before, after: before,
) -> dict[str, Any]:
    """Forward and backward pass; each hook is one place to go wrong, correct by default."""
    p = case.params
    W, U = p.kernel, recurrent(p.recurrent_kernel)
    b = np.zeros(W.shape[1], W.dtype) if p.bias is None else p.bias
    T = case.x.shape[1]
    h, c, steps, outputs = h0(case), case.c0, [], []
    for t in range(T):
        gate = dict(zip(order, np.split(case.x[:, t] @ W + h @ U + b, 4, axis=1), strict=True))
        i, f, g, o = sigma(gate["i"]), forget(sigma(gate["f"])), np.tanh(gate["c"]), sigma(gate["o"])
        c_next = f * c + i * g
        h_next = output_of(o, c_next)
        steps.append((h, c, i, f, g, o, h_next, c_next))
        h, c = h_next, c_next
        outputs.append(h)
    result = {"output": np.stack(outputs, axis=1), "h": h, "c": c}

    dh, dc = d_h(case), d_c(case)
    d_x, dW, dU, db = np.zeros_like(case.x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    for t in reversed(range(T)):
        before_h, before_c, i, f, g, o, after_h, after_c = steps[t]
        dh = dh + case.d_output[:, t]
        tanh_c = np.tanh(after_c)
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = {
            "i": dc * g * i * (1 - i),
            "f": dc * cell_of_forget(before_c, after_c) * f * (1 - f),
            "c": dc * i * (1 - g**2),
            "o": dh * tanh_c * o * (1 - o),
        }
        dz_all = np.concatenate([dz[gate] for gate in order], axis=1)
        d_x[:, t] = dz_all @ W.T
        dW += case.x[:, t].T @ dz_all
        dU += hidden_for_weights(before_h, after_h).T @ dz_all
        db += dz_all.sum(axis=0)
        dh, dc = dz_all @ U.T, carry(dc, f)
    return result | {"d_x": d_x, "d_h0": dh, "d_c0": dc, "d_kernel": dW, "d_recurrent_kernel": dU, "d_bias": db}


def correct(case: Case) -> Result:
    return lstm(case)


def sigmoid_epsilon(case: Case) -> Result:
    return lstm(case, sigma=lambda z: 1 / (1 + np.exp(-np.clip(z, -80, 80)) + np.asarray(1e-4, z.dtype)))


def sigmoid_overflow(case: Case) -> Result:
    return lstm(case, sigma=lambda z: 1 / (1 + np.exp(-z)))


def gate_order(case: Case) -> Result:
    return lstm(case, order="ifoc")


def recurrent_transposed(case: Case) -> Result:
    return lstm(case, recurrent=lambda U: np.hstack([block.T for block in np.split(U, 4, axis=1)]))


def output_tanh_missing(case: Case) -> Result:
    return lstm(case, output_of=lambda o, c: o * c)


def forget_ignored(case: Case) -> Result:
    return lstm(case, forget=np.ones_like)


def h0_ignored(case: Case) -> Result:
    return lstm(case, h0=lambda case: np.zeros_like(case.h0))


def final_states_swapped(case: Case) -> Result:
    result = lstm(case)
    return result | {"h": result["c"], "c": result["h"]}


def grad_final_cell_ignored(case: Case) -> Result:
    return lstm(case, d_c=lambda case: np.zeros_like(case.d_c))


def grad_final_hidden_ignored(case: Case) -> Result:
    return lstm(case, d_h=lambda case: np.zeros_like(case.d_h))


def grad_forget_uses_new_cell(case: Case) -> Result:
    return lstm(case, cell_of_forget=lambda before, after: after)


def grad_cell_carry_misses_forget(case: Case) -> Result:
    return lstm(case, carry=lambda d_c, f: d_c)


def grad_recurrent_uses_new_hidden(case: Case) -> Result:
    return lstm(case, hidden_for_weights=lambda before, after: after)


def grad_batch_mean(case: Case) -> Result:
    result = lstm(case)
    return result | {name: result[name] / len(case.x) for name in ("d_kernel", "d_recurrent_kernel", "d_bias")}


def dtype_narrowed(case: Case) -> Result:
    from conformance.fixtures.store import as_dtype

    narrow = lstm(as_dtype(case, "float32"))
    return {name: array.astype(case.dtype) for name, array in narrow.items()}


def dtype_widened(case: Case) -> Result:
    return {name: array.astype(np.float64) for name, array in lstm(case).items()}


_kept: dict[tuple[int, ...], Any] = {}


def state_leaks(case: Case) -> Result:
    kept = _kept.get(case.h0.shape, np.zeros_like(case.h0)).astype(case.dtype)
    result = lstm(case, h0=lambda case: case.h0 + kept)
    _kept[case.h0.shape] = result["h"]
    return result


def input_mutated(case: Case) -> Result:
    result = lstm(case)
    case.x[:] *= 0.5
    return result


def batch_leak(case: Case) -> Result:
    return lstm(case, h0=lambda case: np.broadcast_to(case.h0[:1], case.h0.shape))


def returns_none(case: Case) -> None:
    lstm(case)


def raises(case: Case) -> Result:
    if case.x.shape[1] > 6:
        raise ValueError("too long for me")
    return lstm(case)


def exits(case: Case) -> Result:
    if case.x.shape[1] == 9:
        raise SystemExit(3)
    return lstm(case)


def hangs(case: Case) -> Result:
    while case.x.shape[1] == 7:
        pass
    return lstm(case)


def wrong_shape(case: Case) -> Result:
    result = lstm(case)
    return result | {"output": result["output"].swapaxes(0, 1)}


def nan_at_saturation(case: Case) -> Result:
    return lstm(case, sigma=lambda z: np.exp(np.minimum(z, 1000)) / (1 + np.exp(np.minimum(z, 1000))))


def forward_only(case: Case) -> Result:
    result = lstm(case)
    return {name: result[name] for name in ("output", "h", "c")}


def misnamed(case: Case) -> Result:
    result = lstm(case)
    result["dx"] = result.pop("d_x")
    return result


def transposed_throughout(case: Case) -> dict[str, Any]:
    return {name: np.zeros((1, 2, 3, 4)) for name in lstm(case)}


def ignores_x(case: Case) -> Result:
    case.x[...] = 0
    return lstm(case)


def wipes_cotangents(case: Case) -> Result:
    result = lstm(case)
    case.d_h.fill(0)
    case.d_c[...] = 0
    return result


def wipes_everything(case: Case) -> Result:
    result = lstm(case)
    for array in (case.x, case.d_output, case.h0, case.params.kernel):
        array[...] = 0
    return result


def unstable_output_gate(case: Case) -> Result:
    calls = iter(range(10**9))

    def sigma(z: Any) -> Any:  # called for i, f, o in turn
        return 1 / (1 + np.exp(-z)) if next(calls) % 3 == 2 else sigmoid(z)

    return lstm(case, sigma=sigma)


_buffers: dict[Any, Any] = {}


def shared_buffer(case: Case) -> Result:
    result = lstm(case)
    for name, array in result.items():
        kept = _buffers.setdefault((name, array.shape, array.dtype), np.empty_like(array))
        kept[...] = array
        result[name] = kept
    return result


def tanh_sigmoid(case: Case) -> Result:
    return lstm(case, sigma=lambda z: (0.5 * (1 + np.tanh(z * z.dtype.type(0.5)))).astype(z.dtype))


def wide_gradients(case: Case) -> Result:
    return {n: a.astype(np.float64) if n.startswith("d_") else a for n, a in lstm(case).items()}


class Lazy(dict[str, Any]):
    """A mapping that raises when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(f"{key} is not computed")


def lazy(case: Case) -> Any:
    return Lazy(lstm(case)) if case.x.shape[1] == 9 else lstm(case)


def raises_odd_text(case: Case) -> Result:
    if case.x.shape[1] == 9:
        raise ValueError("bad \udc80 \x1b name")
    return lstm(case)
