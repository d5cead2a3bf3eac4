"""Files of weights."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conformance.commands import console
from conformance.errors import CONFORMS, DOES_NOT

if TYPE_CHECKING:
    import lstm_ref


def inspect(options: argparse.Namespace) -> int:
    """List the LSTMs that a file of weights holds."""
    import lstm_ref

    found = lstm_ref.inspect(options.file)
    if not found:
        print(f"{options.file} holds no LSTM that is stored as PyTorch, Keras or ONNX store one.")
        return DOES_NOT
    print(f"{options.file}: {found[0].format}")
    screen = console()
    for info in found:
        screen.print()
        for line in _described(info):
            screen.print(line, markup=False, highlight=False)
    return CONFORMS


def _described(info: lstm_ref.LSTMInfo) -> list[str]:
    """An LSTM as a tree: the network, and under it each layer and direction."""
    place = f" (at {info.path})" if info.path else ""
    directions = "both directions" if len(info.directions) == 2 else info.directions[0]
    layers = f"{info.layers} layer{'s' if info.layers > 1 else ''}, {directions}"
    able = "not loadable" if info.unsupported else "loadable with options=" if info.undescribed else "loadable"
    lines = [f"{info.name or '(top level)'}{place}: {layers}, {able}"]
    lines += [f"  {remark}" for remark in info.remarks]
    if info.assumed:
        lines.append("  The file has its weights alone: that it computes as Keras does by default is assumed.")
    if info.undescribed:
        lines.append("  The file's configuration does not describe it: lstm_ref.load has to be told how it computes.")
    if info.unsupported:
        lines.append(f"  {info.unsupported}")
    for part in info.parts:
        sizes = [f"D={part.input_size}", f"H={part.hidden_size}"]
        sizes += [f"P={part.projection}"] if part.projection else []
        told = ["bias" if part.bias else "no bias", *(["peephole"] if part.peephole else []), part.dtype]
        told += [f"merge={part.merge!r}"] if part.merge != "concat" else []
        told += [f"{name}={value!r}" for name, value in part.options.departures.items()]
        lines.append(f"  {part.name}  {', '.join([*sizes, *told])}")
        lines += [f"    {part.unsupported}"] if part.unsupported and len(info.parts) > 1 else []
    return [escaped(line) for line in lines]


def escaped(text: str) -> str:
    """Text from a file with what a terminal would obey, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


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
