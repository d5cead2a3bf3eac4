"""lstm_ref and one competitor in a process of their own, which has its number of threads from its beginning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from conformance.bench.record import Job, Measured, Timing
from conformance.implementations.threads import THREADS

PATIENCE = 10.0
"""Seconds for a process to end by itself."""


def environment(threads: int) -> dict[str, str]:
    """The environment of a process with so many threads, on the CPU, that imports this very package."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    fixed = {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    return os.environ | dict.fromkeys(THREADS, str(threads)) | fixed


class Pair:
    """A process that times lstm_ref against one competitor; a context manager.

    Parameters
    ----------
    against : str
        The competitor's name.
    threads : int
    """

    def __init__(self, against: str, threads: int) -> None:
        self.against, self.threads = against, threads
        self.numpy_threads: int | None = None
        self._start()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "conformance.bench.child", self.against, str(self.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(self.threads),
            text=True,
        )
        self.numpy_threads = self._answer().get("numpy_threads")

    def __enter__(self) -> Pair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def time(self, job: Job) -> Timing:
        """Do a job; if that ends the process, say with what words, and have another for the next job."""
        if self._process.poll() is not None:
            self._stop()
            self._start()
        answer = self._ask(job)
        measured = Measured(**answer["measured"]) if "measured" in answer else None
        return Timing(self.against, self.threads, self.numpy_threads, job, measured, answer.get("reason", ""))

    def _ask(self, job: Job) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it said before it ended tells why
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()[-1:] or ["it said nothing"]
        return {"reason": f"its process ended with status {status}: {words[0]}"}

    def _stop(self) -> None:
        try:
            self._process.communicate(timeout=PATIENCE)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.communicate()
        finally:
            self._errors.close()
