"""A candidate in a process of its own: what it does there, to the interpreter or to the process, stays there."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from conformance.case import Case
from conformance.cases.flat import arrays_of, layers_of
from conformance.errors import CandidateError
from conformance.implementations import BUILT_IN, FORWARD_ONLY, ONNX_FILE
from conformance.trial.call import SECONDS, Caller, Outcome, within
from conformance.trial.processes import ENDS, GIVEN_UP, clock, end, has_ended, how_it_ended, leaving_on_signals
from conformance.trial.wire import receive, send

MOST_PRINTED = 1 << 20
"""So many bytes of what is printed are kept over calls that are forgotten."""
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
        self._signals = ExitStack()

    def __enter__(self) -> Worker:
        self._signals.enter_context(leaving_on_signals())
        try:
            self._begin()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close(kill=error is not None)
        self._signals.close()
        self._output.seek(0)
        self.printed = self._output.read().decode(errors="replace")
        self._output.close()

    def forget(self) -> None:
        """Forget how earlier calls ended, and what was printed, once that is much."""
        super().forget()
        self.ends = 0
        output = self._output.fileno()  # the candidate's process writes where this one's offset is
        if os.lseek(output, 0, os.SEEK_CUR) > MOST_PRINTED:
            os.lseek(output, 0, os.SEEK_SET)
            os.ftruncate(output, 0)

    def close(self, kill: bool = False) -> None:
        """End the process: by asking it, and if that does not help, or need not, without."""
        process, self._process = self._process, None
        if process is not None:
            end(process, kill)

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
        self.trains, self.compiles = frozenset(header["trains"]), bool(header.get("compiles"))
        self.needs_conformance = bool(header["needs_conformance"])

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        asked = {"id": case.id, "dtype": case.dtype.str, "layers": layers_of(case)}
        return self._answer(asked, arrays_of(case), seconds)

    def _training(self, task: str, dtype: str, updates: int, seconds: float) -> Outcome:
        return self._answer({"train": task, "dtype": dtype, "updates": updates}, {}, seconds)

    def _answer(self, asked: dict[str, Any], arrays: dict[str, Any], seconds: float) -> Outcome:
        if self.ends >= ENDS:
            return Outcome(not_judged=GIVEN_UP)
        if self._process is None:
            self._begin()
            self._shapes.clear()  # what was compiled is gone
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
            if not ready and has_ended(process):  # a process that it left behind keeps the pipe open
                raise EOFError
            return ready

        return receive(replies) if within(seconds, wait, clock(process.pid)) else None

    def _look(self, number: int) -> dict[str, Any]:
        answer = None
        with suppress(EOFError, OSError):
            answer = self._ask({"look": number}, {}, self.seconds)
        return {} if answer is None else answer[1]

    def _ended(self) -> str:
        """How the process has ended, in words."""
        process, self._process = self._process, None
        assert process is not None
        return how_it_ended(process, " the interpreter")
