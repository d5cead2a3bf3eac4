"""Random networks, and all that is given to them, for the tests of what networks compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_ref import Dropout, Layer, LSTMParams, Network, Options
from lstm_ref.options import PLAIN
from lstm_ref.params import FloatArray


@dataclass(frozen=True)
class Drawn:
    """What a network is drawn by; the words are those of `Layer` and `Options`."""

    units: tuple[int, ...] = (4,)
    direction: str = "forward"
    merge: str | None = "concat"
    projection: int = 0
    peephole: bool = False
    bias: bool = True
    mask: str = ""
    dropout: str = ""
    options: Options = PLAIN
    B: int = 3
    T: int = 6
    D: int = 2
    dtype: str = "float64"

    def network(self) -> Network:
        rng, layers, width = np.random.default_rng(1), [], self.D
        for k, H in enumerate(self.units):
            last = k == len(self.units) - 1
            P = self.projection or H
            shapes: dict[str, tuple[int, ...]] = {"kernel": (width, 4 * H), "recurrent_kernel": (P, 4 * H)}
            shapes |= {"bias": (4 * H,)} if self.bias else {}
            shapes |= {"projection": (H, P)} if self.projection else {}
            shapes |= {"peephole": (3, H)} if self.peephole else {}
            both = {
                name: LSTMParams(**{n: rng.uniform(-0.9, 0.9, s).astype(self.dtype) for n, s in shapes.items()})
                for name in ("forward", "reverse")
                if self.direction in (name, "both")
            }
            options = self.options if last else replace(self.options, return_sequences=True)
            merge = self.merge if last else self.merge or "concat"
            layers.append(Layer(both.get("forward"), both.get("reverse"), merge, options))
            width = layers[-1].output_size
        return Network(layers)

    def given(self, network: Network) -> dict[str, Any]:
        """x, state, mask and dropout."""
        rng = np.random.default_rng(2)
        given: dict[str, Any] = {"x": rng.uniform(-1, 1, (self.B, self.T, self.D)).astype(self.dtype)}
        given["state"] = tuple(_like(rng, state) for state in network(given["x"])[1])
        given["mask"], given["dropout"] = self._mask(rng), self._dropout(rng, network)
        return given

    def _mask(self, rng: np.random.Generator) -> npt.NDArray[np.bool_] | None:
        if not self.mask:
            return None
        lengths = np.array([self.T, *rng.integers(0, self.T, self.B - 1)])
        padded = np.arange(self.T) < lengths[:, np.newaxis]
        holes = rng.uniform(size=(self.B, self.T)) < 0.6
        return {"right": padded, "left": padded[:, ::-1], "holes": holes}[self.mask]

    def _dropout(self, rng: np.random.Generator, network: Network) -> list[Mapping[str, Dropout]] | None:
        if not self.dropout:
            return None

        def factors(*shape: int) -> FloatArray:
            return (1.5 * (rng.uniform(size=shape) < 0.7)).astype(self.dtype)

        def of(layer: Layer) -> Dropout:
            recurrent = factors(self.B, layer.state_size) if self.dropout != "steps" else None
            steps = (self.T,) if self.dropout == "steps" else ()
            return Dropout(factors(self.B, *steps, layer.input_size), recurrent)

        return [{direction: of(layer) for direction in layer.directions} for layer in network.layers]


def _like(rng: np.random.Generator, value: Any) -> Any:
    """Random numbers in the form of an array, or of a list of arrays."""
    if isinstance(value, list):
        return [_like(rng, each) for each in value]
    return rng.uniform(-1, 1, value.shape).astype(value.dtype)


def cotangents(run: Any) -> tuple[Any, Any, Any]:
    """d_output, d_h and d_c of a run, random."""
    rng = np.random.default_rng(3)
    return _like(rng, run.output), _like(rng, run.h), _like(rng, run.c)


def flat(value: Any) -> dict[str, FloatArray]:
    """Name to array, of whatever holds arrays: gradients, lists of states, mappings."""
    if value is None:
        return {}
    if isinstance(value, np.ndarray):
        return {"": value}
    if isinstance(value, list | tuple):
        parts = {str(k): each for k, each in enumerate(value)}
    else:
        parts = value if isinstance(value, dict) else {f.name: getattr(value, f.name) for f in fields(value)}
    return {f"{name}.{rest}".rstrip("."): a for name, each in parts.items() for rest, a in flat(each).items()}


def same(actual: Any, expected: Any) -> None:
    """The same arrays under the same names, to the bit."""
    ours, theirs = flat(actual), flat(expected)
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)


def close(actual: Any, expected: Any) -> None:
    """The same arrays under the same names, but for rounding in float64."""
    ours, theirs = flat(actual), flat(expected)
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, rtol=0, atol=1e-13, err_msg=name)
