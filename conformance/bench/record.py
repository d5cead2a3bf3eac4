"""What a run of the benchmark asks for and what it finds, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from conformance.bench.floor import flops
from conformance.bench.grid import ONE_LAYER, Network, Sizes


@dataclass(frozen=True)
class Job:
    """One thing to time: lstm_ref against somebody else.

    Attributes
    ----------
    sizes : (B, T, D, H)
    dtype : str
        "float64" or "float32".
    backward : bool
        Whether the backward pass is timed with the forward pass.
    seconds : float
        How long to time.
    network : Network
        How many layers there are, and in how many directions.
    """

    sizes: Sizes
    dtype: str
    backward: bool
    seconds: float
    network: Network = ONE_LAYER

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products."""
        (B, T, D, H), (layers, directions) = self.sizes, self.network
        widths = (D, *[directions * H] * (layers - 1))
        return sum(directions * flops((B, T, width, H), self.backward) for width in widths)


@dataclass(frozen=True)
class Measured:
    """What timing found.

    Attributes
    ----------
    ratio, low, high : float
        lstm_ref's time over the other's: the median of the samples' ratios, and their quartiles.
    samples : int
        How many there are.
    own_seconds, other_seconds : float
        The median times of one call.
    error : float
        The largest difference between the two results, over the largest magnitude of its quantity.
    """

    ratio: float
    low: float
    high: float
    samples: int
    own_seconds: float
    other_seconds: float
    error: float


@dataclass(frozen=True)
class Timing:
    """A job done, or why it could not be.

    Attributes
    ----------
    against : str
        A competitor's name.
    threads : int
        What the process was given.
    numpy_threads : int or None
        How many NumPy runs on there, where the system says so.
    job : Job
    measured : Measured or None
    reason : str
        Why there is nothing measured; empty if there is.
    """

    against: str
    threads: int
    numpy_threads: int | None
    job: Job
    measured: Measured | None
    reason: str = ""


@dataclass(frozen=True)
class Memory:
    """lstm_ref's peak memory beyond what it was given.

    Attributes
    ----------
    sizes : (B, T, D, H)
    dtype : str
    backward : bool
        Training, or else inference.
    peak : int
        In bytes; the results are part of it.
    """

    sizes: Sizes
    dtype: str
    backward: bool
    peak: int

    @property
    def per_number(self) -> float:
        """Bytes per number of the output."""
        B, T, _, H = self.sizes
        return self.peak / (B * T * H)


@dataclass(frozen=True)
class Verdict:
    """Whether a target was met, by what was measured.

    Attributes
    ----------
    target : str
        In words.
    met : bool or None
        None if nothing that it is about was measured.
    found : str
        The figures, in words.
    """

    target: str
    met: bool | None
    found: str


@dataclass
class Record:
    """All that a run found.

    Attributes
    ----------
    machine : dict of str
    versions : dict of str
        What was measured, by package.
    missing : dict of str
        Competitor to why it was left out.
    sizes : sequence of (B, T, D, H)
        The sizes that were asked for; there are timings of others for the plots.
    seconds : float
        What each pair was given.
    network : Network
    """

    machine: dict[str, Any]
    versions: dict[str, str]
    missing: dict[str, str]
    sizes: Sequence[Sizes]
    seconds: float
    network: Network = ONE_LAYER
    timings: list[Timing] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        plain = asdict(self)
        for timing, found in zip(plain["timings"], self.timings, strict=True):
            timing["job"]["flops"] = found.job.flops
        for row, memory in zip(plain["memory"], self.memory, strict=True):
            row["per_number"] = memory.per_number
        return {"format": 1} | plain


def own_seconds(timings: Iterable[Timing]) -> float | None:
    """lstm_ref's own time by the timings of one job against several: their median."""
    found = [timing.measured.own_seconds for timing in timings if timing.measured is not None]
    return median(found) if found else None
