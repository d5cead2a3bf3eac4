"""A candidate in a process of its own: what it does there, to the interpreter or to the process, stays there."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from conformance.case import Case
from conformance.cases.flat import arrays_of, layers_of
from conformance.errors import CandidateError
from conformance.implementations import BUILT_IN, FORWARD_ONLY, ONNX_FILE
from conformance.trial.call import SECONDS, Caller, Outcome, within
from conformance.trial.wire import receive, send

ENDS = 10
"""After so many calls that ended its process, a candidate is not called any more."""
ENDED_BY = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that would end this process and leave the candidate's behind; an interrupt is an exception already."""
PROGRAM = """
import json, sys
sys.path[:], spec, memory = json.loads(sys.argv[1])
from conformance.trial.serve import main
main(spec, memory)
"""


class Worker(Caller):
    """Calls a candidate in a process of its own, which is ended when a call hangs, and begun again for the next one.

    It is to be entered with ``with``.

    Parameters
    ----------
    spec : str
        As the user named it.
    seconds : float
        How long one call may take: computing time.
    memory : float, optional
        How many GiB the process may have.
    traceback : bool
        Whether a crash is to leave a traceback in what is printed.

    Attributes
    ----------
    needs_conformance : bool
        Whether the candidate's module imports this package.
    printed : str
        What the candidate printed, once this has been left.

    Raises
    ------
    CandidateError
        When it is entered, if there is no such candidate, or it cannot be imported.
    """

    def __init__(
        self, spec: str, seconds: float = SECONDS, memory: float | None = None, traceback: bool = False
    ) -> None:
        super().__init__(
            seconds, frozenset(), built_in=spec if spec in BUILT_IN | FORWARD_ONLY or spec.startswith(ONNX_FILE) else ""
        )
        self.spec, self.memory, self.traceback = spec, memory, traceback
        self.ends, self.printed = 0, ""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as this does
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Worker:
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            endings = [number for number in ENDED_BY if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores one
            self._handlers = {number: signal.signal(number, _leave) for number in endings}
        try:
            self._begin()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close(kill=error is not None)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._output.seek(0)
        self.printed = self._output.read().decode(errors="replace")
        self._output.close()

    def close(self, kill: bool = False) -> None:
        """End the process: by asking it, and if that does not help, or need not, without."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        if not kill:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]  # it is a pipe

    def _begin(self) -> None:
        program = [sys.executable, "-P", "-u", *(["-X", "faulthandler"] if self.traceback else []), "-c", PROGRAM]
        self._process = subprocess.Popen(
            [*program, json.dumps([sys.path, self.spec, self.memory])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._output, start_new_session=True,
        )  # fmt: skip
        try:
            header, _ = receive(self._process.stdout)  # type: ignore[arg-type]  # it is a pipe
        except EOFError:
            raise CandidateError(f"{self.spec} {self._ended()} while it was imported.") from None
        except BaseException:
            self.close(kill=True)
            raise
        if "refused" in header:
            self.close()
            raise CandidateError(header["refused"])
        self.without, self.features = frozenset(header["without"]), frozenset(header["features"])
        self.trains = frozenset(header["trains"])
        self.needs_conformance = bool(header["needs_conformance"])

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        asked = {"id": case.id, "dtype": case.dtype.str, "layers": layers_of(case)}
        return self._answer(asked, arrays_of(case), seconds)

    def _training(self, task: str, dtype: str, updates: int, seconds: float) -> Outcome:
        return self._answer({"train": task, "dtype": dtype, "updates": updates}, {}, seconds)

    def _answer(self, asked: dict[str, Any], arrays: dict[str, Any], seconds: float) -> Outcome:
        if self.ends >= ENDS:
            return Outcome(not_judged=f"was not called any more after it had ended its process {self.ends} times")
        if self._process is None:
            self._begin()
        number = self.calls
        try:
            answer = self._ask({"call": number, **asked}, arrays, seconds)
            if answer is not None and answer[0].get("call") != number:
                raise ValueError("an answer to another call")
        except (EOFError, OSError):
            self.ends += 1
            return Outcome(failure=self._ended())
        except ValueError:
            self.ends += 1
            self.close(kill=True)
            return Outcome(failure="wrote into the pipe of its answers, or answered twice")
        except BaseException:
            self.close(kill=True)
            raise
        if answer is None:
            self.close(kill=True)
            return self._ran_out()
        header, result = answer
        told = {name: header[name] for name in ("failure", "trace", "returned")}
        told |= {name: tuple(header[name]) for name in ("warned", "unknown", "mutated")}
        odd = {name: type(kind, (), {})() for name, kind in header["odd"].items()}
        return Outcome({**result, **odd}, now=lambda: self._look(number), **told)

    def _ask(
        self, header: dict[str, Any], arrays: dict[str, Any], seconds: float
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        replies = process.stdout
        send(process.stdin, header, arrays)

        def wait(most: float) -> bool:
            ready = bool(select.select([replies], [], [], most)[0])
            if not ready and process.poll() is not None:  # a process that it left behind keeps the pipe open
                raise EOFError
            return ready

        return receive(replies) if within(seconds, wait, _clock(process.pid)) else None

    def _look(self, number: int) -> dict[str, Any]:
        answer = None
        with suppress(EOFError, OSError):
            answer = self._ask({"look": number}, {}, self.seconds)
        return {} if answer is None else answer[1]

    def _ended(self) -> str:
        """How the process has ended, in words."""
        process = self._process
        assert process is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        code = process.poll()
        self.close(kill=True)
        if code is None:
            return "closed the pipe to its process"
        if code >= 0:
            return f"ended the interpreter (exit status {code})"
        return f"crashed the interpreter ({signal.strsignal(-code) or -code})"


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _clock(process: int) -> Callable[[], float]:
    """The computing time of a process's first thread, which makes the calls; time on the clock where that is not told."""

    def used() -> float:
        try:
            return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError):
            return time.monotonic()

    return used
