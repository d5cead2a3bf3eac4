"""Files of weights."""

from __future__ import annotations

import argparse

from conformance.commands import CONFORMS, DOES_NOT, console


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
