"""What departs from the plain LSTM, besides weights."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from lstm_ref.activations import ACTIVATIONS
from lstm_ref.errors import UnsupportedError, UsageError


@dataclass(frozen=True)
class Options:
    """What departs from the plain LSTM; the defaults are the plain one.

    Parameters
    ----------
    activation : str
        Of the candidate: one of `lstm_ref.activations.ACTIVATIONS`.
    recurrent_activation : str
        Of the gates i, f and o.
    output_activation : str, optional
        Of the cell on its way out, h' = o ⊙ activation(c'); that of the candidate if it is not given.
    coupled_gates : bool
        Whether f = 1 − i, as with ONNX's ``input_forget``; the weights of f then have no part.
    clip : float, optional
        The gates' and the candidate's arguments are cut to [−clip, clip].
    go_backwards : bool
        Whether the sequence is read from its end, and the outputs stay in the order in which they were made, as in Keras.
        A layer that reads from the end and gives its outputs in the order of its input, as in ONNX, has weights for the
        reverse direction alone.
    zero_output_for_mask : bool
        Whether masked steps give zeros; otherwise they repeat the output before them.
    return_sequences : bool
        Whether all outputs are given; otherwise the last one, of each direction the one that it ends with.

    Raises
    ------
    UnsupportedError
        For an activation that there is not.
    UsageError
        For a clip that is not positive.
    """

    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    output_activation: str | None = None
    coupled_gates: bool = False
    clip: float | None = None
    go_backwards: bool = False
    zero_output_for_mask: bool = False
    return_sequences: bool = True

    def __post_init__(self) -> None:
        for name in ("activation", "recurrent_activation", "output_activation"):
            value = getattr(self, name)
            if value not in ACTIVATIONS and (value is not None or name != "output_activation"):
                raise UnsupportedError(f"{name}={value!r} is none of {', '.join(ACTIVATIONS)}.")
        if self.clip is not None and not self.clip > 0:
            raise UsageError(f"clip is {self.clip!r}, expected a positive number, or None.")

    @property
    def of_output(self) -> str:
        """The activation of the cell on its way out."""
        return self.output_activation or self.activation

    @cached_property
    def plain_cell(self) -> bool:
        """Whether the equations of one step are the plain ones."""
        activations = self.activation, self.recurrent_activation, self.of_output
        return activations == ("tanh", "sigmoid", "tanh") and not self.coupled_gates and self.clip is None

    @property
    def departures(self) -> dict[str, Any]:
        """Name to value of what is not the default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


PLAIN = Options()
"""The plain LSTM's."""
