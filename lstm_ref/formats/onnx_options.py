"""What the attributes of an ONNX LSTM say of how it computes, in our words.

Sources: https://onnx.ai/onnx/operators/onnx__LSTM.html; that alphas and betas are only of the functions that have one, and that
case does not count, is what onnxruntime does.
"""

from __future__ import annotations

import numpy as np

from lstm_ref.errors import LSTMError, UnsupportedError
from lstm_ref.formats.onnx_graph import Node
from lstm_ref.formats.onnx_tensors import shown, text
from lstm_ref.options import Options

ATTRIBUTES = {
    "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget", "layout",
    "output_sequence",  # of opset 1: whether Y is given, which changes no number
}  # fmt: skip
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""Direction to whether each of the weights' is the reverse one."""

PLAIN = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "softsign": "softsign", "softplus": "softplus"}
PARAMETERS = {
    "affine": (None, None), "leakyrelu": (0.01,), "thresholdedrelu": (1.0,), "scaledtanh": (None, None),
    "hardsigmoid": (0.2, 0.5), "elu": (1.0,),
}  # fmt: skip
"""Of activations that have an alpha, or an alpha and a beta, the defaults; None where the operator has none."""
KNOWN = {
    ("affine", 1.0, 0.0): "linear",
    ("elu", 1.0): "elu",
    ("hardsigmoid", float(np.float32(0.2)), 0.5): "hard_sigmoid_keras2",
    ("hardsigmoid", float(np.float32(1 / 6)), 0.5): "hard_sigmoid",
}


def directions(node: Node) -> tuple[bool, ...]:
    """Of each direction whether it is the reverse one.

    Raises
    ------
    ValueError
        If the node has none that there is.
    """
    name = node.attribute("direction", "s", b"forward").decode("utf-8", "replace")
    if name not in DIRECTIONS:
        raise ValueError(f"its direction is {shown(name)}, expected forward, reverse or bidirectional")
    return DIRECTIONS[name]


def options(node: Node) -> Options:
    """The layer's options.

    Raises
    ------
    ValueError, LSTMError
        If there is something that is not known here.
    """
    names = {text(attribute.name) for attribute in node.proto.attribute}
    if unknown := sorted(names - ATTRIBUTES):
        raise ValueError(f"it has the attribute {shown(unknown[0])}, which is not known here")
    if names <= {"hidden_size", "direction"}:
        return Options(zero_output_for_mask=bool(node.input(4)))
    for name, most in (("input_forget", 1), ("layout", 1), ("output_sequence", 1)):
        if node.attribute(name, "i", 0) not in range(most + 1):
            raise ValueError(f"its {name} is {node.attribute(name, 'i')}, expected 0 or 1")
    clip = node.attribute("clip", "f")
    if clip is not None and not clip > 0:
        raise ValueError(f"its clip is {clip}, expected a positive number")
    gates, candidate, output = _activations(node)
    return Options(
        activation=candidate,
        recurrent_activation=gates,
        output_activation=None if output == candidate else output,
        coupled_gates=bool(node.attribute("input_forget", "i", 0)),
        clip=None if clip is None or clip >= np.finfo(np.float32).max else float(clip),
        zero_output_for_mask=bool(node.input(4)),
    )


def _activations(node: Node) -> tuple[str, ...]:
    """Of the gates, the candidate and the output."""
    count = len(directions(node))
    given = node.attribute("activations", "strings", ())
    alphas, betas = (list(node.attribute(f"activation_{which}", "floats", ())) for which in ("alpha", "beta"))
    if not given:
        if alphas or betas:
            raise ValueError("it has numbers for activations, and names none")
        return "sigmoid", "tanh", "tanh"
    if len(given) != 3 * count:
        raise ValueError(f"it has {len(given)} activations, expected {3 * count}: three for each direction")
    names = [name.decode("utf-8", "replace").lower() for name in given]
    defaults = [PARAMETERS.get(name, ()) for name in names]
    needed = [sum(len(each) > place for each in defaults) for place in (0, 1)]
    for values, most, which in zip((alphas, betas), needed, ("alpha", "beta"), strict=True):
        if values and len(values) != most:
            raise ValueError(
                f"its activation_{which} has {len(values)} numbers, and {most} of its activations take one: whose they are is open"
            )
    ours = []
    for name, default in zip(names, defaults, strict=True):
        numbers = [values.pop(0) if values else d for values, d in zip((alphas, betas), default, strict=False)]
        ours.append(_known(name, numbers))
    if len(set(map(tuple, (ours[:3], ours[3:] or ours[:3])))) > 1:
        raise UnsupportedError(
            f"its directions have different activations, {', '.join(ours[:3])} and {', '.join(ours[3:])}"
        )
    return tuple(ours[:3])


def _known(name: str, numbers: list[float | None]) -> str:
    as_stored = [None if n is None else float(np.float32(n)) for n in numbers]
    ours = PLAIN.get(name) or KNOWN.get((name, *as_stored))  # type: ignore[arg-type]  # a key of None is not there
    if ours is None:
        told = "".join(
            f" with {which}={n:g}" for which, n in zip(("alpha", "beta"), numbers, strict=False) if n is not None
        )
        raise UnsupportedError(f"its activation {shown(name)}{told} is none that can be computed")
    return ours


def problem(node: Node) -> tuple[Options, str]:
    """The options, and why there are none; empty if there are."""
    try:
        return options(node), ""
    except (ValueError, LSTMError) as error:
        return Options(), str(error).removesuffix(".")
