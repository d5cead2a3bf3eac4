"""A computation that is ready to be timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.case import Result


@dataclass(frozen=True)
class Prepared:
    """A forward pass, or a forward and a backward pass, with all its inputs in place.

    Attributes
    ----------
    step : callable
        What is timed: nothing in it converts between NumPy's arrays and somebody else's.
    result : callable
        What a call of `step` gave, as NumPy arrays in the reference's layout. It is not timed.
    """

    step: Callable[[], Any]
    result: Callable[[Any], Result]
