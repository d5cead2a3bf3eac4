"""Which LSTM nodes are layers of one LSTM, where weights may be, and what nodes inside of others are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_ref
from conformance.suite.onnx_models import B, D, H, T, compared, constant, lstm, model, run, saved, some_input, weights
from lstm_ref.errors import CorruptFileError, LSTMNameError, NoLSTMError, UnsafeFileError, UnsupportedError

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [output], **attributes)


TURN = node("Transpose", ["aY"], "t", perm=[0, 2, 1, 3])
MERGES: dict[str, list[Any]] = {
    "copied lengths": [constant("s", [0, 0, -1]), TURN, node("Reshape", ["t", "s"], "x")],
    "numbers": [constant("s", [T, B, 2 * H]), TURN, node("Reshape", ["t", "s"], "x")],
    "last number": [constant("s", [-1, B, 2 * H]), TURN, node("Reshape", ["t", "s"], "x")],
    "computed lengths": [
        node("Shape", ["X"], "all"), constant("i", [0, 1]), constant("u", [2 * H]), node("Gather", ["all", "i"], "tb"),
        node("Concat", ["tb", "u"], "s", axis=0), TURN, node("Reshape", ["t", "s"], "x"),
    ],
    "halves": [
        constant("0", [0]), constant("1", [1]), constant("9", [9]),
        node("Slice", ["aY", "0", "1", "1"], "f4"), node("Squeeze", ["f4", "1"], "f"),
        node("Slice", ["aY", "1", "9", "1"], "r4"), node("Squeeze", ["r4", "1"], "r"), node("Concat", ["f", "r"], "x", axis=2),
    ],
    "dropout": [constant("s", [0, 0, -1]), TURN, node("Reshape", ["t", "s"], "y"), node("Dropout", ["y"], "x")],
}  # fmt: skip
"""Ways in which the two directions of a node aY become the input x of the next."""

OTHERS: dict[str, list[Any]] = {
    "not turned": [constant("s", [0, B, 2 * H]), node("Reshape", ["aY", "s"], "x")],
    "samples as steps": [constant("s", [B, T, 2 * H]), TURN, node("Reshape", ["t", "s"], "x")],
    "halves exchanged": [
        constant("0", [0]), constant("1", [1]), constant("9", [9]),
        node("Slice", ["aY", "0", "1", "1"], "f4"), node("Squeeze", ["f4", "1"], "f"),
        node("Slice", ["aY", "1", "9", "1"], "r4"), node("Squeeze", ["r4", "1"], "r"), node("Concat", ["r", "f"], "x", axis=2),
    ],
    "one half twice": [
        constant("0", [0]), constant("1", [1]), node("Slice", ["aY", "0", "1", "1"], "f4"), node("Squeeze", ["f4", "1"], "f"),
        node("Concat", ["f", "f"], "x", axis=2),
    ],
    "directions turned": [
        constant("s", [0, 0, -1]), constant("1", [1]), constant("a", [-1]), constant("b", [-99]),
        node("Slice", ["aY", "a", "b", "1", "a"], "aZ"), node("Transpose", ["aZ"], "t", perm=[0, 2, 1, 3]),
        node("Reshape", ["t", "s"], "x"),
    ],
    "reversed steps": [
        constant("s", [0, 0, -1]), TURN, node("Reshape", ["t", "s"], "y"), constant("a", [-1]), constant("b", [-99]),
        constant("0", [0]), node("Slice", ["y", "a", "b", "0", "a"], "x"),
    ],
    "reversed units": [
        constant("s", [0, 0, -1]), TURN, node("Reshape", ["t", "s"], "y"), constant("a", [-1]), constant("b", [-99]),
        constant("2", [2]), node("Slice", ["y", "a", "b", "2", "a"], "x"),
    ],
    "relu between": [constant("s", [0, 0, -1]), TURN, node("Reshape", ["t", "s"], "y"), node("Relu", ["y"], "x")],
}  # fmt: skip
"""What looks like one, and is something else."""


def two_layers(between: list[Any], shape: list[Any], both: bool = True) -> Any:
    directions = 2 if both else 1
    direction = "bidirectional" if both else "forward"
    nodes = [
        lstm(prefix="a", direction=direction, name="first"),
        *between,
        lstm("x", prefix="b", direction=direction, name="second"),
    ]
    arrays = weights(directions, prefix="a") | weights(directions, H * directions, prefix="b")
    return model(nodes, arrays, ["bY", "aY_h", "aY_c", "bY_h", "bY_c"], shape=shape)


@pytest.mark.parametrize("way", MERGES)
def test_stacked_nodes_are_one_lstm(way: str, tmp_path: Path) -> None:
    fixed = way in ("numbers", "last number")
    path = saved(tmp_path / "m.onnx", two_layers(MERGES[way], [T, B, D] if fixed else ["T", "B", D]))
    (info,) = lstm_ref.inspect(path)
    assert (info.name, info.layers) == ("first", 2)
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))


@pytest.mark.parametrize("way", OTHERS)
def test_nodes_with_something_else_between_are_two(way: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", two_layers(OTHERS[way], [T, B, D]))
    assert [info.name for info in lstm_ref.inspect(path)] == ["first", "second"]
    with pytest.raises(LSTMNameError, match="'second' is given something else, not the output of 'first' alone"):
        lstm_ref.load(path, ["first", "second"])


@pytest.mark.parametrize("shape", [[1, 1, D], [T, 1, D], [1, B, D]])
def test_lengths_of_one_tell_nothing_wrong(shape: list[int], tmp_path: Path) -> None:
    merge = [constant("s", [*shape[:2], 2 * H]), TURN, node("Reshape", ["t", "s"], "x")]
    path = saved(tmp_path / "m.onnx", two_layers(merge, shape))
    compared(lstm_ref.load(path), some_input(*shape), run(path, X=some_input(*shape)))
    swapped = [constant("s", [shape[1], shape[0], 2 * H]), TURN, node("Reshape", ["t", "s"], "x")]
    path = saved(tmp_path / "m.onnx", two_layers(swapped, shape))
    assert len(lstm_ref.inspect(path)) == (1 if shape[:2] == [1, 1] else 2)


@pytest.mark.parametrize("by_attribute", [False, True])
def test_one_direction_is_squeezed(by_attribute: bool, tmp_path: Path) -> None:
    axes = {"axes": [1]} if by_attribute else {}
    between = [constant("1", [1]), node("Squeeze", ["aY"] if by_attribute else ["aY", "1"], "x", **axes)]
    made = two_layers(between, ["T", "B", D], both=False)
    made.opset_import[0].version = 11 if by_attribute else 14
    path = saved(tmp_path / "m.onnx", made)
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))


def test_a_node_whose_outputs_are_shown_is_an_lstm_of_its_own(tmp_path: Path) -> None:
    made = two_layers(MERGES["copied lengths"], ["T", "B", D])
    made.graph.output.append(helper.make_tensor_value_info("aY", TensorProto.FLOAT, None))
    path = saved(tmp_path / "m.onnx", made)
    assert [info.name for info in lstm_ref.inspect(path)] == ["first", "second"]
    compared(lstm_ref.load(path, ["first", "second"]), some_input(), run(path, X=some_input())[:-1])
    compared(lstm_ref.load(path, "first"), some_input(), run(path, X=some_input())[-1:])


def test_two_that_take_the_same_outputs_are_lstms_of_their_own(tmp_path: Path) -> None:
    nodes = [
        lstm(prefix="a", name="same"), constant("1", [1]), node("Squeeze", ["aY", "1"], "x"),
        lstm("x", prefix="b", name="same"), lstm("x", prefix="c"),
    ]  # fmt: skip
    arrays = weights(prefix="a") | weights(inputs=H, prefix="b") | weights(inputs=H, prefix="c")
    made = model(nodes, arrays, ["bY", "cY"])
    path = saved(tmp_path / "m.onnx", made)
    assert [info.name for info in lstm_ref.inspect(path)] == ["same#0", "same#1", "cY"]
    network = lstm_ref.load(path, ["same#0", "cY"])
    made.graph.node[0].name = ""  # onnxruntime wants names that differ
    compared(network, some_input(), run(saved(path, made), X=some_input())[1:])


def test_lengths_of_sequences_of_one_layer_alone_keep_layers_apart(tmp_path: Path) -> None:
    nodes = [
        lstm(prefix="a", extra=["lengths"]), constant("1", [1]), node("Squeeze", ["aY", "1"], "x"), lstm("x", prefix="b"),
    ]  # fmt: skip
    arrays = weights(prefix="a") | weights(inputs=H, prefix="b") | {"lengths": np.full(B, T, np.int32)}
    assert len(lstm_ref.inspect(saved(tmp_path / "m.onnx", model(nodes, arrays, ["bY"])))) == 2


def made_of(how: str, arrays: dict[str, Any]) -> Any:
    """The model of one LSTM whose weights are stored in a way of their own."""
    plain = model([lstm()], arrays)
    tensors = plain.graph.initializer
    if how == "typed":
        for tensor in tensors:
            numbers = numpy_helper.to_array(tensor)
            tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.FLOAT, numbers.shape, numbers.reshape(-1)))
    elif how == "constants":
        nodes = [constant(tensor.name, numpy_helper.to_array(tensor)) for tensor in tensors]
        return model([*nodes, lstm()], {})
    elif how == "computed":
        W, R, bias = (arrays[n] for n in "WRB")
        parts = {
            "Wt": W[0].T.astype("f2"),
            "R0": R[:, :7],
            "R1": R[:, 7:],
            "b": bias[0].astype("f8"),
            "0": np.array([0]),
        }
        nodes = [
            node("Cast", ["Wt"], "Wc", to=1), node("Transpose", ["Wc"], "W2"), node("Unsqueeze", ["W2", "0"], "W3"),
            node("Identity", ["W3"], "W"), node("Concat", ["R0", "R1"], "R", axis=-2), node("Cast", ["b"], "bc", to=1),
            constant("s", [1, -1]), node("Reshape", ["bc", "s"], "B"),
        ]  # fmt: skip
        return model([*nodes, lstm()], parts)
    return plain


@pytest.mark.parametrize("how", ["raw", "typed", "constants", "computed"])
def test_weights_in_many_places(how: str, tmp_path: Path) -> None:
    arrays = weights()
    arrays["W"] = arrays["W"].astype("f2").astype("f4")
    made = made_of(how, arrays)
    path = saved(tmp_path / "m.onnx", made)
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_weights_of_other_types(kind: str, typed: bool, tmp_path: Path) -> None:
    number = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16, "float64": TensorProto.DOUBLE}[kind]
    made = model([lstm()], {})
    rounded = {}
    for name, array in weights().items():
        dtype = helper.tensor_dtype_to_np_dtype(number)
        rounded[name] = array.astype(dtype)
        if typed:
            tensor = helper.make_tensor(name, number, array.shape, rounded[name].astype("f8").reshape(-1))
        else:
            tensor = helper.make_tensor(name, number, array.shape, rounded[name].tobytes(), raw=True)
        made.graph.initializer.append(tensor)
    path = saved(tmp_path / "m.onnx", made)
    (info,) = lstm_ref.inspect(path)
    assert info.dtype == kind
    network = lstm_ref.load(path)
    expected = lstm_ref.params.from_onnx(*(rounded[n][0].astype("f8" if kind == "float64" else "f4") for n in "WRB"))
    for ours, theirs in zip(network.params.arrays.values(), expected.arrays.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def with_external(tmp_path: Path, **entries: str) -> Path:
    """A model whose numbers are in a file beside it, and what is said of W changed."""
    path = tmp_path / "folder" / "m.onnx"
    path.parent.mkdir(exist_ok=True)
    made = model([lstm()], weights())
    onnx.save(made, path, save_as_external_data=True, location="numbers.bin", size_threshold=0)
    (made,) = [onnx.load(path, load_external_data=False)]
    W = made.graph.initializer[0]
    for entry in W.external_data:
        entry.value = entries.pop(entry.key, entry.value)
    for key, value in entries.items():
        entry = W.external_data.add()
        entry.key, entry.value = key, value
    return saved(path, made)


def test_numbers_beside_the_model(tmp_path: Path) -> None:
    path = with_external(tmp_path)
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))
    (path.parent / "numbers.bin").unlink()
    with pytest.raises(
        UnsupportedError, match=r"its W has its numbers in 'numbers\.bin', which is no file beside the model"
    ):
        lstm_ref.load(path)


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "sub/../../secret", "link", "C:\\secret", "..\\secret", ""]
)
def test_numbers_outside_of_the_models_folder_are_not_read(location: str, tmp_path: Path) -> None:
    path = with_external(tmp_path, location=location)
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (path.parent / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeFileError, match="folder"):
        lstm_ref.inspect(path)


@pytest.mark.parametrize(
    "entries",
    [{"offset": "999999"}, {"offset": "-4"}, {"length": "8"}, {"length": "99999999999"}, {"offset": "x"}],
    ids=str,
)
def test_numbers_beside_the_model_at_no_place_are_refused(entries: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"its W has its numbers in 'numbers\.bin'"):
        lstm_ref.load(with_external(tmp_path, **entries))


@pytest.mark.parametrize("where", ["initializer", "input", "nothing", "MatMul", "DequantizeLinear", "sparse", "int8"])
def test_weights_that_are_not_there_are_refused_by_name(where: str, tmp_path: Path) -> None:
    arrays = weights()
    W = arrays.pop("W")
    made = model([lstm(name="memory")], arrays)
    graph = made.graph
    if where == "initializer":
        graph.initializer.append(numpy_helper.from_array(W[:, :, :-1], "W"))
    elif where == "input":
        graph.input.append(helper.make_tensor_value_info("W", TensorProto.FLOAT, W.shape))
    elif where == "sparse":
        values, index = numpy_helper.from_array(np.ones(1, "f4"), "W"), numpy_helper.from_array(np.array([5]), "i")
        graph.sparse_initializer.append(helper.make_sparse_tensor(values, index, W.shape))
    elif where == "int8":
        graph.initializer.append(numpy_helper.from_array(W.astype("i1"), "W"))
    elif where != "nothing":
        graph.initializer.extend([numpy_helper.from_array(W, "V"), numpy_helper.from_array(np.float32(1), "one")])
        graph.node.insert(0, node(where, ["V", "one"], "W"))
    messages = {
        "initializer": "", "input": "its W is an input of the graph", "nothing": "its W is made by nothing in the file",
        "sparse": "its W is a sparse tensor", "int8": "weights of type float32, int8; only floating-point",
    }  # fmt: skip
    path = saved(tmp_path / "m.onnx", made)
    if where == "initializer":
        assert lstm_ref.inspect(path)[0].input_size == D - 1
        return
    with pytest.raises(UnsupportedError, match=messages.get(where, rf"its W is computed by the node 'W' \({where}\)")):
        lstm_ref.load(path)


def test_nodes_inside_of_others(tmp_path: Path) -> None:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h", "Y_c")]
    then = helper.make_graph([lstm(name="inner")], "then", [], outputs)
    other = weights(prefix="e")
    stored = [numpy_helper.from_array(array, name) for name, array in other.items()]
    results = [helper.make_tensor_value_info(f"e{name}", TensorProto.FLOAT, None) for name in ("Y", "Y_h", "Y_c")]
    otherwise = helper.make_graph([lstm(prefix="e", name="inner")], "else", [], results, stored)
    choose = helper.make_node("If", ["which"], ["y", "h", "c"], name="choose", then_branch=then, else_branch=otherwise)
    which = helper.make_tensor_value_info("which", TensorProto.BOOL, [])
    path = saved(tmp_path / "m.onnx", model([choose], weights(), ["y", "h", "c"], [which]))
    infos = lstm_ref.inspect(path)
    assert [info.name for info in infos] == ["choose/else_branch/inner", "choose/then_branch/inner"]
    assert "'choose/else_branch', the body of another node" in infos[0].remarks[0]
    for info, value in zip(infos, (False, True), strict=True):
        expected = run(path, X=some_input(), which=np.array(value))
        compared(lstm_ref.load(path, info.name), some_input(), expected)


def test_functions_of_the_model(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 14)]
    arrays = weights()
    nodes = [constant(name, array) for name, array in arrays.items()]
    function = helper.make_function("mine", "LSTM", ["X"], ["Y", "Y_h", "Y_c"], [*nodes, lstm()], imports)
    caller = helper.make_node("LSTM", ["X"], ["y", "h", "c"], domain="mine")
    made = model([caller], {}, ["y", "h", "c"])
    made.functions.append(function)
    made.opset_import.append(helper.make_opsetid("mine", 1))
    path = saved(tmp_path / "m.onnx", made)
    (info,) = lstm_ref.inspect(path)
    assert (info.name, info.path) == ("Y", "mine.LSTM/Y")
    compared(lstm_ref.load(path), some_input(), run(path, X=some_input()))
    open_ = helper.make_function("mine", "LSTM", ["X", "W", "R", "B"], ["Y", "Y_h", "Y_c"], [lstm()], imports)
    made.functions[0].CopyFrom(open_)
    with pytest.raises(UnsupportedError, match="its W is an input of the graph"):
        lstm_ref.load(saved(path, made))


def test_another_domains_lstm_is_listed_and_refused(tmp_path: Path) -> None:
    quantised = helper.make_node("DynamicQuantizeLSTM", ["X", "W", "R"], ["Y"], domain="com.microsoft", name="small")
    path = saved(tmp_path / "m.onnx", model([quantised], weights(), ["Y"]))
    with pytest.raises(UnsupportedError, match=r"a node com\.microsoft\.DynamicQuantizeLSTM, expected ONNX's own LSTM"):
        lstm_ref.load(path)


def test_a_model_without_an_lstm_and_one_that_runs_in_a_circle(tmp_path: Path) -> None:
    gru = helper.make_node("GRU", ["X", "W", "R"], ["Y"], hidden_size=H)
    with pytest.raises(NoLSTMError):
        lstm_ref.load(saved(tmp_path / "m.onnx", model([gru], weights(), ["Y"])))
    arrays = weights()
    arrays.pop("W")
    circle = [node("Identity", ["V"], "W"), node("Identity", ["W"], "V"), lstm()]
    with pytest.raises(CorruptFileError, match="in a circle at the value"):
        lstm_ref.load(saved(tmp_path / "m.onnx", model(circle, arrays)))
