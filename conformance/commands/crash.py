"""What is left to say when a candidate takes the whole interpreter with it, as a kernel written in C can."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import NoReturn

from conformance.commands import DOES_NOT, MISUSE

CRASHES = frozenset(
    getattr(signal, name) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT") if hasattr(signal, name)
)


def stand_by(candidate: str, traceback: bool) -> None:
    """Go on in a process of its own, while this one waits, ends as that one ends, and tells of a crash.

    Where the system cannot fork, everything goes on in this process.

    Parameters
    ----------
    candidate : str
        As the user named it.
    traceback : bool
        Whether to show where it crashed.
    """
    if not hasattr(os, "fork"):
        return
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        _end_as(child, read, candidate, traceback)
    os.close(read)
    if traceback:
        import faulthandler

        faulthandler.enable()
    from conformance.checks import call

    call.announce = partial(_note, write)


def _note(write: int, id: str) -> None:
    os.write(write, f"{id}\n".encode())


def _end_as(child: int, read: int, candidate: str, traceback: bool) -> NoReturn:
    """Wait for a process that writes which case is next, and end as it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal interrupts both, and the other one says so
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    case = ""
    with os.fdopen(read) as cases:
        for line in cases:
            case = line.strip()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -code in CRASHES:
        name = signal.strsignal(-code)
        code = DOES_NOT if case else MISUSE
        when = f"in case {case}" if case else "while it was imported"
        what = f"{candidate} crashed the interpreter ({name}) {when}: there is no report."
        remedy = "" if traceback else " To see where, run it again with --traceback."
        print(f"lstm-conformance: {what}{remedy}", file=sys.stderr, flush=True)
    elif code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)  # what there was to write out and to clean up, the other process did
