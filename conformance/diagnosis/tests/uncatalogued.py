"""LSTMs with one bug each that the catalogue does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import HookableLSTM, Step


class ForgetPeephole(HookableLSTM):
    """The forget gate sees the cell state as well."""

    def cell(self, i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
        f = self.sigmoid(np.log(f / (1 - f)) + c)
        return f * c + i * g


class ScaledCandidate(HookableLSTM):
    """LeCun's 1.7159 tanh(2/3 z)."""

    def candidate(self, z: Any) -> Any:
        return (1.7159 * np.tanh(z * (2 / 3))).astype(z.dtype)


class InputLags(HookableLSTM):
    """From the second step on, the step before's input is taken."""

    def inputs(self, case: Any) -> Any:
        x = np.concatenate([case.x[:, :1], case.x[:, :-1]], axis=1)
        return x, case.h0, case.c0


class CarryTimesOutputGate(HookableLSTM):
    """The cell's cotangent is carried back times o instead of f."""

    def carry_cell(self, d_c: Any, step: Step) -> Any:
        return d_c * step.o


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
    """The cell state is clipped to [-1, 1] as it is carried on."""

    def carried(self, step: Step) -> Any:
        return step.h_next, np.clip(step.c_next, -1, 1)


class FirstSampleTwice(HookableLSTM):
    """The last sample's h0 is the first one's."""

    def inputs(self, case: Any) -> Any:
        h0 = case.h0.copy()
        h0[-1] = h0[0]
        return case.x, h0, case.c0
