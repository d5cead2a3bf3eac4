"""Everything that is to be looked at: every choice of matrices and biases for every reading of the known run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from conformance.errors import LayoutError
from conformance.layouts.unknown.biases import Biases, TooManyError, biases
from conformance.layouts.unknown.forms import Arrays
from conformance.layouts.unknown.recording import Reading
from conformance.layouts.unknown.roles import Matrices, expected_shapes, looks_like, matrices
from conformance.layouts.unknown.screen import first_stage, layouts, work

MOST = 80_000_000
"""More layouts than these are not looked at: it would take longer than anybody wants to wait."""
MOST_CHOICES = 5000
"""The same of choices of matrices."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything to be looked at.

    Attributes
    ----------
    readings : tuple of Reading
    choices : tuple of (int, Matrices, Biases)
        The reading's number, and what goes with it.
    work : int
        What it takes to look at all of them, in layouts.
    left_out : str
        What is not looked at since it would be too much, in words.
    """

    readings: tuple[Reading, ...]
    choices: tuple[tuple[int, Matrices, Biases], ...]
    work: int
    left_out: str

    @property
    def count(self) -> int:
        """How many layouts there are."""
        return sum(layouts(matrices, biases) for _, matrices, biases in self.choices)

    def on(self, readings: Iterable[Reading]) -> Plan:
        """The same with the readings changed."""
        return replace(self, readings=tuple(readings))


def plan(arrays: Arrays, readings: list[Reading]) -> Plan:
    """Every choice of matrices and biases for every reading.

    Raises
    ------
    LayoutError
        If there is none, or there are too many.
    """
    remedy = (
        "Name the arrays of one layer with --weights, or record the output of every step from a zero state, "
        "which takes the least work."
    )
    too_many = f"too many layouts fit the shapes of these {len(arrays)} arrays. {remedy}"
    try:
        stacked, effort = _choices(arrays, readings, split=False)
    except TooManyError:
        raise LayoutError(too_many) from None
    left_out = ""
    try:
        split, more = _choices(arrays, readings, split=True)
    except TooManyError:
        if not stacked:
            raise LayoutError(too_many) from None
        split, more = [], 0
        left_out = f"So many arrays could be one gate's matrix each that this was not tried. {remedy}"
    if not stacked and not split:
        raise LayoutError(_nothing_fits(arrays, readings))
    return Plan(tuple(readings), (*stacked, *split), effort + more, left_out)


def _choices(arrays: Arrays, readings: list[Reading], split: bool) -> tuple[list[tuple[int, Matrices, Biases]], int]:
    """Those with a matrix for each gate, or the others, and the work that they take."""
    choices = []
    tables: dict[object, Biases] = {}
    stages: set[object] = set()
    effort = 0
    for number, reading in enumerate(readings):
        _, _, D, H = reading.sizes
        for each in matrices(arrays, D, H, split):
            left = tuple(name for name in arrays if name not in each.names)
            key = (H, left, each.interleaved)
            if key not in tables:
                tables[key] = biases({name: arrays[name] for name in left}, H, each.interleaved, split)
            choices.append((number, each, tables[key]))
            stage = (number, first_stage(reading, each, tables[key]))
            effort += 0 if stage in stages else work(reading, each, tables[key])
            stages.add(stage)
            if effort > MOST or len(choices) > MOST_CHOICES:
                raise TooManyError
    return choices, effort


def _nothing_fits(arrays: Arrays, readings: list[Reading]) -> str:
    shown = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:12])
    shown += " and so on" if len(arrays) > 12 else ""
    _, _, D, H = readings[0].sizes
    text = f"no two arrays have the shapes of a kernel and a recurrent kernel: {shown or 'there are no arrays'}."
    other = looks_like(arrays, D, H)
    return f"{text} They look like {other}." if other else f"{text} {expected_shapes(D, H)}."
