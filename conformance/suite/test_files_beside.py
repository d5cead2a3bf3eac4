"""What lies in several files: checkpoints in shards, and models with their numbers beside them, in folders and in caches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import lstm_ref
from conformance.suite.onnx_models import compared, run, some_input
from conformance.suite.test_files_onnx_chains import with_external
from conformance.suite.test_files_torch import H, agrees, module, saved
from lstm_ref.errors import (
    CorruptFileError,
    MissingFileError,
    NoLSTMError,
    UnreadableFileError,
    UnsafeFileError,
)


def shards(folder: Path, suffix: str) -> tuple[torch.nn.LSTM, list[Path], Path]:
    """A checkpoint of three files, cut where it hurts most: a bias and a layer apart."""
    lstm = module(num_layers=2)
    state = lstm.state_dict()
    cuts = [["bias_hh_l0"], [name for name in state if name.endswith("_l1")]]
    cuts.append([name for name in state if name not in cuts[0] + cuts[1]])
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    paths = []
    weight_map: dict[str, str] = {}
    for k, names in enumerate(cuts, 1):
        paths.append(saved({n: state[n].clone() for n in names}, folder / f"{stem}-0000{k}-of-00003{suffix}"))
        weight_map |= dict.fromkeys(names, paths[-1].name)
    index = folder / f"{stem}{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return lstm, paths, index


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_checkpoint_in_shards_is_whole_by_its_index_or_by_any_shard(suffix: str, tmp_path: Path) -> None:
    lstm, paths, index = shards(tmp_path, suffix)
    for path in (*paths, index):
        agrees(lstm_ref.load(path), lstm)
    moved = tmp_path / "moved"
    moved.mkdir()
    alone = shutil.copy(paths[1], moved)
    with pytest.raises(CorruptFileError, match=r"one of 3 files of one checkpoint, and no index"):
        lstm_ref.load(alone)
    shutil.copy(index, moved)
    with pytest.raises(MissingFileError, match=f"{paths[0].name} is missing"):
        lstm_ref.load(alone)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (lambda m: m | {"bias_hh_l0": m["bias_ih_l0"]}, CorruptFileError, "do not agree on what is in it"),
        (lambda m: m | {"bias_hh_l0": "../x.safetensors"}, UnsafeFileError, "no file of its own folder"),
        (lambda m: m | {"bias_hh_l0": "/etc/passwd"}, UnsafeFileError, "no file of its own folder"),
        (lambda m: m | {"bias_hh_l0": "link.safetensors"}, UnsafeFileError, "no file of its own folder"),
        (lambda m: m | {"bias_hh_l0": 3}, CorruptFileError, "no weight_map"),
        (lambda m: {}, NoLSTMError, "holds no LSTM"),
    ],
    ids=["elsewhere", "parent", "absolute", "link", "number", "empty"],
)
def test_an_index_that_leads_astray_is_refused(
    change: Callable[[dict[str, str]], dict[str, Any]], error: type[Exception], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    _, _, index = shards(folder, ".safetensors")
    outside = tmp_path / "x.safetensors"
    save_file({"bias_hh_l0": torch.zeros(4 * H)}, outside)
    (folder / "link.safetensors").symlink_to(outside)
    content = json.loads(index.read_text())
    index.write_text(json.dumps(content | {"weight_map": change(content["weight_map"])}))
    with pytest.raises(error, match=reason):
        lstm_ref.load(index)


def cached(folder: Path, cache: Path, below: str = "") -> Path:
    """The files as huggingface_hub keeps a download: links in a snapshot, to blobs by their hash."""
    repository = cache / "models--me--mine"
    snapshot = repository / "snapshots" / ("0" * 40) / below
    blobs = repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in folder.iterdir():
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("below", ["", "text_encoder"])
def test_a_checkpoint_in_a_hugging_face_cache_is_whole(below: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    lstm, paths, index = shards(folder, suffix)
    snapshot = cached(folder, tmp_path / "hub", below)
    linked = tmp_path / "elsewhere"  # a cache on another disk
    linked.symlink_to(tmp_path / "hub")
    for file in (*paths, index):
        agrees(lstm_ref.load(snapshot / file.name), lstm)
        agrees(lstm_ref.load(linked / snapshot.relative_to(tmp_path / "hub") / file.name), lstm)
    for file in paths:  # by the blob, whose name is no shard's
        agrees(lstm_ref.load((snapshot / file.name).resolve()), lstm)
    blob = (snapshot / paths[0].name).resolve()
    blob.unlink()
    with pytest.raises(MissingFileError, match=f"a link to .*{blob.name} is missing"):
        lstm_ref.load(snapshot / index.name)


def test_a_model_with_its_numbers_beside_it_in_a_cache(tmp_path: Path) -> None:
    made = with_external(tmp_path)
    snapshot = cached(made.parent, tmp_path / "hub", "onnx")
    compared(lstm_ref.load(snapshot / made.name), some_input(), run(made, X=some_input()))
    (snapshot / "numbers.bin").unlink()
    (snapshot / "numbers.bin").symlink_to("numbers.bin")
    with pytest.raises(lstm_ref.errors.UnsupportedError, match="which is no file beside the model"):
        lstm_ref.load(snapshot / made.name)


@pytest.mark.parametrize("kind", ["circle", "pipe", "device", "outside", "other-cache", "other-blobs", "folder"])
def test_a_link_in_a_cache_that_leads_astray_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    _, paths, index = shards(folder, ".safetensors")
    snapshot = cached(folder, tmp_path / "hub")
    shard, blobs = snapshot / paths[0].name, snapshot.parents[1] / "blobs"
    content = shard.resolve()
    shard.unlink()
    other = tmp_path / "hub" / "models--you--yours" / "blobs"
    for more in (other, blobs / "deep"):
        more.mkdir(parents=True)
        shutil.copy(content, more / "x")
    os.mkfifo(blobs / "pipe")
    target = {
        "circle": shard,
        "pipe": blobs / "pipe",
        "device": Path("/dev/zero"),
        "outside": paths[0],
        "other-cache": other / "x",
        "other-blobs": blobs / "deep" / "x",
        "folder": blobs / "deep",
    }[kind]
    shard.symlink_to(target)
    error = {"circle": MissingFileError, "pipe": UnreadableFileError, "folder": UnreadableFileError}
    with pytest.raises(error.get(kind, UnsafeFileError), match=r"[Pp]ut the file itself there|no regular file"):
        lstm_ref.load(snapshot / index.name)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "sub/../x", "nul\0", "\ud800", "line\n", "x" * 300])
def test_an_index_of_names_that_are_none_is_refused(name: str, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises((UnsafeFileError, MissingFileError, UnreadableFileError)) as caught:
        lstm_ref.load(index)
    assert str(index) in str(caught.value) or str(tmp_path) in str(caught.value)
    assert str(caught.value).isprintable()
