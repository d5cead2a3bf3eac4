"""A case that disagrees made as small and as simple as it can be while the same still goes wrong.

First what the case is of: samples, steps, features, units are left out, one kind after the other, for as long as that helps; of
networks, layers. Then what there is in it: arrays become zeros, numbers become ones, small whole numbers, numbers of few digits. Every
change is kept only if the candidate is then still wrong in the same way: in no quantity in which it was right before, in outputs if
it was wrong there, and by as much, so that one does not slip from a bug to another one, or to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from conformance.case import Case, is_gradient, kind_of
from conformance.cases.flat import arrays_of, layers_of, of_arrays
from conformance.sweep.judge import Verdict
from lstm_ref.params import FloatArray

Arrays: TypeAlias = dict[str, Any]
Fails: TypeAlias = Callable[[Case], Verdict]

CALLS = 1500
"""So often a candidate is called with changed cases."""
FEW = 100
"""So often where each call ends its process."""
BY = 10.0
"""A shrunk case is wrong by at least so many times the allowed error, or by as much as the case was."""
FIRST_STEPS = 3
"""So many steps, and fewer, are tried before others are left out by halves, quarters and so on."""
SINGLE = 200
"""Up to so many numbers, each is simplified by itself."""
UNITS = {
    "h0": "bh", "c0": "bh", "d_output": "bth", "d_h": "bh", "d_c": "bh",
    "params.kernel": "dg", "params.recurrent_kernel": "hg", "params.bias": "g",
}  # fmt: skip
"""What the axes count of those arrays of one layer that know of its units; "g" is four gates of them."""


@dataclass(frozen=True)
class Shrunk:
    """What is left of a case.

    Attributes
    ----------
    verdict : Verdict
        On the case as it is now.
    calls : int
        How often the candidate was called.
    """

    verdict: Verdict
    calls: int


class _Shrinker:
    """The smallest case so far, and what it takes to replace it."""

    def __init__(self, verdict: Verdict, fails: Fails, most: int) -> None:
        self.verdict, self.fails, self.left, self.calls = verdict, fails, most, 0
        self.first = verdict
        self.tried: set[bytes] = set()

    def take(self, case: Case) -> bool:
        """Whether the case goes wrong in the same way; it is the smallest one then."""
        digest = b"".join(
            np.ascontiguousarray(a).tobytes() + str(np.shape(a)).encode() for a in arrays_of(case).values()
        )
        if self.calls >= self.left or digest in self.tried:
            return False
        self.tried.add(digest)
        self.calls += 1
        verdict = self.fails(case)
        if not alike(verdict, self.first):
            return False
        self.verdict = verdict
        return True

    @property
    def case(self) -> Case:
        return self.verdict.case

    def with_arrays(self, changed: Mapping[str, Any]) -> bool:
        """Whether the case with other arrays of these names goes wrong in the same way."""
        given = {name: a for name, a in {**arrays_of(self.case), **changed}.items() if a is not None}
        return self.take(of_arrays(given, self.case.id, self.case.dtype, layers_of(self.case)))


def alike(verdict: Verdict, first: Verdict) -> bool:
    """Whether two verdicts are of the same going wrong."""
    if verdict.right or bool(verdict.failure) != bool(first.failure):
        return False
    if first.failure:
        return verdict.kind == first.kind
    now, before = ({kind_of(name) for name in one.quantities} for one in (verdict, first))
    outputs = any(not is_gradient(name) for name in before)
    incomparable = any(told.reason for told in first.failing)
    return (
        now <= before
        and any(not is_gradient(name) for name in now) == outputs
        and verdict.share >= min(first.share, BY)
        and any(told.reason for told in verdict.failing) == incomparable
        and np.isfinite(verdict.share) == np.isfinite(first.share)
    )


def shrink(verdict: Verdict, fails: Fails, most: int | None = None) -> Shrunk:
    """The smallest case that is found in which the same goes wrong as in the verdict's.

    Parameters
    ----------
    verdict : Verdict
    fails : callable
        The verdict on a case.
    most : int, optional
        How often that may be called.
    """
    shrinker = _Shrinker(verdict, fails, CALLS if most is None else most)
    rounds = (_fewer_layers, _fewer_samples, _fewer_steps, _fewer_features, _fewer_units, _zeros)
    before: Case | None = None
    while before is not shrinker.case:
        before = shrinker.case
        for round_ in rounds:
            round_(shrinker)
    _simpler_arrays(shrinker)
    _simpler_numbers(shrinker)
    return Shrunk(shrinker.verdict, shrinker.calls)


def _parts(count: int) -> Iterator[np.ndarray[Any, Any]]:
    """Fewer positions than there are: one, some, all but one."""
    every = np.arange(count)
    yield from (every[k : k + 1] for k in range(count) if count > 1)
    yield from (every[k : k + 2] for k in range(count - 1) if count > 2)
    if count > 3:
        yield from (every[: count // 2], every[count // 2 :])
        yield from (np.delete(every, k) for k in range(count))


def _without(shrinker: _Shrinker, counted: str, which: np.ndarray[Any, Any]) -> bool:
    """Whether the case with these samples, steps or features alone goes wrong in the same way."""
    axes = _axes(shrinker.case, counted)
    return shrinker.with_arrays({n: a.take(which, axes[n]) for n, a in arrays_of(shrinker.case).items() if n in axes})


def _fewer_samples(shrinker: _Shrinker) -> None:
    while any(_without(shrinker, "b", which) for which in _parts(shrinker.case.sizes[0])):
        pass


def _fewer_features(shrinker: _Shrinker) -> None:
    while any(_without(shrinker, "d", which) for which in _parts(shrinker.case.sizes[2])):
        pass


def _fewer_units(shrinker: _Shrinker) -> None:
    """Leave out units, of one layer with nothing that others need to be as many."""

    def of(which: np.ndarray[Any, Any]) -> bool:
        H = shrinker.case.sizes[3]
        of_gates = np.concatenate([gate * H + which for gate in range(4)])
        changed = {}
        for name, array in arrays_of(shrinker.case).items():
            for position, kind in enumerate(UNITS.get(name, "")):
                if kind in "hg":
                    changed[name] = array = array.take(of_gates if kind == "g" else which, position)
        return shrinker.with_arrays(changed)

    if arrays_of(shrinker.case).keys() <= UNITS.keys() | {"x", "mask"} and "t" in shrinker.case.axes["output"]:
        while any(of(which) for which in _parts(shrinker.case.sizes[3])):
            pass


def _fewer_steps(shrinker: _Shrinker) -> None:
    """Leave out steps at the end or at the beginning, of any network."""
    of = partial(_without, shrinker, "t")
    for steps in range(1, min(FIRST_STEPS, shrinker.case.sizes[1] - 1) + 1):
        every = np.arange(shrinker.case.sizes[1])
        if of(every[:steps]) or of(every[-steps:]):
            return
    less = shrinker.case.sizes[1] // 2
    while less:
        every = np.arange(shrinker.case.sizes[1])
        if less >= len(every) or not (of(every[:-less]) or of(every[less:])):
            less //= 2


def _axes(case: Case, counted: str) -> dict[str, int]:
    """Of each array that has one, which axis counts samples, steps, or the features of the input."""
    axes = {}
    for name, array in arrays_of(case).items():
        first, last = name.partition(".")[0], name.rpartition(".")[2]
        dropout = first == "dropout"
        if name == "x" or (name == "mask" and counted != "d") or (dropout and counted != "d"):
            if not (dropout and counted == "t" and np.ndim(array) == 2):
                axes[name] = "btd".index(counted)
        elif first == "d_output" and counted in case.axes["output"]:
            axes[name] = case.axes["output"].index(counted)
        elif first in ("h0", "c0", "d_h", "d_c") and counted == "b":
            axes[name] = np.ndim(array) - 2
        elif counted == "d" and last == "kernel" and (first == "params" or name.startswith("layers.0.")):
            axes[name] = 0
        elif counted == "d" and last == "input" and name.startswith("dropout.0."):
            axes[name] = np.ndim(array) - 1
    return axes


def _fewer_layers(shrinker: _Shrinker) -> None:
    """Of a network of several layers that are one behind the other, the first ones, or the last ones, alone."""
    while any(shrinker.take(shorter) for shorter in _without_a_layer(shrinker.case)):
        pass


def _without_a_layer(case: Case) -> Iterator[Case]:
    """A network without its first layer, whose outputs' place the inputs take as far as they reach; without its last; one direction."""
    if not case.uniform or case.dropout or case.single:
        return
    told, a = layers_of(case), arrays_of(case)
    rows = [len(layer.directions) for layer in case.layers]
    if len(told) > 1:
        x = np.resize(case.x, (*case.x.shape[:2], case.layers[1].input_size))
        yield _of_layers(a | {"x": x}, told[1:], 1, slice(rows[0], None), case)
        if case.layers[-2].output_size == case.layers[-1].output_size and case.layers[-1].merge is not None:
            yield _of_layers(a, [*told[:-2], told[-1]], 0, slice(0, -rows[-1]), case)
        return
    P = case.layers[0].state_size
    for row, direction in enumerate(("forward", "reverse")):
        one = {"directions": [direction]} | {name: value for name, value in told[0].items() if name == "options"}
        d_output = case.d_output[row] if case.layers[0].merge is None else case.d_output[..., :P]
        yield _of_layers(a | {"d_output": d_output}, [one], 0, slice(row, row + 1), case)


def _of_layers(a: Arrays, told: list[dict[str, Any]], first: int, rows: slice, case: Case) -> Case:
    given: Arrays = {}
    for name, array in a.items():
        if not name.startswith("layers."):
            given[name] = array[rows] if name in ("h0", "c0", "d_h", "d_c") else array
            continue
        _, k, direction, rest = name.split(".")
        if first <= int(k) < first + len(told) and direction in told[int(k) - first]["directions"]:
            given[f"layers.{int(k) - first}.{direction}.{rest}"] = array
    if len(told) == 1 and len(told[0]["directions"]) == 1:
        prefix = f"layers.0.{told[0]['directions'][0]}."
        given = {n.replace(prefix, "params."): array for n, array in given.items()}
        given |= {n: given[n][0] for n in ("h0", "c0", "d_h", "d_c")}
    return of_arrays(given, case.id, case.dtype, told)


def _zeros(shrinker: _Shrinker) -> None:
    """Zeros in the place of whole arrays, the bias left out."""
    for name, array in arrays_of(shrinker.case).items():
        if name == "params.bias" and shrinker.with_arrays({name: None}):
            continue
        if name != "mask" and array.any():
            shrinker.with_arrays({name: np.zeros_like(array)})


def _simpler_arrays(shrinker: _Shrinker) -> None:
    """Ones, signs, whole numbers, numbers of few bits in the place of whole arrays."""
    for name in arrays_of(shrinker.case):
        if name == "mask" or name.startswith("dropout"):
            continue
        array = arrays_of(shrinker.case)[name]
        if not array.any():
            continue
        any(shrinker.with_arrays({name: simpler}) for simpler in (np.ones_like(array), *_rounded(array)))


def _simpler_numbers(shrinker: _Shrinker) -> None:
    """The same for each number, where there are few."""
    names = [name for name in arrays_of(shrinker.case) if name != "mask" and not name.startswith("dropout")]
    if sum(arrays_of(shrinker.case)[name].size for name in names) > SINGLE:
        return
    for name in names:
        for place in np.ndindex(arrays_of(shrinker.case)[name].shape):
            array = arrays_of(shrinker.case)[name]
            number = array[place]
            if number == 0:
                continue
            for simpler in (np.zeros_like(number), np.ones_like(number), *_rounded(number)):
                changed = array.copy()
                changed[place] = simpler
                if (
                    abs(float(simpler)) <= max(abs(float(number)), 1.0)
                    and simpler != number
                    and shrinker.with_arrays({name: changed})
                ):
                    break


def _rounded(a: FloatArray) -> Iterator[FloatArray]:
    """Simpler numbers first: signs, whole ones, halves, then of 2, 4, 8 and 12 bits."""
    yield np.sign(a)
    yield np.round(a)
    yield np.round(2 * a) / 2
    for bits in (2, 4, 8, 12):
        mantissa, exponent = np.frexp(a)
        yield np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent).astype(a.dtype)
