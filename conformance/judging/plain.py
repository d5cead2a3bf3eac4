"""Monte Carlo arithmetic of the plain LSTM, written out: what the equations on a tape give, in up to half the time.

`conformance.judging.noise` says what is perturbed by how much, and why.
"""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np

from conformance.case import Case
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray

POOL = 1 << 14
"""So many random numbers there are for each run; every operation takes them from a random place on."""


@cache
def _pool(runs: int, roundoff: float) -> FloatArray:
    """Numbers u * delta for each run, after a row of zeros for the run without perturbation."""
    raw = np.asarray(np.random.PCG64(1997).random_raw(runs * POOL // 4), "<u8")
    pool = np.zeros((1 + runs, POOL))
    pool[1:] = raw.view("<i2").reshape(runs, POOL) * (roundoff / 2**15)
    return pool


@cache
def _factors(runs: int, roundoff: float, roundings: int) -> FloatArray:
    """The same as factors that stand for so many roundings."""
    factors: FloatArray = 1 + roundings**0.5 * _pool(runs, roundoff)
    return factors


class _Roundings:
    """Random roundings for runs along the first axis, of which the first run has none; the same on every machine."""

    def __init__(self, runs: int, roundoff: float) -> None:
        self.runs, self.roundoff = runs, roundoff
        self.places = np.random.PCG64(runs)

    def _taken(self, pool: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        count = prod(shape)
        parts = []
        while count > 0:
            most = min(count, POOL // 2)
            start = int(self.places.random_raw()) % (POOL - most)
            parts.append(pool[:, start : start + most])
            count -= most
        taken = parts[0] if len(parts) == 1 else np.concatenate(parts or [pool[:, :0]], axis=1)
        return taken.reshape(1 + self.runs, *shape)

    def deltas(self, *shape: int) -> FloatArray:
        """Numbers u * delta, (1 + runs, *shape)."""
        return self._taken(_pool(self.runs, self.roundoff), shape)

    def factors(self, roundings: int, *shape: int) -> FloatArray:
        """Factors 1 + u * delta that stand for so many roundings of one product, (1 + runs, *shape)."""
        return self._taken(_factors(self.runs, self.roundoff, roundings), shape)

    def of_dot(self, dot: FloatArray, squares: FloatArray, n: int) -> None:
        """Round sums of products: `dot` (1 + runs, ..), given the unperturbed run's sums of n squared products."""
        w = np.sqrt((1 - 1 / n + (n + 1) / 6) * squares + (n + 1) / 3 * dot[0] ** 2)
        dot += w * self.deltas(*w.shape)


def plain(case: Case) -> bool:
    """Whether a case is of one layer in forward direction, without any option."""
    if not case.single or case.layers[0].forward is None or case.mask is not None:
        return False
    extra = case.params.arrays.keys() - {"kernel", "recurrent_kernel", "bias"}
    return not extra and case.options == PLAIN and not case.dropout


def perturbed_plain(case: Case, runs: int, roundoff: float) -> dict[str, FloatArray]:
    """Every quantity of the unperturbed run and of so many perturbed ones: float64 arrays (1 + runs, *shape).

    Forward, with s(z) = 1 / (1 + exp(-z)):

        z = x W + h U + b,    i, f, g, o = s(z_i), s(z_f), tanh(z_g), s(z_o)
        c' = f * c + i * g,   h' = o * tanh(c')

    Backward, from d_output, d_h and d_c:

        d_h' = d_output + d_h,   d_c' = d_c + d_h' * o * (1 - tanh(c')**2),   d_c = d_c' * f
        d_z = d_c' * g * i * (1 - i),  d_c' * c * f * (1 - f),  d_c' * i * (1 - g**2),  d_h' * tanh(c') * o * (1 - o)
        d_h = d_z U^T,   d_x = d_z W^T,   d_W = x^T d_z,   d_U = h^T d_z,   d_b = sum of d_z

    Parameters
    ----------
    case : Case
        A plain one.
    runs : int
    roundoff : float
        u, what they are perturbed by.
    """
    B, T, D, H = case.sizes
    R, rounded = 1 + runs, _Roundings(runs, roundoff)
    weights = case.params
    x, W, U = (np.asarray(a, np.float64) for a in (case.x.swapaxes(0, 1), weights.kernel, weights.recurrent_kernel))
    b = np.zeros(4 * H) if weights.bias is None else np.asarray(weights.bias, np.float64)
    W_squares, U_squares = W**2, U**2

    # Forward. Kept of every step: the states before it, its gates, and tanh(c').
    hs, cs = (np.empty((T + 1, R, B, H)) for _ in range(2))
    hs[0], cs[0] = case.h0, case.c0
    gates, tanhs = np.empty((T, R, B, 4, H)), np.empty((T, R, B, H))
    from_x, from_x_squares = x @ W + b, x**2 @ W_squares + b**2
    alike = rounded.deltas(B, 4, H)
    for t in range(T):
        h, c, a = hs[t], cs[t], gates[t]
        z = (h.reshape(R * B, H) @ U).reshape(R, B, 4 * H) + from_x[t]
        rounded.of_dot(z, h[0] ** 2 @ U_squares + from_x_squares[t], D + H + 1)
        z = z.reshape(R, B, 4, H)
        np.divide(1, 1 + np.exp(-z), out=a)
        np.tanh(z[:, :, 2], out=a[:, :, 2])
        a *= rounded.factors(1, B, 4, H) + alike
        i, f, g, o = (a[:, :, gate] for gate in range(4))
        c = f * c * rounded.factors(1, B, H) + i * g * rounded.factors(1, B, H)
        np.multiply(c, rounded.factors(1, B, H), out=cs[t + 1])
        np.multiply(np.tanh(cs[t + 1]), rounded.factors(1, B, H), out=tanhs[t])
        np.multiply(o * tanhs[t], rounded.factors(1, B, H), out=hs[t + 1])

    # What every step's d_c' and d_h' are multiplied by.
    i, f, g, o = (gates[:, :, :, gate] for gate in range(4))
    by_run = (np.moveaxis(a, 1, 0) for a in (i, f, g, o, cs[:T], tanhs))
    i, f, g, o, before, tanh_c = by_run
    slope_g, slope_c = (1 - a**2 * rounded.factors(1, T, B, H) for a in (g, tanh_c))
    to_c, through_c = o * slope_c * rounded.factors(3, T, B, H), f * rounded.factors(1, T, B, H)
    to_z = np.stack([g * i * (1 - i), before * f * (1 - f), i * slope_g, tanh_c * o * (1 - o)], axis=3)
    to_z *= rounded.factors(4, T, B, 4, H)

    # Backward.
    d_h, d_c = (np.broadcast_to(a.astype(np.float64), (R, B, H)) for a in (case.d_h, case.d_c))
    d_output = case.d_output.swapaxes(0, 1).astype(np.float64)
    d_zs = np.empty((R, T, B, 4, H))
    for t in reversed(range(T)):
        d_h = (d_output[t] + d_h) * rounded.factors(1, B, H)
        d_c = (d_c + d_h * to_c[:, t]) * rounded.factors(1, B, H)
        d_z = d_zs[:, t]
        np.multiply(to_z[:, t, :, :3], d_c[:, :, None], out=d_z[:, :, :3])
        np.multiply(to_z[:, t, :, 3], d_h, out=d_z[:, :, 3])
        d_c = d_c * through_c[:, t]
        d_h = (d_z.reshape(R * B, 4 * H) @ U.T).reshape(R, B, H)
        rounded.of_dot(d_h, d_z[0].reshape(B, 4 * H) ** 2 @ U_squares.T, 4 * H)

    # The gradients of what is used at every step: sums over gates and units, or over steps and samples.
    d_z = d_zs.reshape(R, T * B, 4 * H)
    xs, before_h = x.reshape(T * B, D), np.moveaxis(hs[:T], 1, 0).reshape(R, T * B, H)
    squares, n = d_z[0] ** 2, max(T * B, 1)
    d_x = (d_z.reshape(R * T * B, 4 * H) @ W.T).reshape(R, T * B, D)
    d_W, d_U, d_b = xs.T @ d_z, before_h.swapaxes(1, 2) @ d_z, d_z.sum(axis=1)
    rounded.of_dot(d_x, squares @ W_squares.T, 4 * H)
    rounded.of_dot(d_W, (xs**2).T @ squares, n)
    rounded.of_dot(d_U, (before_h[0] ** 2).T @ squares, n)
    rounded.of_dot(d_b, squares.sum(axis=0), n)

    found = {"output": np.moveaxis(hs[1:], 0, 2), "h": hs[T], "c": cs[T]}
    found |= {"d_x": d_x.reshape(R, T, B, D).swapaxes(1, 2), "d_h0": d_h, "d_c0": d_c}
    found |= {"d_kernel": d_W, "d_recurrent_kernel": d_U}
    return found if weights.bias is None else found | {"d_bias": d_b}
