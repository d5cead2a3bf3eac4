"""Gradients by JAX, of a function of arrays.

Source: https://docs.jax.dev/en/latest/_autosummary/jax.vjp.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_ref.params import FloatArray


def differentiated(
    forward: Callable[..., dict[str, Any]], arguments: list[Any], cotangents: Mapping[str, FloatArray] | None
) -> tuple[dict[str, Any], list[Any] | None]:
    """What a function gives for arguments, and the gradients with respect to them.

    JAX makes float32 of float64 unless ``jax_enable_x64`` is set: it is, while arguments of float64 are computed with.

    Parameters
    ----------
    forward : callable
        Takes an array, or any tree of them, for each argument, and gives named arrays.
    arguments : list of arrays, or of trees of them
    cotangents : mapping of str to array, or None
        Of what `forward` gives; None if there are to be no gradients.
    """
    with doubles(any(array.dtype == np.float64 for array in jax.tree.leaves(arguments))):
        arrays = jax.tree.map(jnp.array, arguments)
        if cotangents is None:
            return forward(*arrays), None
        given, pullback = jax.vjp(forward, *arrays)
        like = {name: jnp.array(cotangents[name]).astype(value.dtype) for name, value in given.items()}
        return given, list(pullback(like))


def doubles(wanted: bool) -> AbstractContextManager[Any]:
    """Within it, JAX knows float64, if that is wanted."""
    return jax.enable_x64(True) if wanted else nullcontext()


def stack(steps: list[Any], axis: int) -> Any:
    """Steps as one array."""
    return jnp.stack(steps, axis)
