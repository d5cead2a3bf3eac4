"""What a backward pass gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy.typing as npt

from lstm_ref.errors import UsageError
from lstm_ref.params import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class WeightGradients:
    """Gradients of the weights of one layer in one direction, None for those that it does not have.

    Attributes
    ----------
    d_kernel : array (D, 4H)
    d_recurrent_kernel : array (H, 4H), or (P, 4H) with a projection
    d_bias : array (4H,) or None
    d_projection : array (H, P) or None
    d_peephole : array (3, H) or None
    """

    d_kernel: FloatArray
    d_recurrent_kernel: FloatArray
    d_bias: FloatArray | None = None
    d_projection: FloatArray | None = None
    d_peephole: FloatArray | None = None

    def astype(self, dtype: npt.DTypeLike) -> WeightGradients:
        """The same gradients rounded to a dtype; those that have it are not copied."""
        every: dict[str, FloatArray | None] = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: array.astype(dtype, copy=False) for name, array in every.items() if array is not None}
        return WeightGradients(**given)


@dataclass(frozen=True, eq=False, slots=True)
class LayerGradients:
    """Gradients of one layer's weights.

    Attributes
    ----------
    forward, reverse : WeightGradients or None
        None for a direction that the layer does not have.
    """

    forward: WeightGradients | None = None
    reverse: WeightGradients | None = None

    def astype(self, dtype: npt.DTypeLike) -> LayerGradients:
        """The same gradients rounded to a dtype; those that have it are not copied."""
        there, back = (each and each.astype(dtype) for each in (self.forward, self.reverse))
        return LayerGradients(there, back)


States: TypeAlias = Any
"""An array, or a list of arrays where widths differ, as in `lstm_ref.states`; who has the network knows which."""


@dataclass(frozen=True, eq=False, slots=True)
class Gradients:
    """Gradients of the loss sum(d_output*output) + sum(d_h*h) + sum(d_c*c).

    Attributes
    ----------
    d_x : array (B, T, D)
    d_h0, d_c0 : array (B, H), or as states are; see `lstm_ref.states`
    layers : tuple of LayerGradients
        ``layers[0].forward.d_kernel`` and so on.

    With one layer in one direction, its gradients are here, too: ``d_kernel``, ``d_recurrent_kernel``, ``d_bias``,
    ``d_projection`` and ``d_peephole``, as `WeightGradients` has them.
    """

    d_x: FloatArray
    d_h0: States
    d_c0: States
    layers: tuple[LayerGradients, ...]

    @property
    def d_kernel(self) -> FloatArray:
        """Of the only layer; array (D, 4H)."""
        return self._only("d_kernel").d_kernel

    @property
    def d_recurrent_kernel(self) -> FloatArray:
        """Of the only layer; array (H, 4H), or (P, 4H) with a projection."""
        return self._only("d_recurrent_kernel").d_recurrent_kernel

    @property
    def d_bias(self) -> FloatArray | None:
        """Of the only layer; array (4H,), None without bias."""
        return self._only("d_bias").d_bias

    @property
    def d_projection(self) -> FloatArray | None:
        """Of the only layer; array (H, P), None without projection."""
        return self._only("d_projection").d_projection

    @property
    def d_peephole(self) -> FloatArray | None:
        """Of the only layer; array (3, H), None without peephole."""
        return self._only("d_peephole").d_peephole

    def _only(self, name: str) -> WeightGradients:
        every = [each for layer in self.layers for each in (layer.forward, layer.reverse) if each is not None]
        if len(every) != 1:
            raise UsageError(
                f"{name} is of one layer in one direction, and this network has {len(every)} of those. Take "
                f"grads.layers[k].forward.{name} or grads.layers[k].reverse.{name}, of layer k."
            )
        return every[0]
