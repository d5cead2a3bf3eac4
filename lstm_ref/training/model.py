"""An LSTM layer with a head, and the gradients of its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, UnsupportedError, UsageError, shape_error
from lstm_ref.layer import Layer
from lstm_ref.network import Network
from lstm_ref.options import PLAIN, Options
from lstm_ref.params import FloatArray, LSTMParams
from lstm_ref.training.heads import Dense
from lstm_ref.training.losses import Loss, Target, cross_entropy

State: TypeAlias = tuple[FloatArray, FloatArray]
"""h and c, each (B, H)."""

HEAD = "head."
"""What the names of the head's weights begin with."""


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """One LSTM layer in the forward direction, with a head on its outputs.

    Parameters
    ----------
    params : LSTMParams
    head : Dense or None
        None where the outputs themselves are the prediction.
    options : Options
        What departs from the plain LSTM.

    Raises
    ------
    ShapeError, DTypeError
        If the head does not fit the layer.
    UnsupportedError
        For `return_sequences=False`: which steps are read is the head's affair.
    """

    params: LSTMParams
    head: Dense | None = None
    options: Options = PLAIN

    def __post_init__(self) -> None:
        if not self.options.return_sequences:
            raise UnsupportedError(
                "a model with return_sequences=False is not trained here. Leave it out, and let the head read the last step "
                "alone: Dense(..., last_step=True)."
            )
        if self.head is None:
            return
        kernel, units = self.head.kernel, self.params.output_size
        if kernel.shape[0] != units:
            remedy = "It has one row for each unit of the LSTM's output"
            raise shape_error("the head's kernel", "(H, K)", (units, None), kernel.shape, remedy)
        if kernel.dtype != self.params.dtype:
            raise DTypeError(
                f"the head's kernel has dtype {kernel.dtype}, but the LSTM's weights have {self.params.dtype}. "
                "Convert one of them."
            )

    @property
    def weights(self) -> dict[str, FloatArray]:
        """Every weight by name: ``kernel``, ``recurrent_kernel``, ``bias`` and so on, ``head.kernel``, ``head.bias``."""
        of_head = {} if self.head is None else self.head.arrays
        return self.params.arrays | {HEAD + name: array for name, array in of_head.items()}

    def with_weights(self, weights: Mapping[str, FloatArray]) -> Model:
        """The same model with other weights, named as in `weights`."""
        of_head = {name.removeprefix(HEAD): array for name, array in weights.items() if name.startswith(HEAD)}
        params = LSTMParams(**{name: array for name, array in weights.items() if not name.startswith(HEAD)})
        return replace(self, params=params, head=self.head and self.head.with_arrays(of_head))

    def astype(self, dtype: npt.DTypeLike) -> Model:
        """The same model with its weights rounded or widened to `dtype`."""
        return self.with_weights({name: array.astype(dtype) for name, array in self.weights.items()})

    def predict(self, x: FloatArray, state: State | None = None) -> FloatArray:
        """The prediction for x (B, T, D): the head's, (B, T, K) or (B, K), or without a head the outputs (B, T, H)."""
        output, _ = self._network(x, state)
        return output if self.head is None else self.head.forward(output)

    def read_out(
        self, output: FloatArray, target: Target, loss: Loss
    ) -> tuple[float, FloatArray, dict[str, FloatArray]]:
        """The loss of the LSTM's outputs, and its gradients with respect to them and to the head's weights.

        Parameters
        ----------
        output : array (B, T, H)
        target : array
            As the loss takes it.
        loss : callable
            One of `lstm_ref.training`'s.

        Returns
        -------
        loss : float
        d_output : array (B, T, H)
        gradients : dict
            Named as in `weights`; empty without a head.

        Raises
        ------
        UsageError
            For the cross-entropy behind a softmax: it takes logits, and would take the softmax of a softmax.
        ShapeError, DTypeError
            If the target does not fit.
        """
        if self.head is None:
            value, d_output = loss(output, target)
            return value, d_output, {}
        if self.head.softmax and loss is cross_entropy:
            raise UsageError(
                "cross_entropy takes logits, and this head gives probabilities. Use Dense(..., softmax=False)."
            )
        prediction = self.head.forward(output)
        value, d_prediction = loss(prediction, target)
        d_output, of_head = self.head.backward(output, prediction, d_prediction)
        return value, d_output, {HEAD + name.removeprefix("d_"): gradient for name, gradient in of_head.items()}

    @property
    def _network(self) -> Network:
        return Network(Layer(self.params, options=self.options))


@dataclass(frozen=True, eq=False, slots=True)
class Differentiated:
    """A loss and its gradients.

    Attributes
    ----------
    loss : float
    gradients : dict
        Named as the model's weights.
    state : pair of arrays (B, H)
        The LSTM's state after the last step.
    """

    loss: float
    gradients: dict[str, FloatArray]
    state: State


def differentiate(
    model: Model, x: FloatArray, target: Target, loss: Loss, state: State | None = None
) -> Differentiated:
    """The loss of a batch, and the gradients of all weights by backpropagation through all of its steps.

    Parameters
    ----------
    model : Model
    x : array (B, T, D)
    target : array
        As the loss takes it.
    loss : callable
        One of `lstm_ref.training`'s.
    state : pair of arrays (B, H), optional
        The initial h and c; zeros when not given. No gradient goes back into it.

    Raises
    ------
    UsageError, ShapeError, DTypeError
    """
    network = model._network
    run = network.forward(x, state)
    value, d_output, of_head = model.read_out(run.output, np.asarray(target), loss)
    gradients = network.backward(run, d_output)
    of_layer = {name: getattr(gradients, f"d_{name}") for name in model.params.arrays}
    return Differentiated(value, of_layer | of_head, (run.h, run.c))
