"""What turns an LSTM's outputs into predictions: a dense layer, with a softmax if that is wanted.

With h the output, W the kernel and b the bias:

    z = h W + b        the logits
    p = exp(z) / Σ exp(z)        softmax, over the last axis

and back, from the cotangent of the prediction, d_p or d_z:

    d_z = p ⊙ (d_p − Σ d_p ⊙ p)
    d_h = d_z Wᵀ        d_W = Σ hᵀ d_z        d_b = Σ d_z        summed over samples and steps
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_ref.errors import DTypeError, shape_error
from lstm_ref.params import FloatArray, as_float_array


def softmax(logits: FloatArray) -> FloatArray:
    """The probabilities exp(z) / Σ exp(z) over the last axis; no logit overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, eq=False, slots=True)
class Dense:
    """A dense layer on an LSTM's outputs, on each step's or on the last one's.

    Parameters
    ----------
    kernel : array (H, K)
        Applied as ``output @ kernel``; K is the number of units of the prediction.
    bias : array (K,) or None
    last_step : bool
        Whether only the last step's output is read; then the prediction has no axis of time.
    softmax : bool
        Whether the prediction is the probabilities rather than the logits. The loss `cross_entropy` takes logits.

    Raises
    ------
    ShapeError, DTypeError
        If the arrays do not fit together.
    """

    kernel: FloatArray
    bias: FloatArray | None = None
    last_step: bool = False
    softmax: bool = False

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            object.__setattr__(self, name, as_float_array(f"the head's {name}", array))
        if self.kernel.ndim != 2:
            raise shape_error(
                "the head's kernel", "(H, K)", (None, None), self.kernel.shape, "It acts from the right, on outputs"
            )
        if self.bias is None:
            return
        if self.bias.shape != self.kernel.shape[1:]:
            remedy = "It has one number for each column of the kernel"
            raise shape_error("the head's bias", "(K,)", self.kernel.shape[1:], self.bias.shape, remedy)
        if self.bias.dtype != self.kernel.dtype:
            raise DTypeError(
                f"the head's bias has dtype {self.bias.dtype}, its kernel {self.kernel.dtype}. Convert one of them."
            )

    @classmethod
    def glorot(
        cls,
        rng: np.random.Generator,
        H: int,
        K: int,
        *,
        last_step: bool = False,
        softmax: bool = False,
        dtype: npt.DTypeLike = np.float32,
    ) -> Dense:
        """A new head as a new ``keras.layers.Dense`` is: the kernel uniform within ±√(6 / (H + K)), the bias zero."""
        limit = (6 / (H + K)) ** 0.5
        return cls(rng.uniform(-limit, limit, (H, K)).astype(dtype), np.zeros(K, dtype), last_step, softmax)

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """Name to array, of those that there are."""
        return {"kernel": self.kernel} | ({} if self.bias is None else {"bias": self.bias})

    def with_arrays(self, arrays: dict[str, FloatArray]) -> Dense:
        """The same head with other weights, named as in `arrays`."""
        return replace(self, **arrays)  # type: ignore[arg-type]  # the names are those of arrays alone

    def forward(self, output: FloatArray) -> FloatArray:
        """The prediction.

        Parameters
        ----------
        output : array (B, T, H)
            Every step's output of the LSTM.

        Returns
        -------
        prediction : array (B, T, K), or (B, K) of the last step
        """
        logits = (output[:, -1] if self.last_step else output) @ self.kernel
        if self.bias is not None:
            logits = logits + self.bias
        return softmax(logits) if self.softmax else logits

    def backward(
        self, output: FloatArray, prediction: FloatArray, d_prediction: FloatArray
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        """The gradients.

        Parameters
        ----------
        output : array (B, T, H)
            What `forward` was given.
        prediction : array (B, T, K) or (B, K)
            What it returned.
        d_prediction : array (B, T, K) or (B, K)
            The loss's gradient.

        Returns
        -------
        d_output : array (B, T, H)
            Zero but at the last step if only that is read.
        gradients : dict
            ``d_kernel`` (H, K), and ``d_bias`` (K,) if there is a bias.
        """
        d_z: FloatArray = d_prediction
        if self.softmax:
            d_z = prediction * (d_prediction - (d_prediction * prediction).sum(axis=-1, keepdims=True))
        read = output[:, -1] if self.last_step else output
        H, K = self.kernel.shape
        gradients: dict[str, FloatArray] = {"d_kernel": read.reshape(-1, H).T @ d_z.reshape(-1, K)}
        if self.bias is not None:
            gradients["d_bias"] = d_z.reshape(-1, K).sum(axis=0)
        d_read: FloatArray = d_z @ self.kernel.T
        if not self.last_step:
            return d_read, gradients
        d_output = np.zeros_like(output)
        d_output[:, -1] = d_read
        return d_output, gradients
