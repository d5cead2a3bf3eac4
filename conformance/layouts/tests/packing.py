"""Golden vectors put into any layout of the search space, by code that shares nothing with the code that finds them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

import conformance
from conformance.case import Case
from conformance.cases.draw import Draw
from conformance.fixtures.store import Golden, golden
from lstm_ref import LSTMParams

Arrays = dict[str, np.ndarray[Any, Any]]

ORDERS = ["".join(order) for order in permutations("ifco")]


@dataclass(frozen=True)
class Packing:
    """A layout as its user would say it.

    `stacking` is side, interleaved, crosswise (of the recurrent kernel alone), axis0, axis1, axis2 or split; `bias` is
    none, one, sum, unused, halves, double or split; `order` is the order of the gates.
    """

    order: str = "ifco"
    stacking: str = "side"
    left: bool = False
    joined: str = ""
    bias: str = "one"
    forget: bool = False
    leading: bool = False
    axes: str = "btf"

    def arrays(self, params: LSTMParams, draw: Draw) -> Arrays:
        """The arrays, under names that say nothing, in any order."""
        kernel, recurrent = _gates(params.kernel), _gates(params.recurrent_kernel)
        if self.joined:
            first, second = (kernel, recurrent) if self.joined == "xh" else (recurrent, kernel)
            matrices = [{gate: np.vstack([first[gate], second[gate]]) for gate in "ifco"}]
        else:
            matrices = [kernel, recurrent]
        made = []
        for number, gates in enumerate(matrices):
            made += self._matrix([gates[gate] for gate in self.order], crosswise=number == 1)
        if self.leading:
            made = [matrix[None] for matrix in made]
        assert params.bias is not None or self.bias == "none"
        if params.bias is not None:
            made += self._bias(_gates(params.bias), draw)
        names = [f"array {n}" for n in range(len(made))]
        shuffled = np.argsort(draw.uniform(1.0, len(made)))
        return {names[place]: made[n] for place, n in enumerate(shuffled)}

    def _matrix(self, blocks: list[Any], crosswise: bool) -> list[Any]:
        acting = [block.T for block in blocks] if self.left else blocks
        if self.stacking == "split":
            return acting
        if self.stacking.startswith("axis"):
            return [np.stack(acting, axis=int(self.stacking[-1]))]
        if self.stacking == "interleaved":
            columns = [block[:, unit] for unit in range(blocks[0].shape[1]) for block in blocks]
            side_by_side = np.stack(columns, axis=1)
            return [side_by_side.T if self.left else side_by_side]
        if self.stacking == "crosswise" and crosswise:  # the blocks are turned, the stack is not
            return [np.vstack(blocks) if self.left else np.hstack([block.T for block in blocks])]
        return [np.vstack(acting) if self.left else np.hstack(acting)]

    def _bias(self, gates: dict[str, Any], draw: Draw) -> list[Any]:
        dtype = gates["i"].dtype
        if self.forget:
            gates = {**gates, "f": gates["f"] - 1}
        in_order = [gates[gate] for gate in self.order]
        other = draw.uniform(0.5, 4 * len(in_order[0])).astype(dtype)
        vector = np.stack(in_order, axis=1).ravel() if self.stacking == "interleaved" else np.concatenate(in_order)
        return {
            "none": [],
            "one": [vector],
            "sum": [vector - other, other],
            "unused": [vector, other],
            "halves": [np.concatenate([vector - other, other])[None]],
            "double": [vector / 2],
            "split": [gate[:, None] if self.left else gate for gate in in_order],
        }[self.bias]


def _gates(array: Any) -> dict[str, Any]:
    return dict(zip("ifco", np.split(array, 4, axis=-1), strict=True))


def known_run(case: Case, expected: Any, axes: str) -> Arrays:
    """x, h0, c0, output, h and c with their axes in another order."""
    order = ["btf".index(axis) for axis in axes]
    run = {"x": case.x.transpose(order), "output": expected["output"].transpose(order)}
    states = {"h0": case.h0, "c0": case.c0, "h": expected["h"], "c": expected["c"]}
    columns = axes.index("f") < axes.index("b")
    return run | {name: state.T if columns else state for name, state in states.items()}


def random_packing(draw: Draw, case: Case) -> Packing:
    """Any layout that the case can have."""

    def one_of(*choices: Any) -> Any:
        return choices[int(draw.integers(len(choices), 1)[0])]

    stacking = one_of("side", "side", "interleaved", "crosswise", "axis0", "axis1", "axis2", "split", "split")
    joined = "" if stacking == "crosswise" else one_of("", "xh", "hx")
    split = stacking == "split"
    biases = ("one", "split", "double") if split else ("one", "sum", "unused", "halves", "double")
    bias = "none" if case.params.bias is None else one_of(*biases)
    return Packing(
        order=one_of(*ORDERS),
        stacking=stacking,
        left=one_of(False, True),
        joined=joined,
        bias=bias,
        forget=bias != "none" and one_of(False, True),
        leading=one_of(False, False, True),
        axes=one_of("btf", "tbf", "tfb", "fbt", "ftb", "bft"),
    )


VECTORS = {vector.case.id: vector for vector in golden()}
PLAIN = VECTORS["plain-all-nostate-float64"]


def find(arrays: Arrays, **known: Any) -> conformance.LayoutFinding:
    return conformance.find_layout(arrays, **known)


def search(
    vector: Golden, packing: Packing, draw: Draw, only: tuple[str, ...] = ()
) -> tuple[conformance.LayoutFinding, Arrays]:
    arrays = packing.arrays(vector.case.params, draw)
    known = known_run(vector.case, vector.expected, packing.axes)
    dropped = [name for name in ("output", "h", "c") if only and name not in only]
    return find(arrays, **{n: a for n, a in known.items() if n not in dropped}), arrays


def assert_same(actual: LSTMParams, expected: LSTMParams) -> None:
    for name in ("kernel", "recurrent_kernel"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))
    if expected.bias is None:
        assert actual.bias is None or not actual.bias.any()
    else:
        assert actual.bias is not None
        np.testing.assert_allclose(actual.bias, expected.bias, rtol=0, atol=4 * float(np.finfo(expected.dtype).eps))


def by_its_code(lines: str, arrays: Arrays) -> LSTMParams:
    names: dict[str, Any] = {"arrays": arrays}
    exec(lines, names)
    assert isinstance(names["params"], LSTMParams)
    return names["params"]


def assert_found(found: conformance.LayoutFinding, arrays: Arrays, expected: LSTMParams) -> None:
    assert found.verdict == "one", found.remarks
    fit = found.fits[0]
    assert_same(fit.params, expected)
    for way in fit.ways:
        assert_same(by_its_code(way.code(), arrays), expected)
    assert fit.error < found.tolerance
    assert all(other.error > 100 * found.tolerance for other in found.nearest)
