"""Weights from one framework's file into another's."""

from __future__ import annotations

import argparse

from conformance.commands.weights import escaped
from conformance.errors import CONFORMS


def convert(options: argparse.Namespace) -> int:
    """Write the network of one file to another."""
    from conformance.converting.converter import B, T
    from conformance.converting.converter import convert as converted

    left_out = [name for name in options.without.split(",") if name]
    done = converted(options.source, options.target, options.name, left_out, options.force)
    for line in done.said:
        print(escaped(line))
    print(
        f"{options.target}: read back and tried on random input of {B} samples and {T} steps, "
        f"outputs and states differ by at most {done.read_back:.2g}."
    )
    return CONFORMS
