"""Which parameter belongs to which gate, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable

GATES = "ifco"
WORDS = {
    "i": ("input", "inp", "in", "i"),
    "f": ("forget", "f"),
    "c": ("candidate", "cell_candidate", "cell", "cand", "c_tilde", "c_hat", "c", "g"),
    "o": ("output", "out", "o"),
}
"""What the gates are called; an update gate is the input gate to some and the candidate to others, so it is none here."""


def by_gate(names: Iterable[str]) -> list[tuple[str, ...]] | None:
    """The names in groups of four that are alike but for a gate's word, each in the order i, f, c, o.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of tuples of str, or None
        None if they are no such groups, or may be grouped otherwise as well.

    Examples
    --------
    >>> by_gate(["W_ii", "W_if", "W_ig", "W_io"])
    [('W_ii', 'W_if', 'W_ig', 'W_io')]
    >>> by_gate(["forget_gate.weight", "input_gate.weight", "output_gate.weight", "candidate.weight"])
    [('input_gate.weight', 'forget_gate.weight', 'candidate.weight', 'output_gate.weight')]
    >>> by_gate(["if_.kernel", "ii.kernel", "io.kernel", "ig.kernel"])  # an underscore where Python has a keyword
    [('ii.kernel', 'if_.kernel', 'ig.kernel', 'io.kernel')]
    >>> by_gate(["gates.0", "gates.1", "gates.2", "gates.3"])
    """
    left = list(names)
    templates: dict[str, dict[str, set[str]]] = {}
    for name in left:
        for template, gate in _templates(name):
            templates.setdefault(template, {}).setdefault(gate, set()).add(name)
    whole = {
        tuple(next(iter(found[gate])) for gate in GATES)
        for found in templates.values()
        if set(found) == set(GATES) and all(len(of_gate) == 1 for of_gate in found.values())
    }
    groups = sorted(whole)
    if sorted(name for group in groups for name in group) != sorted(left):
        return None
    return groups


def _templates(name: str) -> set[tuple[str, str]]:
    """A name with each gate's word in it left out in turn, and the gate."""
    found = set()
    for gate, words in WORDS.items():
        for word in words:
            for match in re.finditer(rf"{word}(?:_?gate|_(?![a-z0-9]))?", name, re.IGNORECASE):
                found.add((f"{name[: match.start()]}*{name[match.end() :]}", gate))
    return found
