"""Every misuse has a named error here, and all of them are `LSTMError`."""

from __future__ import annotations

from collections.abc import Sequence


class LSTMError(Exception):
    """Base of every error that this package raises on purpose."""


class ShapeError(LSTMError, ValueError):
    """An array's shape does not fit the others."""


class DTypeError(LSTMError, TypeError):
    """An array is neither float64 nor float32, or not of its partner's dtype."""


class UsageError(LSTMError, ValueError):
    """A call is wrong in itself: no cotangent given, a foreign run, an unknown gate order."""


class UnsupportedError(LSTMError, NotImplementedError):
    """Something real that this package does not compute, and does not pretend to."""


class MissingFileError(LSTMError, FileNotFoundError):
    """There is no file at the path."""


class UnreadableFileError(LSTMError, OSError):
    """The operating system would not let the file be read."""


class UnknownFormatError(LSTMError, ValueError):
    """The file's content is none of the supported formats."""


class CorruptFileError(LSTMError, ValueError):
    """The file begins like a known format and then contradicts itself."""


class UnsafeFileError(LSTMError, ValueError):
    """The file asks for something that reading weights never needs, such as running code."""


class NoLSTMError(LSTMError, ValueError):
    """The file is sound, and holds no LSTM."""


class LSTMNameError(LSTMError, LookupError):
    """The name given fits no LSTM of the file, or more than one."""


class MissingPackageError(LSTMError, ImportError):
    """Reading this format needs a package that is not installed."""


class AssumedWarning(UserWarning):
    """A file holds weights alone, and what else an LSTM computes with was taken to be its library's default."""


def shape_error(
    name: str, symbols: str, expected: Sequence[int | None], actual: Sequence[int], remedy: str
) -> ShapeError:
    """A `ShapeError` naming the array, its symbolic and its actual shape, and what to do.

    Parameters
    ----------
    name : str
        The array, as the caller knows it.
    symbols : str
        The shape in symbols, such as ``"(B, T, D)"``.
    expected : sequence of int or None
        The shape in numbers; None where any size would do.
    actual : sequence of int
        The shape that was given.
    remedy : str
        What to do about it, as a sentence without its full stop.
    """
    numbers = ", ".join("any" if n is None else str(n) for n in expected)
    numbers += "," if len(expected) == 1 else ""
    return ShapeError(f"{name} has shape {tuple(actual)}, expected {symbols} = ({numbers}). {remedy}.")
