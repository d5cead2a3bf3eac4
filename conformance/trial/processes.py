"""Processes that candidates run in: how they are ended, how they have ended, and how long they have computed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENDS = 10
"""After so many calls that ended its process, a candidate is not called any more."""
GIVEN_UP = f"was not called any more after it had ended its process {ENDS} times"
ENDED_BY = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that would end this process and leave the candidate's behind; an interrupt is an exception already."""


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """Make an exception of what would end this process at once, so that the candidate's is ended too."""
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        endings = [number for number in ENDED_BY if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores one
        handlers = {number: signal.signal(number, _leave) for number in endings}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def limit_memory(gib: float) -> None:
    """Give this process at most so many GiB."""
    import resource  # Windows has none

    resource.setrlimit(resource.RLIMIT_AS, (int(gib * 2**30),) * 2)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; it is not waited for, so that the number of its group is given to no other yet."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # who has started this ignores the ends of children
        return process.poll() is not None


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process ends within so many seconds, which are waited for."""
    until = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() >= until:
            return False
        time.sleep(0.002)
    return True


def end(process: subprocess.Popen[bytes], kill: bool = False) -> None:
    """End a process that leads a group of its own, and whatever it has left behind in that group.

    Parameters
    ----------
    process : subprocess.Popen
        With pipes of its standard input and output.
    kill : bool
        Whether to do so at once, rather than to close its input and give it a second to end by itself.
    """
    with suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
    if not kill:
        ends_within(process, 1.0)
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):  # macOS forbids it where all have ended
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]  # it is a pipe


def how_it_ended(process: subprocess.Popen[bytes], of: str = "") -> str:
    """How a process that has closed its pipe has ended, in words; it is ended if it has not.

    Parameters
    ----------
    process : subprocess.Popen
    of : str
        What it is to whoever reads that, as " the interpreter".
    """
    by_itself = ends_within(process, 1.0)
    end(process, kill=True)
    code = process.returncode
    if not by_itself:
        return "closed the pipe to its process"
    if code >= 0:
        return f"ended{of} (exit status {code})"
    return f"crashed{of} ({signal.strsignal(-code) or -code})"


def clock(process: int) -> Callable[[], float]:
    """The computing time of a process's first thread, which makes the calls; time on the clock where that is not told."""

    def used() -> float:
        try:
            return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError):
            return time.monotonic()

    return used
