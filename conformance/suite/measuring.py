"""What `lstm_ref.inspect` and `lstm_ref.load` of a file take, measured in a process of its own, and what they may take."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import os, resource, sys, warnings
import lstm_ref
from lstm_ref.errors import LSTMError
import json, zipfile, zlib, subprocess, pickletools, inspect
warnings.simplefilter("ignore")
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
told = []
for function in (lstm_ref.inspect, lstm_ref.load):
    try:
        function(sys.argv[1])
        told.append("read")
    except LSTMError as error:
        told.append(type(error).__name__)
        assert len(str(error)) < 3000, len(str(error))
seconds = sum(os.times()[:4])
own = peak() - before
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([told, own / 1024, child / 1024, seconds]))
"""
STARTING = 3.0
"""Seconds that the three processes take to begin, which are no reading."""


def most_memory(size: int) -> float:
    """MiB that reading a file of so many bytes may take, in the reading process and in its child each."""
    return 64 + 4 * size / 2**20


def most_seconds(size: int) -> float:
    """Seconds of computing that one call may take on a file of so many bytes."""
    return 5 + size / 1e7


@dataclass(frozen=True)
class Reading:
    """What inspecting and loading a file came to.

    Attributes
    ----------
    told : list of str
        Of each of the two calls "read", or the error's name.
    size : int
        The file's, in bytes.
    own, child : float
        MiB of the process beyond what it had before, and of its largest child in all.
    seconds : float
        Of computing, of both calls and all processes.
    """

    told: list[str]
    size: int
    own: float
    child: float
    seconds: float

    @property
    def within_bounds(self) -> bool:
        """Whether the process took no more memory, and both calls no more computing, than they may."""
        return self.own < most_memory(self.size) and self.seconds < STARTING + 2 * most_seconds(self.size)


def measured(path: Path, before: str = "") -> Reading:
    """Inspect a file and load it, in a process that runs `before` first."""
    command = [sys.executable, "-c", f"{before}\n{PROGRAM}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr[-2000:]
    told, own, child, seconds = json.loads(done.stdout)
    return Reading(told, path.stat().st_size, own, child, seconds)
