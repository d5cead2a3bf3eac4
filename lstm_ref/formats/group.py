"""What one layer in one direction consists of in a file, whichever names its tensors have there."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_ref.formats.stored import StoredTensor


@dataclass(frozen=True)
class Group:
    """The tensors of one layer in one direction, by role.

    Attributes
    ----------
    lstm : str
        Name of the LSTM that it is a part of.
    alias : str
        Where it lies in the file, if that is not its name.
    layer : int
    reverse : bool
    tensors : dict
        Role to tensor: kernel, recurrent_kernel, bias; or PyTorch's weight_ih and so on.
    problem : str
        Why it cannot be computed here; empty when it can.
    """

    lstm: str
    alias: str
    layer: int
    reverse: bool
    tensors: dict[str, StoredTensor]
    problem: str = ""
