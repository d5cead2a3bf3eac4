"""LSTMs with one bug each that the catalogue does not have, nor the places that are read off."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import HookableLSTM, Step


class ForgetPeephole(HookableLSTM):
    """The forget gate sees half of the cell state as well."""

    def cell(self, i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
        f = self.sigmoid(np.log(f / (1 - f)) + c / 2)
        return f * c + i * g


class ScaledCandidate(HookableLSTM):
    """1.5 tanh(3/4 z)."""

    def candidate(self, z: Any) -> Any:
        return (1.5 * np.tanh(z * 0.75)).astype(z.dtype)


class SoftCell(HookableLSTM):
    """h = o * c / (1 + |c| / 1.3)."""

    def squash(self, c: Any) -> Any:
        return c / (1 + np.abs(c) / c.dtype.type(1.3))


class InputLags(HookableLSTM):
    """From the second step on, the mean of the input and the one before is taken."""

    def inputs(self, case: Any) -> Any:
        x = (case.x + np.concatenate([case.x[:, :1], case.x[:, :-1]], axis=1)) / 2
        return x, case.h0, case.c0


class CarryTimesOutputGate(HookableLSTM):
    """The cell's cotangent is carried back times o f instead of f."""

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        return d_c * step.o * step.f


class BatchRootMean(HookableLSTM):
    """d_kernel is divided by the square root of B."""

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        return dW / dW.dtype.type(np.sqrt(len(self.case.x))), dU, db


class ForgetBlockDoubled(HookableLSTM):
    """The forget block of d_recurrent_kernel is twice what it should be."""

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        H = len(dU)
        return dW, np.concatenate([dU[:, :H], 2 * dU[:, H : 2 * H], dU[:, 2 * H :]], axis=1), db


class CellClipped(HookableLSTM):
    """The cell state is clipped to [-1.125, 1.125] as it is carried on."""

    def carried(self, step: Step) -> Any:
        return step.h_next, np.clip(step.c_next, -1.125, 1.125)


class FirstSampleTwice(HookableLSTM):
    """The last sample's h0 is the first one's."""

    def inputs(self, case: Any) -> Any:
        h0 = case.h0.copy()
        h0[-1] = h0[0]
        return case.x, h0, case.c0


class ForgetSeesCell(HookableLSTM):
    """The forget gate sees the cell state as well."""

    def preactivation(self, x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        return super().preactivation(x, h, c, W, U, b) + np.concatenate([0 * c, c, 0 * c, 0 * c], axis=1)


class LeCunsCandidate(HookableLSTM):
    """LeCun's 1.7159 tanh(2/3 z)."""

    def candidate(self, z: Any) -> Any:
        return (1.7159 * np.tanh(z * (2 / 3))).astype(z.dtype)


class OlderInput(HookableLSTM):
    """From the second step on, the step before's input is taken."""

    def inputs(self, case: Any) -> Any:
        return np.concatenate([case.x[:, :1], case.x[:, :-1]], axis=1), case.h0, case.c0


class CarryTimesOutput(HookableLSTM):
    """The cell's cotangent is carried back times o instead of f."""

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        return d_c * step.o


class CellClippedToOne(HookableLSTM):
    """The cell state is clipped to [-1, 1] as it is carried on."""

    def carried(self, step: Step) -> Any:
        return step.h_next, np.clip(step.c_next, -1, 1)


class BeginnersBackward(HookableLSTM):
    """σ' of the activated gates, tanh' of the activated candidate, and dc is not carried."""

    def sigmoid_slope(self, gate: str, a: Any, step: Step) -> Any:
        return self.sigmoid(a) * (1 - self.sigmoid(a))

    def tanh_slope(self, g: Any, step: Step) -> Any:
        return 1 - np.tanh(g) ** 2

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        return np.zeros_like(d_c)


def first_sample_twice(case: Any) -> Any:
    """`FirstSampleTwice` as a candidate."""
    return FirstSampleTwice()(case)
