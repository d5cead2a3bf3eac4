"""What a user calls: a network of given weights, its inference, its forward and its backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref import sequence
from lstm_ref.errors import DTypeError, UnsupportedError, UsageError, shape_error
from lstm_ref.params import FloatArray, LSTMParams, as_float_array
from lstm_ref.sequence import Gradients, Record

State: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """A forward pass and what its backward pass needs.

    Attributes
    ----------
    output : array (B, T, H)
        The hidden state after every step.
    h, c : array (B, H)
        The state after the last step.
    """

    output: FloatArray
    h: FloatArray
    c: FloatArray
    params: LSTMParams
    record: Record


class Network:
    """One LSTM layer in one direction.

    Parameters
    ----------
    params : LSTMParams
        The weights. Arrays given later must have their dtype, float64 or float32, and all
        results have it too.

    Examples
    --------
    >>> import numpy as np, lstm_ref
    >>> rng = np.random.default_rng(0)
    >>> params = lstm_ref.LSTMParams(rng.normal(size=(3, 8)), rng.normal(size=(2, 8)), np.zeros(8))
    >>> network = lstm_ref.Network(params)
    >>> output, (h, c) = network(rng.normal(size=(5, 7, 3)))
    >>> output.shape, h.shape, c.shape
    ((5, 7, 2), (5, 2), (5, 2))
    """

    def __init__(self, params: LSTMParams) -> None:
        if not isinstance(params, LSTMParams):
            raise UsageError(
                f"Network takes LSTMParams, not {type(params).__name__}. "
                "Build them with lstm_ref.LSTMParams(kernel, recurrent_kernel, bias), or use lstm_ref.load."
            )
        self.params = params

    def __repr__(self) -> str:
        p = self.params
        bias = "" if p.bias is not None else ", no bias"
        return f"Network(D={p.input_size}, H={p.hidden_size}, {p.dtype}{bias})"

    def __call__(
        self, x: npt.ArrayLike, state: State | None = None, mask: npt.ArrayLike | None = None
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Inference: the outputs and the final state, without a tape.

        Memory beyond the output does not grow with T. The numbers are those of `forward` to the bit.

        Parameters
        ----------
        x : array (B, T, D)
        state : pair of arrays (B, H), optional
            h0 and c0; zeros when not given.
        mask : None
            Not supported yet.

        Returns
        -------
        output : array (B, T, H)
        (h, c) : arrays (B, H)

        Raises
        ------
        ShapeError, DTypeError, UnsupportedError
        """
        output, h, c, _ = sequence.forward(self.params, *self._checked(x, state, mask), remember=None)
        return output, (h, c)

    def forward(
        self,
        x: npt.ArrayLike,
        state: State | None = None,
        mask: npt.ArrayLike | None = None,
        *,
        checkpoint_every: int | None = None,
    ) -> Run:
        """The forward pass with its tape, for `backward`; `x`, `state` and `mask` as in inference.

        The tape takes T * B * (7H + D) numbers. It holds copies: `x` and `state` may change afterwards. The
        weights are not copied: change them only after `backward`.

        Parameters
        ----------
        checkpoint_every : int, optional
            Keep, instead of the tape, the state after so many steps, and let `backward` make the tape of these
            steps again: about the square root of T takes the least memory. It costs one more forward
            pass and changes no bit of any result. Rounded up to whole pieces in which samples times
            steps are at least 2048, as fewer would save nothing worth it.

        Raises
        ------
        UsageError
            If `checkpoint_every` is not a positive number of steps.
        ShapeError, DTypeError, UnsupportedError
        """
        x, h0, c0 = self._checked(x, state, mask)
        if checkpoint_every is not None and (not isinstance(checkpoint_every, int) or checkpoint_every < 1):
            raise UsageError(
                f"checkpoint_every is {checkpoint_every!r}, expected a number of steps, 1 or more, or None."
            )
        every = max(x.shape[1], 1) if checkpoint_every is None else checkpoint_every
        output, h, c, record = sequence.forward(self.params, x, h0, c0, remember=every)
        assert record is not None
        return Run(output, h, c, self.params, record)

    def backward(
        self,
        run: Run,
        d_output: npt.ArrayLike | None = None,
        d_h: npt.ArrayLike | None = None,
        d_c: npt.ArrayLike | None = None,
    ) -> Gradients:
        """Gradients of sum(d_output*output) + sum(d_h*h) + sum(d_c*c), by backpropagation through time.

        Parameters
        ----------
        run : Run
            What `forward` of this network returned; it may be used again.
        d_output : array (B, T, H), optional
        d_h, d_c : array (B, H), optional
            Cotangents; any combination but none at all. One that is left out is zero.

        Raises
        ------
        UsageError
            If no cotangent is given, or the run is another network's.
        ShapeError, DTypeError
        """
        if not isinstance(run, Run) or run.params is not self.params:
            raise UsageError(
                "run is not what this network's forward returned; call backward on the network that made it."
            )
        if d_output is None and d_h is None and d_c is None:
            raise UsageError("no cotangent was given; pass at least one of d_output, d_h and d_c.")
        B, T, H = run.output.shape
        cotangents = (
            None if d_output is None else self._array("d_output", d_output, "(B, T, H)", (B, T, H)),
            None if d_h is None else self._array("d_h", d_h, "(B, H)", (B, H)),
            None if d_c is None else self._array("d_c", d_c, "(B, H)", (B, H)),
        )
        return sequence.backward(self.params, run.record, *cotangents)

    def _checked(
        self, x: npt.ArrayLike, state: State | None, mask: npt.ArrayLike | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        if mask is not None:
            raise UnsupportedError(
                "mask is not supported yet: run each length by itself, or cut the padding off first."
            )
        D, H = self.params.input_size, self.params.hidden_size
        x = self._array("x", x, "(B, T, D)", (None, None, D))
        B = x.shape[0]
        if state is None:
            return x, np.zeros((B, H), x.dtype), np.zeros((B, H), x.dtype)
        if not isinstance(state, tuple | list) or len(state) != 2:
            raise UsageError("state must be the pair (h0, c0), each of shape (B, H).")
        h0 = self._array("h0", state[0], "(B, H)", (B, H))
        c0 = self._array("c0", state[1], "(B, H)", (B, H))
        return x, h0, c0

    def _array(self, name: str, array: npt.ArrayLike, symbols: str, expected: tuple[int | None, ...]) -> FloatArray:
        result = as_float_array(name, array)
        if result.dtype != self.params.dtype:
            raise DTypeError(
                f"{name} has dtype {result.dtype}, but the weights have {self.params.dtype}. Convert one: "
                f"{name}.astype('{self.params.dtype}') or params.astype('{result.dtype}')."
            )
        if result.ndim != len(expected) or any(
            want is not None and have != want for have, want in zip(result.shape, expected, strict=True)
        ):
            remedy = "Arrays are batch-first, and states have no layer axis"
            raise shape_error(name, symbols, expected, result.shape, remedy)
        return result
