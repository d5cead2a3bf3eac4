"""A candidate that takes the whole interpreter with it, as a kernel written in C can, fails where it does so."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from conformance.errors import DOES_NOT, MISUSE

CRASHES = frozenset(
    getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT") if hasattr(signal, name)
)
MOST = 10
"""After so many crashes, a candidate is not called any more."""
PROCESSES = 2 * MOST
"""After so many processes there is no report: one that crashes at a time of its own, in no call, would go on forever."""
IMPORT, END = -1, -2
"""What is noted instead of a call's number."""


class Watch:
    """What one process tells the one that waits for it: the number of each call, before it is made.

    Parameters
    ----------
    note : memoryview
        Memory that both see: what was begun last, and whether it was interrupted. A pipe would stay open for as
        long as any process that the candidate began.
    crashed : dict
        What earlier processes died of: a call's number to the name of the signal.
    """

    def __init__(self, note: memoryview[int], crashed: dict[int, str]) -> None:
        from conformance.trial import call

        self.note, self.crashed, self.calls, self.parent = note, crashed, 0, os.getppid()
        call.refusal = self.before

    def before(self) -> str:
        """Why the next call is not to be made; empty if it is."""
        if os.getppid() != self.parent:  # nobody waits any more
            raise KeyboardInterrupt
        number = self.calls
        self.calls += 1
        if number in self.crashed:
            return f"crashed the interpreter ({self.crashed[number]})"
        if len(self.crashed) >= MOST and number > max(self.crashed):
            return f"was not called any more after it had crashed the interpreter {len(self.crashed)} times"
        self.note[0] = number
        return ""

    def end(self) -> None:
        """Everything is done and printed."""
        print(end="", flush=True)  # unlike sys.stdout.flush(), also where there is no standard output
        self.note[0] = END


def stand_by(candidate: str, traceback: bool) -> Watch | None:
    """Go on in a process of its own, while this one waits and, after a crash, begins another that leaves out that call.

    Where the system cannot fork, everything goes on in this process.

    Parameters
    ----------
    candidate : str
        As the user named it.
    traceback : bool
        Whether to show where it crashes.
    """
    if not hasattr(os, "fork"):
        return None
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it, as some supervisors do, cannot wait
    note = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
    crashed: dict[int, str] = {}
    processes = 0
    while True:
        processes += 1
        note[0], note[1] = IMPORT, False
        child = os.fork()
        if not child:
            _note_interrupts(note)
            if traceback and sys.stderr is not None:
                import faulthandler

                faulthandler.enable()
            return Watch(note, crashed)
        code = _wait(child, note)
        last = note[0]
        if code == 0 and last != END:
            _end_with(MISUSE, f"{candidate} ended the interpreter before there was a report.")
        if -code not in CRASHES:
            _end_as(code)
        name = signal.strsignal(-code) or str(-code)
        if last == IMPORT:
            _end_with(MISUSE, f"{candidate} crashed the interpreter ({name}) while it was imported.")
        if last == END:
            _end_with(DOES_NOT, f"{candidate} crashed the interpreter ({name}) after the report.")
        if processes == PROCESSES:
            _end_with(MISUSE, f"{candidate} crashed the interpreter {processes} times, whichever calls were left out.")
        crashed[last] = name


def _note_interrupts(note: memoryview[int]) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        note[1] = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)


def _wait(child: int, note: memoryview[int]) -> int:
    """What a process ended with; until then, it gets the signals that are meant to end this one."""

    def forward(number: int, _: object) -> None:
        if number == signal.SIGINT:  # a terminal interrupts both, and a second one would kill it while it ends
            time.sleep(0.1)
            if note[1]:
                return
        with suppress(ProcessLookupError):
            os.kill(child, number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number, handler in before.items():
        signal.signal(number, handler)
    return code


def _end_with(code: int, message: str) -> NoReturn:
    print(f"lstm-conformance: {message}", file=sys.stderr, flush=True)
    os._exit(code)


def _end_as(code: int) -> NoReturn:
    """End as another process did, which wrote out and cleaned up whatever there was."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)  # the first process of a container cannot kill itself
