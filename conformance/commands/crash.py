"""A candidate that takes the whole interpreter with it, as a kernel written in C can, fails where it does so."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from conformance.commands import DOES_NOT, MISUSE

CRASHES = frozenset(
    getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT") if hasattr(signal, name)
)
MOST = 10
"""After so many crashes, a candidate is not called any more."""
END = "end"


class Watch:
    """What one process tells the one that waits for it: the number of each call, before it is made.

    Parameters
    ----------
    write : int
        The pipe to write to.
    crashed : dict
        What earlier processes died of: a call's number to the name of the signal.
    """

    def __init__(self, write: int, crashed: dict[int, str]) -> None:
        from conformance.checks import call

        self.write, self.crashed, self.calls = write, crashed, 0
        call.refusal = self.before

    def before(self) -> str:
        """Why the next call is not to be made; empty if it is."""
        number = self.calls
        self.calls += 1
        if number in self.crashed:
            return f"crashed the interpreter ({self.crashed[number]})"
        if len(self.crashed) >= MOST and number > max(self.crashed):
            return f"was not called any more after it had crashed the interpreter {len(self.crashed)} times"
        os.write(self.write, f"{number}\n".encode())
        return ""

    def end(self) -> None:
        """Everything is done and printed."""
        sys.stdout.flush()
        os.write(self.write, f"{END}\n".encode())


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
    crashed: dict[int, str] = {}
    while True:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            if traceback:
                import faulthandler

                faulthandler.enable()
            return Watch(write, crashed)
        os.close(write)
        number, name = _wait(child, read, candidate)
        crashed[number] = name


def _wait(child: int, read: int, candidate: str) -> tuple[int, str]:
    """The call that a process crashed in and the signal's name; does not return if it ended in another way."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts both, and the other one says so
    terminate = signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    last = ""
    with os.fdopen(read) as notes:
        for line in notes:
            last = line.strip()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)
    if -code not in CRASHES:
        _end_as(code)
    name = signal.strsignal(-code) or str(-code)
    if last in ("", END):
        when = "after the report" if last else "while it was imported"
        print(f"lstm-conformance: {candidate} crashed the interpreter ({name}) {when}.", file=sys.stderr, flush=True)
        _end_as(DOES_NOT if last else MISUSE)
    return int(last), name


def _end_as(code: int) -> NoReturn:
    """End as another process did, which wrote out and cleaned up whatever there was."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
