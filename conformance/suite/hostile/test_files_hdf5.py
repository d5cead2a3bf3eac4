"""HDF5 files in which something has two names, no numbers, or is gone: nothing of a layer is passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

import lstm_ref
from conformance.cases.draw import Draw
from conformance.suite.hostile.test_files_attacks import lstm
from conformance.suite.test_files_keras import L, model_of
from lstm_ref.errors import AssumedWarning, CorruptFileError, UnsafeFileError
from lstm_ref.formats import contents

FOLDER = "layers/lstm/cell/vars"


def second_layer(file: h5py.File) -> None:
    """A layer that has the other one's weights."""
    file.create_group("layers/lstm_1")
    file["layers/lstm_1/cell"] = file["layers/lstm/cell"]


def second_bias(file: h5py.File) -> None:
    file.create_group("layers/bias")
    file[FOLDER].move("2", "/layers/bias/0")
    file[f"{FOLDER}/2"] = file["layers/bias/0"]


def no_numbers(file: h5py.File) -> None:
    del file[f"{FOLDER}/2"]
    file[f"{FOLDER}/2"] = h5py.Empty("f4")


def a_type(file: h5py.File) -> None:
    del file[f"{FOLDER}/2"]
    file[f"{FOLDER}/2"] = np.dtype("f4")


def itself(file: h5py.File) -> None:
    file[f"{FOLDER}/all"] = file["/"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (second_layer, "one of several names"),
        (second_bias, "one of several names"),
        (itself, "one of several names"),
        (no_numbers, "neither a group nor numbers"),
        (a_type, "neither a group nor numbers"),
    ],
)
def test_what_is_no_tensor_of_one_name_is_refused(
    change: Callable[[h5py.File], None], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.weights.h5"
    model_of(L.LSTM(4)).save_weights(path)
    with h5py.File(path, "r+") as file:
        change(file)
    for function in (lstm_ref.inspect, lstm_ref.load):
        with pytest.raises(UnsafeFileError, match=why):
            function(path)


@pytest.mark.parametrize(
    ("library", "whole"), [(tf_keras, True), (tf_keras, False), (keras, True)], ids=["whole-2", "weights-2", "whole-3"]
)  # Keras 3 saves no weights alone in the older form
@pytest.mark.parametrize("role", ["bias", "kernel", "recurrent_kernel"])
def test_a_weight_that_an_older_file_lists_has_to_be_there(
    library: Any, role: str, whole: bool, tmp_path: Path
) -> None:
    layers = library.layers
    model = library.Sequential([layers.Input((None, 3)), layers.LSTM(4, name="a"), layers.Dense(2)])
    path = tmp_path / "m.h5"
    model.save(path) if whole else model.save_weights(path)
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if name.rpartition("/")[2].partition(":")[0] == role else None)
        (name,) = (name for name in found if "lstm_cell" in name)
        del file[name]
    with pytest.raises(CorruptFileError, match=f"lists the weight '.*{role}.* and does not hold it"):
        lstm_ref.load(path)


def test_numbers_of_a_layer_that_cannot_be_read_keep_no_other_layer_from_being_loaded(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        lstm(file.create_group("layers/lstm/cell/vars"))
        lstm(file.create_group("layers/lstm_1/cell/vars"), 3, 2)
        del file["layers/lstm_1/cell/vars/2"]
        elsewhere = [(tmp_path / "secret", 0, h5py.h5f.UNLIMITED)]
        file["layers/lstm_1/cell/vars"].create_dataset("2", (8,), "f4", external=elsewhere)
    first, second = (info.name for info in lstm_ref.inspect(path))
    with pytest.warns(AssumedWarning):
        assert lstm_ref.load(path, first).params.hidden_size == 3
    with pytest.raises(UnsafeFileError, match="lie in another file"), pytest.warns(AssumedWarning):
        lstm_ref.load(path, second)


@pytest.mark.parametrize(("layers", "units"), [(1, 3), (1, 600), (40, 3)], ids=["few", "large", "many"])
def test_numbers_that_come_with_the_list_and_those_that_are_asked_for_are_the_files(
    layers: int, units: int, tmp_path: Path
) -> None:
    path, shapes = tmp_path / "m.weights.h5", ((2, 4 * units), (units, 4 * units), (4 * units,))
    with h5py.File(path, "w") as file:
        for k in range(layers):
            for n, shape in enumerate(shapes):
                file[f"layers/lstm_{k}/cell/vars/{n}"] = Draw(f"{k} {n}").uniform(1.0, *shape).astype(np.float32)
    tensors = contents(path).tensors
    assert len(tensors) == 3 * layers
    with h5py.File(path) as file:
        for name in [*tensors][:3] + [*tensors][-3:]:  # a process for each layer
            np.testing.assert_array_equal(tensors[name].read(), file[name][()])
