"""What a forward-only function or module returned, as output, h and c."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conformance.case import FORWARD, Case
from conformance.errors import CandidateError
from conformance.layouts.layout import Layout
from conformance.trial.declare import COTANGENTS

EXPECTED = "expected output, h, c or output, (h, c), a mapping of these names, or the output alone"


def named(
    given: Any, case: Case, layout: Layout, without: frozenset[str], stack: Callable[[Any, int], Any]
) -> dict[str, Any]:
    """What was returned, under the case's names, of the case's shapes in this layout.

    Parameters
    ----------
    given : object
        One of what `EXPECTED` names. A list in place of the output is taken for its steps, and stacked; a state may have an axis
        of one layer in front.
    case : Case
    layout : Layout
    without : frozenset of str
        What the candidate declares that it lacks: if all cotangents, nothing is missing for the gradients.
    stack : callable
        Stacks a list of a framework's arrays along an axis.

    Raises
    ------
    CandidateError
        If it is something else, or of other shapes; if something is missing that the case has a cotangent for.
    """
    found = _named(given)
    if isinstance(found.get("output"), list | tuple):
        found["output"] = stack(list(found["output"]), layout.axes.index("t"))
    cotangents = dict(zip(FORWARD, (case.d_output, case.d_h, case.d_c), strict=True))
    expected = {
        "output": layout.sequence(case.d_output).shape,
        "h": layout.state(case.d_h).shape,
        "c": layout.state(case.d_c).shape,
    }
    for name, cotangent in cotangents.items():
        if name not in found:
            if cotangent.any() and not without >= COTANGENTS:
                raise CandidateError(
                    f"it returned {', '.join(found)} and no {name}, and the case has a d_{name}: return {name} too, or declare "
                    f'@conformance.candidate(without=("{name}", "d_{name}")).'
                )
            continue
        shape = _shape(found[name], name)
        if name != "output" and shape == (1, *expected[name]):
            found[name], shape = found[name][0], shape[1:]
        if shape != expected[name]:
            axes = "".join(axis for axis in layout.axes if name == "output" or axis != "t")
            raise CandidateError(
                f"its {name} has shape {shape}, expected {expected[name]}: axes {axes!r} of (b)atch, (t)ime and (f)eatures, "
                "in the layout that was given to it."
            )
    return {name: found[name] for name in FORWARD if name in found}


def _named(given: Any) -> dict[str, Any]:
    if hasattr(given, "shape"):
        return {"output": given}
    if isinstance(given, Mapping):
        if not given or set(given) - set(FORWARD):
            raise CandidateError(f"it returned a mapping of {', '.join(map(repr, given)) or 'nothing'}; {EXPECTED}.")
        return dict(given)
    if isinstance(given, list | tuple):
        if len(given) == 3:
            return dict(zip(FORWARD, given, strict=True))
        if len(given) == 2 and isinstance(given[1], list | tuple) and len(given[1]) == 2:
            return {"output": given[0], "h": given[1][0], "c": given[1][1]}
        raise CandidateError(f"it returned a {type(given).__name__} of {len(given)}; {EXPECTED}.")
    what = "None" if given is None else f"a {type(given).__name__}"
    raise CandidateError(f"it returned {what}; {EXPECTED}.")


def _shape(value: Any, name: str) -> tuple[int, ...]:
    if not hasattr(value, "shape"):
        raise CandidateError(f"its {name} is a {type(value).__name__}, expected an array of the framework; {EXPECTED}.")
    return tuple(value.shape)
