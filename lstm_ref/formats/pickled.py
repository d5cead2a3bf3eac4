"""Reading a pickle without executing it.

The opcodes are decoded by the standard library's `pickletools.genops`, which only parses. What they
build here are plain dicts, lists, tuples, strings and numbers; a call that the pickle asks for is
looked up in a table of a few dozen names and becomes a plain value too. No class of any other
library is ever imported, no callable from the file is ever called.
"""

from __future__ import annotations

import pickletools
import warnings
from typing import IO, Any

from lstm_ref.errors import CorruptFileError, UnsafeFileError
from lstm_ref.formats.pickle_names import INERT, MEANINGS, Inert, Name, Storage, is_count, is_data_type, is_key
from lstm_ref.formats.stored import cut


class Module(dict[Any, Any]):
    """A module of a script: name to attribute."""


class _Mark:
    """Where a run of arguments begins on the stack."""


_MARK = _Mark()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
_NO_OPERATION = frozenset(("PROTO", "FRAME"))
OBJECT = 64
"""Bytes that what an opcode makes takes about, beside its text."""
MEMORY = 40 << 20
"""Bytes that what a pickle makes may take, beside twice its file's own size."""


def read_pickle(
    stream: IO[bytes], where: str, size: int, storages: dict[str, Storage] | None = None, scripted: bool = False
) -> Any:
    """The value that the next pickle of `stream` describes, in plain Python values and records.

    Parameters
    ----------
    stream : binary file
        Left just behind the pickle.
    where : str
        The file and the part of it, for error messages.
    size : int
        Of the whole file, by which it is measured how much the pickle may make.
    storages : dict, optional
        Filled with every storage that the pickle mentions, by key.
    scripted : bool
        Whether it is TorchScript's, whose modules become dicts of their attributes.

    Returns
    -------
    object
        Made of dict, list, tuple, str, bytes, numbers, None, `TensorRecord`, `Storage`, `Name`, `Inert`.
        A set becomes a list; an item whose key is not a plain value is left out.

    Raises
    ------
    UnsafeFileError
        If the pickle names a global that is not on the list, or makes too much.
    CorruptFileError
        If it is not a pickle, or one that contradicts itself.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in a damaged pickle's text
            return _Machine(where, MEMORY + 2 * size, storages if storages is not None else {}, scripted).run(stream)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError, MemoryError) as error:
        if isinstance(error, UnsafeFileError):
            raise
        raise CorruptFileError(
            f"{where}: not a sound pickle ({type(error).__name__}: {cut(str(error), 200)})."
        ) from error


class _Machine:
    """The pickle machine's stack and memo, with plain values on them."""

    def __init__(self, where: str, memory: int, storages: dict[str, Storage], scripted: bool) -> None:
        self.scripted = scripted
        self.where = where
        self.memory = memory
        self.storages = storages
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: IO[bytes]) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            self.memory -= OBJECT + (len(argument) if isinstance(argument, str | bytes | bytearray) else 0)
            if self.memory < 0:
                raise UnsafeFileError(
                    f"{self.where}: its pickle makes far more than weights need, for the size of its file. "
                    "Save a state_dict() with torch.save instead."
                )
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name == "STOP":
                return self.stack.pop()
            elif name not in _NO_OPERATION:
                method = getattr(self, f"op_{name.lower()}", None)
                if method is None:
                    raise UnsafeFileError(
                        f"{self.where}: its pickle uses the opcode {name}, which weights never need. "
                        "Save a state_dict() with torch.save instead."
                    )
                method(argument)
        raise ValueError("it has no end")

    def arguments(self) -> list[Any]:
        """Everything above the last mark, which is removed with it."""
        taken = []
        while (top := self.stack.pop()) is not _MARK:
            taken.append(top)
        return taken[::-1]

    def op_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def op_pop(self, _: Any) -> None:
        self.stack.pop()

    def op_pop_mark(self, _: Any) -> None:
        self.arguments()

    def op_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def op_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    op_binput = op_long_binput = op_put

    def op_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def op_get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    op_binget = op_long_binget = op_get

    def op_empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def op_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.arguments()))

    def _tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("stack underflow")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def op_tuple1(self, _: Any) -> None:
        self._tuple_of(1)

    def op_tuple2(self, _: Any) -> None:
        self._tuple_of(2)

    def op_tuple3(self, _: Any) -> None:
        self._tuple_of(3)

    def op_empty_list(self, _: Any) -> None:
        self.stack.append([])

    op_empty_set = op_empty_list

    def op_list(self, _: Any) -> None:
        self.stack.append(self.arguments())

    op_frozenset = op_list

    def op_append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def op_appends(self, _: Any) -> None:
        self._extend(self.arguments())

    op_additems = op_appends

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        (target.items if isinstance(target, Inert) else target).extend(items)

    def op_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def op_dict(self, _: Any) -> None:
        items = self.arguments()
        self.stack.append({})
        self._set(items)

    def op_setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def op_setitems(self, _: Any) -> None:
        self._set(self.arguments())

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            if is_key(key):
                target[key] = value

    def op_global(self, argument: str) -> None:
        self.stack.append(self._allowed(argument.replace(" ", ".", 1)))

    def op_stack_global(self, _: Any) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise TypeError("a global's name is not text")
        self.stack.append(self._allowed(f"{module}.{attribute}"))

    def _allowed(self, name: str) -> Name:
        scripts = self.scripted and name.startswith(("__torch__.", "torch.jit._pickle."))
        if name in MEANINGS or name in INERT or is_data_type(name) or scripts:
            return Name(name)
        hint = "If you trust the file, load it in PyTorch and save model.state_dict() with torch.save."
        raise UnsafeFileError(
            f"{self.where}: its pickle refers to '{cut(name, 120)}', which is not needed to read weights; "
            f"nothing was executed. {hint}"
        )

    def op_reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise TypeError("a call of something that is not a name")
        if self.scripted and function.text.startswith("__torch__."):
            self.stack.append(Module())
            return
        meaning = MEANINGS.get(function.text)
        self.stack.append(meaning(*arguments) if meaning else Inert(function.text))

    op_newobj = op_reduce

    def op_build(self, _: Any) -> None:
        """Attributes of an object: a script's modules are made of them; a state_dict's _metadata is of no interest here."""
        state = self.stack.pop()
        if not self.stack:
            raise IndexError("stack underflow")
        if isinstance(self.stack[-1], Module) and isinstance(state, dict):
            self.stack[-1].update(state)

    def op_binpersid(self, _: Any) -> None:
        record = self.stack.pop()
        tag, kind, key, _location, size, *rest = record
        if tag != "storage" or not isinstance(kind, Name) or not isinstance(key, str) or not is_count(size):
            raise ValueError("a persistent id that is not a storage")
        view = rest[0] if rest else None
        if view is not None:
            root, offset, length = view
            if not is_count(offset) or not is_count(length):
                raise ValueError("a storage view that is not a range")
            view = (str(root), offset, length)
        self.storages[key] = Storage(kind.text, key, size, view)
        self.stack.append(self.storages[key])
