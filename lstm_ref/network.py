"""What a user calls: a network of given weights, its inference, its forward and its backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_ref import arguments, directions
from lstm_ref.arguments import DropoutLike, array, wide
from lstm_ref.directions import DirectionRecord
from lstm_ref.errors import DTypeError, ShapeError, UnsupportedError, UsageError
from lstm_ref.gradients import Gradients, LayerGradients, States
from lstm_ref.layer import Layer
from lstm_ref.params import FloatArray, LSTMParams
from lstm_ref.states import Split, StateForm

StatesLike: TypeAlias = npt.ArrayLike | Sequence[npt.ArrayLike]
State: TypeAlias = tuple[StatesLike, StatesLike]


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """A forward pass and what its backward pass needs.

    Attributes
    ----------
    output : array (B, T, H)
        The last layer's output after every step; see `lstm_ref.Layer.output_shape` for others.
    h, c : array (B, H)
        The state after the last step; see `lstm_ref.states` for several layers or directions.
    batch : int
        B.
    layers : tuple of Layer
        Those that computed, in the dtype that was computed in.
    records : list of list of DirectionRecord
        Of each layer, of each direction.
    """

    output: FloatArray
    h: States
    c: States
    network: Network
    batch: int
    layers: tuple[Layer, ...]
    records: list[list[DirectionRecord]]


class Network:
    """An LSTM of one or several layers.

    Parameters
    ----------
    layers : LSTMParams, Layer or sequence of Layer
        The weights of a plain layer in one direction, or layers, of which each takes what the one before it gives. Arrays
        given later must have their dtype, float64 or float32, and all results have it too.

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If the layers do not fit together, or one that is not the last gives no sequence or two.

    Notes
    -----
    Weights may be float16 or bfloat16, too. Then all is computed in float32, and rounded once at the end: the output, the
    final states and the gradients, but nothing between layers or steps. PyTorch 2.13 on a CPU with AVX2 rounds in between:
    measured with one and two layers (B=4, T=20, D=5, H=7), 34 to 44 % of its outputs and 31 to 68 % of its weights' gradients
    are those of float32 rounded once, and the others are within 1.4 eps of the largest number.

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

    def __init__(self, layers: LSTMParams | Layer | Sequence[Layer]) -> None:
        if isinstance(layers, LSTMParams):
            layers = Layer(layers)
        given = (layers,) if isinstance(layers, Layer) else layers
        if not isinstance(given, Sequence) or not all(isinstance(layer, Layer) for layer in given):
            raise UsageError(
                f"Network takes LSTMParams, a Layer or a list of Layers, not {type(layers).__name__}. "
                "Build them with lstm_ref.LSTMParams(kernel, recurrent_kernel, bias), or use lstm_ref.load."
            )
        self.layers = tuple(given)
        _check(self.layers)
        self.dtype = self.layers[0].dtype
        self._form = StateForm(self.layers)

    @property
    def params(self) -> LSTMParams:
        """The weights of a network of one layer in one direction.

        Raises
        ------
        UsageError
            If there are several; those are in `layers`.
        """
        if not self._form.single:
            raise UsageError(
                "this network has several layers or directions: network.layers[k].forward has the weights."
            )
        return self.layers[0].params

    def __repr__(self) -> str:
        first = self.layers[0]
        bias = "" if first.params.bias is not None else ", no bias"
        units = ["+".join([str(layer.hidden_size)] * len(layer.directions)) for layer in self.layers]
        H = units[0] if len(units) == 1 else f"[{', '.join(units)}]"
        return f"Network(D={first.input_size}, H={H}, {self.dtype}{bias})"

    def __call__(
        self,
        x: npt.ArrayLike,
        state: State | None = None,
        mask: npt.ArrayLike | None = None,
        *,
        dropout: DropoutLike = None,
    ) -> tuple[FloatArray, tuple[States, States]]:
        """Inference: the outputs and the final state, without a tape.

        Memory beyond the output does not grow with T. The numbers are those of `forward` to the bit.

        Parameters
        ----------
        x : array (B, T, D)
        state : pair of arrays (B, H), optional
            h0 and c0; zeros when not given. With several layers or directions they are (layers * directions, B, H); where
            widths differ, lists with an array (directions, B, H) for each layer. With a projection, h0 has P units.
        mask : array (B, T) of bool, optional
            True where a step counts. Another one holds the state, its x is not looked at, and its output is the one before
            it, or zeros by the layer's options.
        dropout : sequence, optional
            For each layer None, or a mapping from its directions to their `lstm_ref.Dropout`.

        Returns
        -------
        output : array (B, T, H)
        (h, c) : arrays (B, H)
            As `state`.

        Raises
        ------
        UsageError, ShapeError, DTypeError
        """
        run = self._run(x, state, mask, dropout, None, remember=False)
        return run.output, (run.h, run.c)

    def forward(
        self,
        x: npt.ArrayLike,
        state: State | None = None,
        mask: npt.ArrayLike | None = None,
        *,
        dropout: DropoutLike = None,
        checkpoint_every: int | None = None,
    ) -> Run:
        """The forward pass with its tape, for `backward`; `x`, `state`, `mask` and `dropout` as in inference.

        The tape of a plain layer takes T * B * (7H + D) numbers. It holds copies: `x` and `state` may change afterwards.
        The weights and dropout's factors are not copied: change them only after `backward`.

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
        UnsupportedError
            If it is given, and a layer is not plain: it has other activations, coupled gates, a clip, a projection, peepholes
            or recurrent dropout.
        ShapeError, DTypeError
        """
        if checkpoint_every is not None and (not isinstance(checkpoint_every, int) or checkpoint_every < 1):
            raise UsageError(
                f"checkpoint_every is {checkpoint_every!r}, expected a number of steps, 1 or more, or None."
            )
        return self._run(x, state, mask, dropout, checkpoint_every, remember=True)

    def backward(
        self,
        run: Run,
        d_output: npt.ArrayLike | None = None,
        d_h: StatesLike | None = None,
        d_c: StatesLike | None = None,
    ) -> Gradients:
        """Gradients of sum(d_output*output) + sum(d_h*h) + sum(d_c*c), by backpropagation through time.

        Parameters
        ----------
        run : Run
            What `forward` of this network returned; it may be used again.
        d_output : array (B, T, H), optional
        d_h, d_c : array (B, H), optional
            Cotangents; any combination but none at all. One that is left out is zero. Shapes are those of `run`'s.

        Raises
        ------
        UsageError
            If no cotangent is given, or the run is another network's.
        ShapeError, DTypeError
        """
        if not isinstance(run, Run) or run.network is not self:
            raise UsageError(
                "run is not what this network's forward returned; call backward on the network that made it."
            )
        if d_output is None and d_h is None and d_c is None:
            raise UsageError("no cotangent was given; pass at least one of d_output, d_h and d_c.")
        B = run.batch
        d: FloatArray | None = None
        if d_output is not None:
            remedy = "It has the shape of the output"
            d = array(self.dtype, "d_output", d_output, self.layers[-1].output_symbols, run.output.shape, remedy)
        d_h_of, d_c_of = self._form.cotangent("d_h", d_h, B), self._form.cotangent("d_c", d_c, B)
        d_h0: Split = []
        d_c0: Split = []
        weights: list[LayerGradients] = []
        backwards = zip(run.layers[::-1], run.records[::-1], d_h_of[::-1], d_c_of[::-1], strict=True)
        with np.errstate(all="ignore"):
            for layer, records, of_h, of_c in backwards:
                d, *d_state, of_weights = directions.backward(layer, records, d, of_h, of_c)
                d_h0.append(d_state[0])
                d_c0.append(d_state[1])
                weights.append(of_weights)
            assert d is not None
            if d.dtype != self.dtype:
                d, weights = d.astype(self.dtype), [each.astype(self.dtype) for each in weights]
            return Gradients(d, self._form.join(d_h0[::-1]), self._form.join(d_c0[::-1]), tuple(weights[::-1]))

    def _run(
        self,
        x: npt.ArrayLike,
        state: State | None,
        mask: npt.ArrayLike | None,
        dropout: DropoutLike,
        checkpoint_every: int | None,
        remember: bool,
    ) -> Run:
        """The forward pass; without records if nothing is to be remembered."""
        D = self.layers[0].input_size
        y = array(self.dtype, "x", x, "(B, T, D)", (None, None, D), "Arrays are batch-first")
        B, T, _ = y.shape
        if state is None:
            h0, c0 = self._form.zeros(B)
        elif not isinstance(state, tuple | list) or len(state) != 2:
            raise UsageError(
                "state must be the pair (h0, c0), each of shape (B, H); of several layers, see lstm_ref.states."
            )
        else:
            h0, c0 = self._form.split("h0", state[0], B), self._form.split("c0", state[1], B)
        counted, factors = arguments.mask(mask, B, T), arguments.dropout(dropout, self.layers, B, T)
        layers = self.layers
        if wide(self.dtype) != self.dtype:
            layers = tuple(layer.astype(wide(self.dtype)) for layer in layers)
        if checkpoint_every is not None:
            for k, (layer, of_layer) in enumerate(zip(layers, factors, strict=True)):
                if not directions.has_checkpoints(layer, of_layer):
                    raise UnsupportedError(
                        f"checkpoint_every is for layers whose equations are the plain ones, and those of layer {k} are not. "
                        "Leave it out."
                    )
        every = (checkpoint_every or max(T, 1)) if remember else None
        h: Split = []
        c: Split = []
        records: list[list[DirectionRecord]] = []
        # inf and NaN propagate in silence, as in the frameworks; no decorator, which in NumPy 1 all threads would share
        with np.errstate(all="ignore"):
            for layer, of_h, of_c, of_layer in zip(layers, h0, c0, factors, strict=True):
                y, of_h, of_c, of_time = directions.forward(layer, y, of_h, of_c, counted, of_layer, every)
                h.append(of_h)
                c.append(of_c)
                records.append(of_time)
            return Run(
                y.astype(self.dtype, copy=False), self._form.join(h), self._form.join(c), self, B, layers, records
            )


def _check(layers: tuple[Layer, ...]) -> None:
    """Whether layers fit together."""
    if not layers:
        raise UsageError("a network needs at least one layer.")
    for k, (layer, following) in enumerate(pairwise(layers)):
        if not layer.options.return_sequences:
            raise UsageError(f"layer {k} has return_sequences=False, which only the last layer may have.")
        if len(layer.directions) == 2 and layer.merge is None:
            raise UsageError(f"layer {k} has merge=None and so gives two outputs, which only the last layer may do.")
        if layer.output_size != following.input_size:
            raise ShapeError(
                f"layer {k} gives outputs of {layer.output_size} units, and the kernel of layer {k + 1} has shape "
                f"{following.params.kernel.shape}, expected ({layer.output_size}, {4 * following.hidden_size}). "
                "With two directions and merge 'concat' there are twice as many units."
            )
        if layer.dtype != following.dtype:
            raise DTypeError(
                f"the weights of layer {k} have dtype {layer.dtype}, those of layer {k + 1} {following.dtype}. "
                "Convert them to the same dtype."
            )
