"""Which blocks of the weights may be read for which: mixed up, left out, scaled, transposed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from conformance.diagnosis.bugs.hookable import block
from conformance.diagnosis.bugs.read_off import NAMES, read_off

KERNEL, RECURRENT, BIAS = (0,), (1,), (2,)
EVERY = (0, 1, 2)
OWN = "Give each gate its own block."


def _blocks(
    slug: str,
    title: str,
    repair: str,
    arrays: tuple[int, ...],
    sources: Mapping[str, str],
    scale: float = 1.0,
    transposed: bool = False,
) -> None:
    """A bug in reading: `sources` maps a gate to the one whose block is read for it, or to nothing; `scale` is theirs alone."""

    def turned(a: Any) -> Any:
        return a.T if transposed else a

    def mapped(array: Any) -> Any:
        found = {gate: block(array, gate) for gate in "ifco"}
        new = {
            gate: turned(found[source]) * array.dtype.type(scale) if source else 0 * found[gate]
            for gate, source in sources.items()
        }
        return np.concatenate([(found | new)[gate] for gate in "ifco"], axis=-1)

    def adjoint(array: Any) -> Any:
        given = {gate: block(array, gate) for gate in "ifco"}
        found = {gate: 0 * given[gate] if gate in sources else given[gate] for gate in "ifco"}
        for gate, source in sources.items():
            if source:
                found[source] = found[source] + turned(given[gate]) * array.dtype.type(scale)
        return np.concatenate([found[gate] for gate in "ifco"], axis=-1)

    def read(self: Any, up: Any, case: Any) -> Any:
        return tuple(mapped(a) if n in arrays else a for n, a in enumerate(up(case)))

    def write(self: Any, up: Any, *gradients: Any) -> Any:
        return tuple(adjoint(a) if n in arrays else a for n, a in enumerate(up(*gradients)))

    read_off("weights", slug, title, repair, read=read, write=write)


PARTS = {
    "weights": (EVERY, "weights"),
    "kernel": (KERNEL, "kernel's block"),
    "recurrent": (RECURRENT, "recurrent block"),
    "bias": (BIAS, "bias"),
}
for _name, (_arrays, _word) in PARTS.items():
    for _to in "ifco":
        for _of in "ifco".replace(_to, ""):
            _blocks(
                f"{_name}-of-{_of}-for-{_to}", f"The {NAMES[_to]} uses the {_word} of the {NAMES[_of]}.", OWN, _arrays, {_to: _of}
            )  # fmt: skip
        if _name in ("bias", "recurrent", "kernel"):
            _blocks(
                f"{_name}-of-{_to}-for-all", f"Every gate uses the {_word} of the {NAMES[_to]}.", OWN, _arrays,
                dict.fromkeys("ifco", _to),
            )  # fmt: skip
            _blocks(
                f"{_name}-missing-{_to}",
                f"The {_word} of the {NAMES[_to]} is left out.",
                "z = x W + h U + b.",
                _arrays,
                {_to: ""},
            )
    for _order in ("".join(order) for order in permutations("ifco") if "".join(order) != "ifco"):
        if _name in ("bias", "recurrent", "kernel"):
            _blocks(
                f"{_name}-order-{_order}", f"The {_word} alone is read in the order {', '.join(_order)}." if _name == "bias" else
                f"Of the {_name.replace('recurrent', 'recurrent kernel')} alone, the blocks are read in the order {', '.join(_order)}.",
                "Read all weights in the order i, f, c, o.", _arrays,
                {gate: "ifco"[_order.index(gate)] for gate in "ifco"},
            )  # fmt: skip
for _name, _arrays in (("recurrent", RECURRENT), ("input", KERNEL)):
    _what = "h" if _name == "recurrent" else "x"
    _blocks(
        f"{_name}-missing",
        f"{_what} does not reach the gates.",
        "z = x W + h U + b.",
        _arrays,
        dict.fromkeys("ifco", ""),
    )
    for _by in (0.1, 0.2, 0.25, 0.5, 0.7, 0.8, 0.9, 2.0):
        _blocks(
            f"{_name}-scaled-{_by:g}", f"{_what} is multiplied by {_by:g} on its way into the gates.", "z = x W + h U + b.", _arrays,
            {gate: gate for gate in "ifco"}, _by,
        )  # fmt: skip
for _gate in "ifco":
    _blocks(
        f"recurrent-transposed-{_gate}", f"The recurrent block of the {NAMES[_gate]} is transposed.", "Use h @ U.", RECURRENT,
        {_gate: _gate}, transposed=True,
    )  # fmt: skip
    _blocks(
        f"bias-doubled-{_gate}",
        f"The bias of the {NAMES[_gate]} is added twice.",
        "Add it once.",
        BIAS,
        {_gate: _gate},
        2.0,
    )
    for _name, _arrays in (("kernel", KERNEL), ("recurrent", RECURRENT), ("bias", BIAS)):
        _blocks(
            f"{_name}-negated-{_gate}", f"The {PARTS[_name][1]} of the {NAMES[_gate]} is subtracted.", "z = x W + h U + b.", _arrays,
            {_gate: _gate}, -1.0,
        )  # fmt: skip


def _split_otherwise(self: Any, up: Any, case: Any) -> Any:
    """The joined matrix [W; U] applied to [h; x]."""
    W, U, b = up(case)
    joined = np.concatenate([W, U])
    return joined[len(U) :], joined[: len(U)], b


def _joined_otherwise(self: Any, up: Any, *gradients: Any) -> Any:
    dW, dU, db = up(*gradients)
    joined = np.concatenate([dU, dW])
    return joined[: len(dW)], joined[len(dW) :], db


for _place, _name in ((0, "kernel"), (1, "recurrent")):

    def read_reshaped(self: Any, up: Any, case: Any, place: int = _place) -> Any:
        return tuple(a.reshape(a.shape[::-1]).T if n == place else a for n, a in enumerate(up(case)))

    def write_reshaped(self: Any, up: Any, *gradients: Any, place: int = _place) -> Any:
        return tuple(
            np.ascontiguousarray(a.T).reshape(a.shape) if n == place else a for n, a in enumerate(up(*gradients))
        )

    read_off(
        "weights", f"{_name}-reshaped-for-transpose",
        f"The {_name.replace('recurrent', 'recurrent kernel')} is reshaped where it was to be transposed.",
        "Use a transpose.", read=read_reshaped, write=write_reshaped,
    )  # fmt: skip
read_off(
    "weights", "concat-inputs-swapped", "Weights for [x, h] are applied to [h, x].",
    "Concatenate in the order that the weights' rows have.", read=_split_otherwise, write=_joined_otherwise,
)  # fmt: skip
