"""What lstm_ref's times are meant to be, as multiples of others', with one thread; reported as met or missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.bench.competitors import COMPETITORS
from conformance.bench.floor import flops
from conformance.bench.grid import FULL, Sizes
from conformance.bench.record import Timing, Verdict

LARGE = flops((32, 50, 64, 128), backward=True)


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes
    ----------
    against : str
    most : float
        The ratio that is allowed.
    where : str
        At which sizes, in words.
    sizes : sequence of (B, T, D, H)
    dtypes : sequence of str
    backward : bool
    strict : bool
        Whether the ratio has to be below `most`.
    """

    against: str
    most: float
    where: str
    sizes: Sequence[Sizes] = FULL
    dtypes: Sequence[str] = ("float64", "float32")
    backward: bool = True
    strict: bool = False

    def __str__(self) -> str:
        what = f"{' and '.join(self.dtypes)}, forward{' + backward' if self.backward else ''}"
        return f"{what}: {'below' if self.strict else 'at most'} {self.most:.3g} of {COMPETITORS[self.against].title} {self.where}"

    def verdict(self, timings: Sequence[Timing]) -> Verdict:
        """Whether it was met wherever it was measured; other sizes and numbers of threads do not matter."""
        asked = len(self.sizes) * len(self.dtypes)
        ratios = self._ratios(timings, self.against)
        if not ratios:
            return Verdict(str(self), None, f"not measured, 0 of {asked}")
        missed = [ratio for ratio in ratios.values() if not self._met(ratio)]
        dtype, sizes = worst = max(ratios, key=lambda key: ratios[key])
        found = f"worst: {ratios[worst]:.3f} at {sizes} in {dtype}"
        products = self._ratios(timings, "matmul")
        if self.against != "matmul" and worst in products:
            found += f", where the products alone take {ratios[worst] / products[worst]:.2f}"
        found += f"; measured {len(ratios)} of {asked}" + (f", missed {len(missed)}" if missed else "")
        return Verdict(str(self), not missed, found)

    def _ratios(self, timings: Iterable[Timing], against: str) -> dict[tuple[str, Sizes], float]:
        return {
            (timing.job.dtype, timing.job.sizes): timing.measured.ratio
            for timing in timings
            if timing.measured is not None and timing.threads == 1 and timing.against == against
            if timing.job.backward == self.backward and timing.job.dtype in self.dtypes
            if timing.job.sizes in self.sizes
        }

    def _met(self, ratio: float) -> bool:
        return ratio < self.most if self.strict else ratio <= self.most


def _sizes(large: bool) -> tuple[Sizes, ...]:
    return tuple(sizes for sizes in FULL if (flops(sizes, backward=True) >= LARGE) == large)


FLOAT64, FLOAT32 = ("float64",), ("float32",)
EVERY = "at every size"
TARGETS = (
    Target("torch", 0.8, EVERY, dtypes=FLOAT64),
    Target("keras", 0.7, EVERY, dtypes=FLOAT64),
    Target("torch", 1.0, EVERY, dtypes=FLOAT64, backward=False),
    Target("torch", 1.15, "from (32, 50, 64, 128) up", _sizes(large=True), FLOAT32),
    Target("torch", 2.5, "at the smaller sizes", _sizes(large=False), FLOAT32),
    Target("keras", 1.0, EVERY, dtypes=FLOAT32, strict=True),
    Target("matmul", 1.15, "at (64, 50, 256, 512)", [(64, 50, 256, 512)]),
    Target("matmul", 1.25, "at (32, 100, 128, 256)", [(32, 100, 128, 256)]),
    Target("onnx", 1 / 1.5, f"{EVERY} (1.5 times faster)", backward=False),
)


def verdicts(timings: Sequence[Timing]) -> list[Verdict]:
    """What became of every target."""
    return [target.verdict(timings) for target in TARGETS]
