"""The program that a pair runs in: ``python -m conformance.bench.child COMPETITOR THREADS``.

It reads jobs from standard input and answers each on standard output, one JSON object a line. Its environment
makes the libraries start so many threads; they read it while they are imported.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO


def main(name: str, threads: int, jobs: TextIO, answers: TextIO) -> None:
    """Do jobs until there are no more."""
    import numpy as np

    numpy_threads = _threads()  # nothing else has started any yet
    from conformance.bench.competitors import COMPETITORS
    from conformance.bench.record import Job
    from conformance.bench.timing import measure
    from conformance.errors import OracleError
    from lstm_ref.errors import UnsupportedError

    def answer(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    prepare = COMPETITORS[name].prepare()
    answer(numpy_threads=numpy_threads)
    for line in jobs:
        given = json.loads(line)
        job = Job(**given | {"sizes": tuple(given["sizes"]), "network": tuple(given["network"])})
        try:
            with np.errstate(all="ignore"):
                found = measure(job, prepare, threads)
        except (OracleError, UnsupportedError) as error:
            answer(reason=str(error))
        else:
            answer(measured=asdict(found))


def _threads() -> int | None:
    """How many threads this process has, where the system says so."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


if __name__ == "__main__":
    protocol = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    main(sys.argv[1], int(sys.argv[2]), sys.stdin, protocol)
