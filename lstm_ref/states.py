"""The form of states: of one layer in one direction (B, H), of several one array of all, or, where widths differ, a list.

Inside they are a list for each layer, with an array (B, H) for each of its directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstm_ref import arguments
from lstm_ref.errors import UsageError
from lstm_ref.gradients import States
from lstm_ref.layer import Layer
from lstm_ref.params import FloatArray

Split = list[list[FloatArray]]
"""For each layer, for each of its directions."""


class StateForm:
    """How the states of some layers are given and returned.

    Attributes
    ----------
    single : bool
        One layer in one direction: (B, H).
    uniform : bool
        All layers have states of the same widths: (layers * directions, B, H), layer by layer, forward before reverse, as
        PyTorch orders them. Otherwise a list with (directions, B, H) for each layer.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._sizes = [(len(layer.directions), layer.state_size, layer.hidden_size) for layer in layers]
        self._symbols = ["H" if layer.params.projection is None else "P" for layer in layers]  # of h
        self.rows = [rows for rows, _, _ in self._sizes]
        self.single = self.rows == [1]
        self.uniform = len({(P, H) for _, P, H in self._sizes}) == 1
        self.dtype, self.wide = layers[0].dtype, arguments.wide(layers[0].dtype)

    def zeros(self, B: int) -> tuple[Split, Split]:
        """The states h and c of B samples that nothing has been seen of."""
        h = [[np.zeros((B, P), self.wide)] * rows for rows, P, _ in self._sizes]
        return h, [[np.zeros((B, H), self.wide)] * rows for rows, _, H in self._sizes]

    def split(self, name: str, given: object, B: int) -> Split:
        """A state, or its cotangent, as it is inside.

        Parameters
        ----------
        name : str
            As the caller knows it: "h0", "c0", "d_h" or "d_c".
        given : array or sequence of arrays
        B : int

        Raises
        ------
        UsageError, ShapeError, DTypeError
            If it does not have the form described above.
        """
        of_h = name.removeprefix("d_").startswith("h")
        sizes = [P if of_h else H for _, P, H in self._sizes]
        symbols = self._symbols if of_h else ["H"] * len(self.rows)
        if self.single:
            array = arguments.array(self.dtype, name, given, f"(B, {symbols[0]})", (B, sizes[0]), SINGLE)
            return [[array]]
        if self.uniform:
            rows, symbol = sum(self.rows), f"(layers * directions, B, {symbols[0]})"
            arrays = iter(arguments.array(self.dtype, name, given, symbol, (rows, B, sizes[0]), SEVERAL))
            return [[next(arrays) for _ in range(rows)] for rows in self.rows]
        if not isinstance(given, tuple | list) or len(given) != len(self.rows):
            raise UsageError(
                f"{name} must be a list of {len(self.rows)} arrays, (directions, B, H) for each layer, as their widths differ."
            )
        return [
            list(arguments.array(self.dtype, f"{name}[{k}]", each, f"(directions, B, {symbol})", (rows, B, n), SEVERAL))
            for k, (each, symbol, rows, n) in enumerate(zip(given, symbols, self.rows, sizes, strict=True))
        ]

    def cotangent(self, name: str, given: object, B: int) -> Sequence[Sequence[FloatArray | None]]:
        """The same as `split` of a cotangent, which may be None."""
        return [[None] * rows for rows in self.rows] if given is None else self.split(name, given, B)

    def join(self, states: Split) -> States:
        """A state as the caller knows it, in the dtype of the weights."""
        if self.single:
            return states[0][0].astype(self.dtype, copy=False)
        if self.uniform:
            return np.stack([array for layer in states for array in layer]).astype(self.dtype, copy=False)
        return [np.stack(layer).astype(self.dtype, copy=False) for layer in states]


SINGLE = "Arrays are batch-first, and states have no layer axis"
SEVERAL = "States go layer by layer, forward before reverse, and are never batch-first"
