"""Which of a module's parameters is which weight, by their shapes and names; what these do not tell is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from conformance.errors import CandidateError
from conformance.frameworks.gates import by_gate
from conformance.layouts.layout import Layout
from lstm_ref.params import FloatArray, LSTMParams

D, H = 3, 5
"""The sizes of the module whose parameters are looked at: no two of D, H, D + H and 4H are alike."""
MATRICES = {
    (D, 4 * H): ("kernel", "blocks", False),
    (4 * H, D): ("kernel", "blocks", True),
    (H, 4 * H): ("recurrent", "blocks", False),
    (4 * H, H): ("recurrent", "blocks", True),
    (D + H, 4 * H): ("joined", "blocks", False),
    (4 * H, D + H): ("joined", "blocks", True),
    (D, H): ("kernel", "gates", False),
    (H, D): ("kernel", "gates", True),
    (H, H): ("recurrent", "gates", None),
    (D + H, H): ("joined", "gates", False),
    (H, D + H): ("joined", "gates", True),
}
"""Shape to the role, whether all four gates are in it, and whether it acts from the left; a square one does not tell."""


class AmbiguousError(CandidateError):
    """Shapes and names leave open what `layout` would tell.

    Parameters
    ----------
    message : str
    open : tuple of Layout
        Between which of them it is open.
    """

    def __init__(self, message: str, open: tuple[Layout, ...]) -> None:
        super().__init__(message)
        self.open = open


@dataclass(frozen=True)
class Placement:
    """Where a module keeps its weights.

    Attributes
    ----------
    layout : Layout
    names : tuple of str, or of tuples of four
        The parameters, in the order of `layout.weights`; without bias, its names are missing at the end.
    """

    layout: Layout
    names: tuple[Any, ...]

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias."""
        return len(self.names) > (1 if self.layout.joined else 2)

    def values(self, params: LSTMParams, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
        """Each parameter's value, in its shape.

        Raises
        ------
        CandidateError
            If a parameter has another size: it was not made for the sizes of this case.
        """
        found: dict[str, FloatArray] = {}
        for name, array in zip(self.names, self.layout.weights(params), strict=False):
            found |= dict(zip(name, array, strict=True)) if isinstance(name, tuple) else {name: array}
        for name, array in found.items():
            if np.squeeze(array).shape != tuple(size for size in shapes[name] if size != 1):
                raise CandidateError(
                    f"the parameter {name} has shape {shapes[name]} with D={params.input_size}, H={params.hidden_size}, "
                    f"expected {array.shape}: what makes the module is to use both sizes."
                )
        return {name: array.reshape(shapes[name]) for name, array in found.items()}

    def gradients(self, given: Mapping[str, Any]) -> list[Any]:
        """The parameters' gradients, by name, in the order of `layout.weights`."""
        return [[given[each] for each in name] if isinstance(name, tuple) else given[name] for name in self.names]


def placed(shapes: Mapping[str, tuple[int, ...]], layout: Layout | None, gates: str = "", axes: str = "") -> Placement:
    """Find where a module of the sizes `D` and `H` keeps its weights.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of each parameter.
    layout : Layout, optional
        Of it are taken the order of the gates, which parameters with all gates do not tell, whether a joined matrix acts on
        [x, h] or [h, x], and the axes. What shapes and names tell, they decide.
    gates, axes : str, optional
        The order of the gates and the axes, where they are known from the class that has the parameters.

    Raises
    ------
    AmbiguousError
        If that is open.
    CandidateError
        If the parameters are not those of one layer.
    """
    roles: dict[str, dict[str, tuple[str, bool | None]]] = {}
    for name, shape in shapes.items():
        role, form, transposed = _role(name, shape)
        roles.setdefault(role, {})[name] = (form, transposed)
    matrices = [given for role, of in roles.items() if role != "bias" for given in of.values()]
    forms, sides = {form for form, _ in matrices}, {side for _, side in matrices} - {None}
    shown = ", ".join(f"{name} {_symbols(shape)}" for name, shape in shapes.items()) or "none"
    if {*roles} - {"bias"} not in ({"kernel", "recurrent"}, {"joined"}) or len(forms) != 1 or len(sides) != 1:
        raise CandidateError(
            f"these are not the parameters of one LSTM layer: {shown}. Expected matrices for x (D) and for h (H), or one for "
            "both, of all gates (4H) or one for each, which act from one side."
        )
    (split,), (transposed,) = ({form == "gates" for form in forms}, sides)
    groups = {role: _groups(role, list(of), split, shown) for role, of in roles.items()}
    count = len(groups.get("bias", ()))
    if any(len(found) != 1 for role, found in groups.items() if role != "bias") or count > 2:
        raise CandidateError(f"there is more than one LSTM layer's parameters: {shown}.")
    given = layout or Layout()
    named = replace(given, transposed=bool(transposed), split=split, biases=max(count, 1))
    named = replace(named, gates="ifco" if split else gates or given.gates, axes=axes or given.axes)
    matrix = [groups["joined"][0]] if "joined" in groups else [groups["kernel"][0], groups["recurrent"][0]]
    _ask(named, layout, "joined" in groups, split or bool(gates), matrix)
    return Placement(
        replace(named, joined=given.joined if "joined" in groups else ""), (*matrix, *groups.get("bias", ()))
    )


def _role(name: str, shape: tuple[int, ...]) -> tuple[str, str, bool | None]:
    if shape in MATRICES:
        return MATRICES[shape]
    long = [size for size in shape if size != 1]
    if long in ([H], [4 * H]):
        return "bias", "blocks" if long == [4 * H] else "gates", None
    raise CandidateError(
        f"the parameter {name} has shape {_symbols(shape)} with D={D}, H={H}, and is none of an LSTM layer's: expected one of "
        f"{', '.join(map(_symbols, MATRICES))}, or a bias (4H) or (H). Put the LSTM alone on trial."
    )


def _symbols(shape: tuple[int, ...]) -> str:
    known = {D: "D", H: "H", 4 * H: "4H", D + H: "D+H", 1: "1"}
    return f"({', '.join(known[size] for size in shape)})" if {*shape} <= known.keys() else str(shape)


def _groups(role: str, names: list[str], split: bool, shown: str) -> list[Any]:
    """One name, or four for the gates, for each part of a role."""
    if not split:
        return list(names)
    groups = by_gate(names)
    if groups is None:
        raise CandidateError(
            f"which of {', '.join(names)} is for which gate, its name does not tell: expected four that differ in a gate's name, as "
            f"W_i, W_f, W_c, W_o or input_gate, forget_gate, cell_gate, output_gate. All parameters: {shown}. Rename them, or write "
            "a candidate with conformance.autograd."
        )
    return list(groups)


def _ask(named: Layout, layout: Layout | None, joined: bool, gates_known: bool, matrix: list[Any]) -> None:
    """Raise if the order of gates, or that of x and h, is open."""
    orders = [named.gates] if gates_known or layout is not None else ["".join(p) for p in permutations("ifco")]
    joins = [""] if not joined else [named.joined] if named.joined else ["xh", "hx"]
    if len(orders) == len(joins) == 1:
        return
    what = [
        *(["the order of its gates"] if len(orders) > 1 else []),
        *(["which of x and h is first"] if joined else []),
    ]
    hint = [*(['gates="ifgo"'] if len(orders) > 1 else []), *(['joined="xh"'] if joined else [])]
    shown = matrix[0] if isinstance(matrix[0], str) else ", ".join(matrix[0])
    raise AmbiguousError(
        f"neither names nor shapes tell {' and '.join(what)} in {shown}: say it, as layout=conformance.Layout({', '.join(hint)}).",
        tuple(replace(named, gates=order, joined=join) for order in orders for join in joins),
    )
