"""Training with an LSTM that is known by its ``Case -> Result`` alone: losses, heads and optimizers are `lstm_ref.training`'s."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.case import Case, Implementation
from lstm_ref.params import FloatArray
from lstm_ref.training import Differentiated, Model
from lstm_ref.training.loop import Differentiate
from lstm_ref.training.losses import Loss, Target
from lstm_ref.training.model import State


def differentiator(
    lstm: Implementation, id: str, *, steps_in_call: int | None = None, last_by_state: bool = True, scale: float = 1.0
) -> Differentiate:
    """What gives the training loop the losses and gradients of an LSTM.

    It is called twice for each: with cotangents of zero, for its outputs, and with those that the loss then has.

    Parameters
    ----------
    lstm : callable
        Gives at least ``output`` and the weights' gradients.
    id : str
        What its cases are called.
    steps_in_call : int, optional
        Sequences are given to it in pieces of so many steps, from the first to the last, and for the gradients back again: what
        is had of ``h``, ``c``, ``d_h0`` and ``d_c0`` is handed on. The loss and its gradients stay those of the whole.
    last_by_state : bool
        Whether the gradient of a head on the last step is given as that of the final state, ``d_h``, not of the last output.
    scale : float
        A power of two: cotangents are given so many times as large, and gradients are divided by it. Not a bit of them changes,
        unless the LSTM cuts off what is large.
    """

    def differentiate(model: Model, x: FloatArray, target: Target, loss: Loss, state: State | None) -> Differentiated:
        T, dtype = x.shape[1], x.dtype
        zeros = np.zeros((len(x), model.params.hidden_size), dtype)
        h, c = (zeros, zeros) if state is None else state
        cases, outputs = [], []
        for start in range(0, T, steps_in_call or T):
            piece = x[:, start : start + (steps_in_call or T)]
            d_output = np.zeros((*piece.shape[:2], model.params.hidden_size), dtype)
            case = Case(id, dtype, piece, h, c, model.params, d_output, zeros, zeros, options=model.options)
            result = lstm(case)
            cases.append(case)
            outputs.append(np.asarray(result["output"], dtype))
            h, c = (np.asarray(result.get(name, zeros), dtype) for name in ("h", "c"))
        value, d_output, gradients = model.read_out(np.concatenate(outputs, axis=1), target, loss)
        d_output, d_h, d_c = d_output * scale, zeros, zeros
        if last_by_state and model.head is not None and model.head.last_step:
            d_h, d_output = d_output[:, -1], np.zeros_like(d_output)
        ends = np.cumsum([case.x.shape[1] for case in cases])
        for case, end in zip(cases[::-1], ends[::-1], strict=True):
            of_case = d_output[:, end - case.x.shape[1] : end]
            result = lstm(replace(case, d_output=of_case, d_h=d_h, d_c=d_c))
            for name in model.params.arrays:
                gradient = np.asarray(result[f"d_{name}"], dtype) / scale
                gradients[name] = gradients[name] + gradient if name in gradients else gradient
            d_h, d_c = (np.asarray(result.get(name, zeros), dtype) for name in ("d_h0", "d_c0"))
        return Differentiated(value, gradients, (h, c))

    return differentiate
