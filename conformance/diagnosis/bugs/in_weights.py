"""Weights read in another layout than they were given in: wrong from the first step."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, block
from lstm_ref.params import GATES


def _per_gate(array: Any, change: Any) -> Any:
    """`change` applied to each gate's block."""
    return np.concatenate([change(block) for block in np.split(array, 4, axis=-1)], axis=-1)


def _reordered(array: Any, order: str, wanted: str) -> Any:
    """Gate blocks in another order; of complex numbers as well, with which derivatives are taken."""
    return np.concatenate([block(array, gate, order) for gate in wanted], axis=-1)


def _gate_order(order: str) -> None:
    class WrongOrder(HookableLSTM):
        def read(self, case: Any) -> Any:
            return tuple(_reordered(array, order, GATES) for array in super().read(case))

        def write(self, dW: Any, dU: Any, db: Any) -> Any:
            return tuple(_reordered(array, GATES, order) for array in super().write(dW, dU, db))

    enter(
        "weights", f"gate-order-{order}", f"The gate blocks are read in the order {', '.join(order)} instead of i, f, c, o.",
        "Outputs are wrong from the first step on; in each gate's place another gate's weights act.",
        f"Split the 4H columns as i, f, c, o, or reorder the weights once when they are loaded; the code has {', '.join(order)}.",
        family="gate-order",
    )(WrongOrder)  # fmt: skip


for _order in permutations(GATES):
    if "".join(_order) != GATES:
        _gate_order("".join(_order))


@enter(
    "weights",
    "gates-interleaved",
    "Columns are taken as unit by unit with four gates each, not as four blocks of units.",
    "Outputs are wrong from the first step on; hidden by H=1.",
    "Split the 4H columns into four blocks of H: np.split(z, 4, axis=-1), not z.reshape(B, H, 4).",
)
class Interleaved(HookableLSTM):
    def read(self, case: Any) -> Any:
        return tuple(a.reshape(*a.shape[:-1], -1, 4).swapaxes(-1, -2).reshape(a.shape) for a in super().read(case))

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        return tuple(
            a.reshape(*a.shape[:-1], 4, -1).swapaxes(-1, -2).reshape(a.shape) for a in super().write(dW, dU, db)
        )


@enter(
    "weights",
    "kernel-reshaped",
    "The kernel is brought into shape by reshape where a transpose was meant.",
    "Outputs are wrong from the first step on, though all shapes fit; hidden by D=1.",
    "Use weight_ih.T, not weight_ih.reshape(D, 4 * H).",
)
class KernelReshaped(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return np.ascontiguousarray(W.T).reshape(W.shape), U, b

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        dW, dU, db = super().write(dW, dU, db)
        return dW.reshape(dW.shape[::-1]).T, dU, db


@enter(
    "weights",
    "recurrent-reshaped",
    "The recurrent kernel is brought into shape by reshape where a transpose was meant.",
    "Wrong as soon as the hidden state is not zero; hidden by H=1 and by one step from a zero state.",
    "Use weight_hh.T, not weight_hh.reshape(H, 4 * H).",
)
class RecurrentReshaped(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, np.ascontiguousarray(U.T).reshape(U.shape), b

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        dW, dU, db = super().write(dW, dU, db)
        return dW, dU.reshape(dU.shape[::-1]).T, db


@enter(
    "weights",
    "recurrent-transposed",
    "Each gate's recurrent block is transposed.",
    "Wrong as soon as the hidden state is not zero, though all shapes fit; hidden by symmetric or constant weights.",
    "Transpose the recurrent kernel as a whole, from (4H, H) to (H, 4H), or not at all; its blocks are not symmetric.",
)
class RecurrentTransposed(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, _per_gate(U, np.transpose), b

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        dW, dU, db = super().write(dW, dU, db)
        return dW, _per_gate(dU, np.transpose), db


@enter(
    "weights",
    "concat-order-swapped",
    "Weights for [h, x] are applied to [x, h].",
    "Wrong from the first step on.",
    "Concatenate in the order that the weights' rows have.",
)
class ConcatOrderSwapped(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        joined = np.concatenate([U, W])
        return joined[: len(W)], joined[len(W) :], b

    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        dW, dU, db = super().write(dW, dU, db)
        joined = np.concatenate([dW, dU])
        return joined[len(dU) :], joined[: len(dU)], db


@enter(
    "weights",
    "bias-doubled",
    "The one bias is loaded into both of PyTorch's two, and added twice.",
    "Each gate's logit is off by exactly the bias; hidden by a zero bias.",
    "Load the bias into one of the two and zeros into the other.",
)
class BiasDoubled(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, U, 2 * b


@enter(
    "weights",
    "bias-halved",
    "Two biases are averaged instead of summed.",
    "Each gate's logit is off by half the bias; hidden by a zero bias.",
    "Sum the two biases.",
)
class BiasHalved(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, U, b / 2


@enter(
    "weights",
    "bias-ignored",
    "The bias is not added.",
    "Each gate's logit is off by the bias; hidden by a zero bias.",
    "Add the bias to the logits.",
)
class BiasIgnored(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        return W, U, np.zeros_like(b)


@enter(
    "weights",
    "forget-bias-added",
    "1 is added to the forget gate's logit at run time.",
    "The forget gate's logit is off by exactly 1, whatever the weights.",
    "Leave the 1 out: Keras and PyTorch put it into the bias, when it is initialised.",
)
class ForgetBiasAdded(HookableLSTM):
    def read(self, case: Any) -> Any:
        W, U, b = super().read(case)
        H = b.size // 4
        return W, U, np.concatenate([b[:H], b[H : 2 * H] + 1, b[2 * H :]]).astype(b.dtype)


def _shared(gate: str) -> None:
    place = GATES.index(gate)

    class Shared(HookableLSTM):
        def read(self, case: Any) -> Any:
            return tuple(np.concatenate([np.split(a, 4, axis=-1)[place]] * 4, axis=-1) for a in super().read(case))

    enter(
        "weights", f"gates-share-weights-{gate}", f"Every gate uses the weights of the block {gate}.",
        "All gates have the same logit.", "Give each gate its own block of the weights.", family="gates-share-weights",
    )(Shared)  # fmt: skip


for _gate in GATES:
    _shared(_gate)
