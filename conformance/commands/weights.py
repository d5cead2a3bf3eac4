"""Files of weights."""

from __future__ import annotations

import argparse

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT


def inspect(options: argparse.Namespace) -> int:
    """List the LSTMs that a file of weights holds."""
    from rich.markup import escape
    from rich.table import Table

    import lstm_ref

    found = lstm_ref.inspect(options.file)
    if not found:
        print(f"{options.file} holds no LSTM that is stored as PyTorch or Keras store one.")
        return DOES_NOT
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "layer", "direction", "D", "H", "bias", "dtype", "loadable"):
        table.add_column(heading, overflow="fold")
    for info in found:
        for part in info.parts:
            loadable = escape(part.unsupported) or "yes"
            sizes = (str(part.input_size), str(part.hidden_size))
            table.add_row(
                escape(part.name),
                str(part.layer),
                part.direction,
                *sizes,
                "yes" if part.bias else "no",
                part.dtype,
                loadable,
            )
    print(f"{options.file}: {found[0].format}")
    console().print(table)
    return CONFORMS


def layout(options: argparse.Namespace) -> int:
    """Find the layout of weights that reproduces a known run."""
    from conformance.layouts.unknown import files
    from conformance.layouts.unknown.finding import find_layout
    from conformance.layouts.unknown.recording import INPUTS, RESULTS
    from conformance.layouts.unknown.text import report

    if options.save is not None:
        files.require_new(options.save)
    names = {role: getattr(options, role) for role in (*INPUTS, *RESULTS)}
    known, weights = files.known_and_weights(options.file, options.known, names, options.weights)
    found = find_layout(weights, **known, tolerance=options.tolerance)
    print(report(found, files.expression(options.file)), end="")
    if found.verdict != "one":
        return DOES_NOT
    if options.save is not None:
        files.save(options.save, found.fits[0].params)
        print(f"\nSaved: lstm_ref.LSTMParams(**safetensors.numpy.load_file({str(options.save)!r}))")
    return CONFORMS
