"""What one layer in one direction consists of in a file, whichever names its tensors have there."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_ref.formats.stored import StoredTensor
from lstm_ref.options import PLAIN, Options


@dataclass(frozen=True)
class Group:
    """The tensors of one layer in one direction, by role, and what the file says of how it computes.

    Attributes
    ----------
    lstm : str
        Name of the LSTM that it is a part of.
    alias : str
        Where it lies in the file, if that is not its name.
    layer : int
    reverse : bool
    tensors : dict
        Role to tensor: kernel, recurrent_kernel, bias; PyTorch's weight_ih and so on; or ONNX's W, R, B, P of one direction.
    problem : str
        Why it cannot be computed here; empty when it can.
    options : Options
        The layer's, the same in all of its directions.
    merge : str or None
        The layer's, see `lstm_ref.Layer`.
    whole : str
        Why the LSTM cannot be loaded as a whole, though its parts can; empty when it can.
    remarks : tuple of str
        What a user of the LSTM has to know or do besides: a state that it keeps, what the file leaves open.
    after : str or None
        The LSTM of the file whose outputs, with nothing or dropout between, are all that this one is given; empty if it is
        given something else, None if the file does not tell.
    assumed : bool
        Whether the file does not tell how it computes, so that options and merge are its library's defaults.
    """

    lstm: str
    alias: str
    layer: int
    reverse: bool
    tensors: dict[str, StoredTensor]
    problem: str = ""
    options: Options = PLAIN
    merge: str | None = "concat"
    whole: str = ""
    remarks: tuple[str, ...] = ()
    after: str | None = None
    assumed: bool = False
