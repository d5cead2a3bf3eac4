"""The networks of the published checkpoints, and what the framework that each file is of computes with them.

Nothing of `lstm_ref` has a part in that: the file's own framework reads it, and its own layer runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf_keras
import torch
from onnx import helper
from safetensors.torch import load_file

from conformance.case import Case, Result
from lstm_ref import Options

Theirs: TypeAlias = Callable[[Path, Case], Result]
"""What a file's framework makes of the file, run on a case's input from its initial state."""


@dataclass(frozen=True)
class Published:
    """One network of a published file.

    Attributes
    ----------
    file : str
    name : str or tuple of str
        What `lstm_ref.load` is asked for.
    units : tuple of int
        H of each layer.
    oracle : str
        What the file's framework is called in the summary.
    theirs : callable
    options : lstm_ref.Options, optional
        What the file does not tell.
    """

    file: str
    name: str | tuple[str, ...]
    units: tuple[int, ...]
    oracle: str
    theirs: Theirs
    options: Options | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its LSTMs."""
        return (self.name,) if isinstance(self.name, str) else self.name

    @property
    def id(self) -> str:
        """The file and what of it."""
        return "-".join((self.file, *self.names))


def _states(case: Case) -> list[list[Any]]:
    """h0 and c0 of each layer and direction."""
    return [list(rows.reshape(-1, *rows.shape[-2:])) for rows in (case.h0, case.c0)]


def _result(case: Case, output: Any, h: Any, c: Any) -> Result:
    """Arrays or tensors of theirs, with axes of one as the case has them."""
    found = {"output": output, "h": h, "c": c}
    return {name: np.asarray(array).reshape(case.shapes[name]) for name, array in found.items()}


def _stepwise(case: Case, cell: Any) -> Result:
    """What an LSTMCell of PyTorch gives, called for one step after the other."""
    h, c = torch.tensor(case.h0), torch.tensor(case.c0)
    outputs = []
    with torch.no_grad():
        for step in torch.tensor(case.x).unbind(1):
            h, c = cell(step, (h, c))
            outputs.append(h)
    return _result(case, torch.stack(outputs, 1), h, c)


def _safetensors_cell(path: Path, case: Case) -> Result:
    tensors = _below(load_file(path), "lstm_cell")
    cell = torch.nn.LSTMCell(tensors["weight_ih"].shape[1], tensors["weight_hh"].shape[1])
    cell.load_state_dict(tensors)
    return _stepwise(case, cell)


def _script_cell(name: str) -> Theirs:
    """The cell of that name in a TorchScript archive, which PyTorch runs as a script."""

    def theirs(path: Path, case: Case) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # such files are there all the same
            archive = torch.jit.load(path, "cpu")  # type: ignore[no-untyped-call]  # PyTorch gives it no types
        return _stepwise(case, attrgetter(name)(archive))

    return theirs


def _below(tensors: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """The state_dict of one submodule."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


class _Anything:
    """In the place of a class that is not installed; PyTorch may make it, and nobody looks at it."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _state_dict(*keys: str, unsafe: bool = False) -> Theirs:
    """An nn.LSTM with the tensors called lstm; `unsafe` if the checkpoint has objects of classes beside them."""

    def theirs(path: Path, case: Case) -> Result:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if unsafe else []
        harmless = [(type("Anything", (_Anything,), {}), name) for name in names if not name.startswith("builtins.")]
        with torch.serialization.safe_globals([int, list, dict, *harmless]):
            content = torch.load(path, "cpu", weights_only=True)
        for key in keys:
            content = content[key]
        tensors = _below(content, "lstm")
        both = "weight_hh_l0_reverse" in tensors
        D, H = (tensors[f"weight_{which}_l0"].shape[1] for which in ("ih", "hh"))
        lstm = torch.nn.LSTM(D, H, len(tensors) // (8 if both else 4), batch_first=True, bidirectional=both)
        lstm.load_state_dict(tensors)
        h0, c0 = (torch.tensor(np.stack(rows)) for rows in _states(case))
        with torch.no_grad():
            output, (h, c) = lstm(torch.tensor(case.x), (h0, c0))
        return _result(case, output, h, c)

    return theirs


def _keras_result(case: Case, layers: Sequence[Any]) -> Result:
    """What layers of Keras 2 that return their states give, one after the other."""
    flow, final = tf.constant(case.x), []
    h0, c0 = ([tf.constant(state) for state in states] for states in _states(case))
    for layer in layers:
        count = 2 if isinstance(layer, tf_keras.layers.Bidirectional) else 1
        initial = [state for pair in zip(h0[:count], c0[:count], strict=True) for state in pair]
        flow, *states = layer(flow, initial_state=initial)
        final += states
        h0, c0 = h0[count:], c0[count:]
    return _result(case, flow, final[::2], final[1::2])


def _keras_model(name: str) -> Theirs:
    """A layer of a whole model, made once more so that it gives its states as well."""

    def theirs(path: Path, case: Case) -> Result:
        trained = tf_keras.models.load_model(path, compile=False).get_layer(name)
        layer = type(trained).from_config({**trained.get_config(), "return_state": True})
        layer.build((None, None, case.x.shape[-1]))
        layer.set_weights(trained.get_weights())
        return _keras_result(case, [layer])

    return theirs


def _keras_weights(*names: str, both: bool = False, **options: Any) -> Theirs:
    """Layers of such names, for which Keras finds the weights in the file by itself."""

    def theirs(path: Path, case: Case) -> Result:
        layers = []
        flow = inputs = tf_keras.layers.Input((None, case.x.shape[-1]))
        for name in names:
            layer = tf_keras.layers.LSTM(
                case.params.hidden_size, return_sequences=True, return_state=True, name=name, **options
            )
            layers.append(tf_keras.layers.Bidirectional(layer, name=name) if both else layer)
            flow, *_ = layers[-1](flow)
        tf_keras.Model(inputs, flow).load_weights(path, by_name=True)
        return _keras_result(case, layers)

    return theirs


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph of ONNX and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _nodes(*names: str) -> Theirs:
    """LSTM nodes and whatever their weights come from, cut out of a model, run by onnxruntime."""

    def theirs(path: Path, case: Case) -> Result:
        model = onnx.load(path)
        graphs = list(_graphs(model.graph))
        lstms = [node for name in names for graph in graphs for node in graph.node if node.name == name]
        makers = {output: node for graph in graphs for node in graph.node for output in node.output}
        stored = {tensor.name: tensor for graph in graphs for tensor in graph.initializer}
        states = [list(lstm.input[5:7]) for lstm in lstms]
        given = {lstms[0].input[0]: np.swapaxes(case.x, 0, 1)}
        for names_of_layer, h, c in zip(states, *_states(case), strict=True):
            given |= dict(zip(names_of_layer, (h[np.newaxis], c[np.newaxis]), strict=True))
        nodes: list[Any] = []
        tensors: dict[str, Any] = {}

        def need(name: str) -> None:
            if name in stored:
                tensors[name] = stored[name]
            elif name and name not in given and makers[name] not in nodes:
                for before in makers[name].input:
                    need(before)
                nodes.append(makers[name])

        need(lstms[-1].output[0])
        wanted = [lstms[-1].output[0], *(lstm.output[k] for k in (1, 2) for lstm in lstms)]
        inputs, outputs = (
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in some]
            for some in (given, wanted)
        )
        part = helper.make_graph(nodes, "part", inputs, outputs, list(tensors.values()))
        alone = helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
        session = onnxruntime.InferenceSession(alone.SerializeToString(), providers=["CPUExecutionProvider"])
        output, *final = session.run(wanted, given)
        return _result(case, np.moveaxis(output, 0, 2)[0], final[: len(lstms)], final[len(lstms) :])

    return theirs


_HARD = "hard_sigmoid_keras2"  # what rnnmorph/models/en/eval_model.json says, beside the weights
_SILERO = [
    f"If_0_{branch}_branch__Inline_0__/decoder/{cell}/LSTM" for branch in ("else", "then") for cell in ("rnn", "rnn_1")
]
_OLDER = [("LSTM_881", "LSTM_951"), ("LSTM_719", "LSTM_789"), ("LSTM_407", "LSTM_477"), ("LSTM_245", "LSTM_315")]
_RNNMORPH = "rnnmorph/eval_model.h5"

NETWORKS = (
    Published("silero-vad/silero_vad_16k.safetensors", "lstm_cell", (128,), "torch", _safetensors_cell),
    *(
        Published(
            "silero-vad/silero_vad.jit", f"{model}.decoder.rnn", (128,), "torch", _script_cell(f"{model}.decoder.rnn")
        )
        for model in ("_model", "_model_8k")
    ),
    *(Published("silero-vad/silero_vad.onnx", name, (128,), "onnxruntime", _nodes(name)) for name in _SILERO),
    *(Published("faster-whisper/silero_vad.onnx", both[0], (64, 64), "onnxruntime", _nodes(*both)) for both in _OLDER),
    Published("Resemblyzer/pretrained.pt", "model_state.lstm", (256,) * 3, "torch", _state_dict("model_state")),
    Published("BeatNet/model_1_weights.pt", "lstm", (150, 150), "torch", _state_dict()),
    Published(
        "whisperx/pytorch_model.bin", "state_dict.lstm", (128,) * 4, "torch", _state_dict("state_dict", unsafe=True)
    ),
    Published(
        "textgenrnn/textgenrnn_weights.hdf5", ("rnn_1", "rnn_2"), (128, 128), "keras", _keras_weights("rnn_1", "rnn_2")
    ),
    Published("dgaintel/domain_classifier_model.h5", "lstm_4", (64,), "keras", _keras_model("lstm_4")),
    Published(
        _RNNMORPH,
        "bidirectional_1",
        (128,),
        "keras",
        _keras_weights("bidirectional_1", both=True, recurrent_activation="hard_sigmoid"),
    ),
    Published(
        _RNNMORPH,
        "LSTM_1_forward",
        (128,),
        "keras",
        _keras_weights("LSTM_1_forward", recurrent_activation="hard_sigmoid"),
    ),
    Published(
        _RNNMORPH,
        "LSTM_1_backward",
        (128,),
        "keras",
        _keras_weights("LSTM_1_backward", go_backwards=True, recurrent_activation="hard_sigmoid"),
        Options(recurrent_activation=_HARD, go_backwards=True),
    ),
)
"""Every LSTM of every published file."""
