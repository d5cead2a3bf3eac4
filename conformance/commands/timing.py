"""Timing."""

from __future__ import annotations

import argparse

from conformance.commands import CONFORMS


def compare(options: argparse.Namespace) -> int:
    """Time the reference beside the frameworks."""
    from conformance.bench import bench

    for line in bench(options.seconds):
        print(line, flush=True)
    return CONFORMS
