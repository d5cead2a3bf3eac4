"""The sizes that are measured."""

from __future__ import annotations

from typing import TypeAlias

Sizes: TypeAlias = tuple[int, int, int, int]
"""(B, T, D, H)."""

Network: TypeAlias = tuple[int, int]
"""(Layers, directions)."""
ONE_LAYER: Network = (1, 1)

FULL: tuple[Sizes, ...] = (
    (1, 16, 8, 8),
    (8, 32, 16, 32),
    (16, 20, 32, 64),
    (1, 1000, 32, 64),
    (1, 100, 64, 256),
    (32, 50, 64, 128),
    (32, 100, 128, 256),
    (64, 50, 256, 512),
)
"""From one small sample to a batch that keeps the matrix products busy, in the order of their flops."""

GRIDS: dict[str, tuple[Sizes, ...]] = {
    "small": ((1, 16, 8, 8), (8, 32, 16, 32), (1, 100, 64, 256), (32, 50, 64, 128), (64, 50, 256, 512)),
    "full": FULL,
}

ALONG_T: tuple[Sizes, ...] = tuple((8, T, 32, 64) for T in (10, 32, 100, 320, 1000))
ALONG_H: tuple[Sizes, ...] = tuple((8, 50, 32, H) for H in (8, 32, 128, 512))
"""What the plots of time against T and against H are drawn from."""

MEMORY_SIZES: tuple[Sizes, ...] = tuple((8, T, 16, 32) for T in (100, 1000, 10_000))
