"""A program and its three pipes: lines in, lines out, and the end of what it says on standard error."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress

from conformance.trial.processes import end, has_ended, how_it_ended, limit_memory

CHUNK = 1 << 16
LONGEST = 1 << 28
"""A line of more bytes is no answer."""
HEARD = 1 << 16
"""So many bytes of standard error are kept, the last ones."""
AT_ONCE = 64
"""So many chunks of it are read at once: who says more without end is ended when its time is over."""


class TooLongError(ValueError):
    """A line that is longer than `LONGEST`."""


class Pipes:
    """A running program. Reading and writing go on at once, so that neither side waits for a pipe that is full.

    Parameters
    ----------
    words : sequence of str
        The program and its arguments; no shell sees them.
    memory : float, optional
        How many GiB it may have.

    Attributes
    ----------
    process : subprocess.Popen
        In a session and a group of its own; it is killed when nobody holds this any more.
    said : int
        How many bytes it has written to standard error.

    Raises
    ------
    OSError
        If it cannot be started.
    """

    def __init__(self, words: Sequence[str], memory: float | None = None) -> None:
        limit = None if memory is None else lambda: limit_memory(memory)
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=limit,
            bufsize=0,
        )
        self._end = weakref.finalize(self, _abandoned, self.process)
        self.said, self._heard = 0, b""
        self._unsent, self._unread, self._looked = memoryview(b""), bytearray(), 0
        self._closed = self._ended = False
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._in, self._out, self._err = stdin, stdout, stderr
        self._selector = selectors.DefaultSelector()
        for pipe in (stdin, stdout, stderr):
            os.set_blocking(pipe.fileno(), False)
        for pipe in (stdout, stderr):
            self._selector.register(pipe, selectors.EVENT_READ)

    def send(self, line: bytes) -> None:
        """Have a line written, while `waited` waits."""
        if not self._unsent:
            self._selector.register(self._in, selectors.EVENT_WRITE)
        self._unsent = memoryview(bytes(self._unsent) + line)

    def waited(self, most: float) -> bool:
        """Write what is unsent and read what comes, for at most so many seconds; whether there is a whole line.

        Raises
        ------
        EOFError
            If it has ended, or closed its standard output.
        TooLongError
        """
        until = time.monotonic() + most
        while not self._has_line():
            left = until - time.monotonic()
            came = self._transfer(max(left, 0))
            if self._closed or (not came and has_ended(self.process)):  # what it left behind may keep the pipe open
                raise EOFError
            if left <= 0:
                return False
        return True

    def line(self) -> bytes:
        """The next line, of which `waited` said that it is there, without its end."""
        line, _, self._unread = self._unread.partition(b"\n")
        self._looked = 0
        return bytes(line)

    @property
    def more(self) -> bytes:
        """What has been written behind the last line that was taken."""
        self._transfer(0)
        return bytes(self._unread)

    def heard(self, since: int = 0) -> str:
        """The end of what it has said on standard error since it had said so many bytes."""
        self._hear()
        new = self.said - since
        return self._heard[-new:].decode(errors="replace") if new > 0 else ""

    def ended(self) -> str:
        """How it has ended, in words; it is ended if it has not, and can be heard for a last time."""
        told = how_it_ended(self.process)
        self._over()
        return told

    def close(self, kill: bool = False) -> None:
        """End it, as `conformance.trial.processes.end` does, while what it says is heard."""
        if self._ended:
            return
        with suppress(OSError):
            self._in.close()
        until = time.monotonic() + (0.0 if kill else 1.0)
        while not has_ended(self.process) and time.monotonic() < until:
            self._transfer(0.01)
        end(self.process, kill=True)
        self._over()

    def _over(self) -> None:
        self._hear()
        self._end.detach()
        self._selector.close()
        self._err.close()
        self._ended = True

    def _has_line(self) -> bool:
        found = self._unread.find(b"\n", self._looked)
        self._looked = len(self._unread) if found < 0 else found
        if found < 0 and len(self._unread) > LONGEST:
            raise TooLongError
        return found >= 0

    def _transfer(self, most: float) -> bool:
        """Wait until something can be read or written, and do so; whether there was anything."""
        ready = [key.fileobj for key, _ in self._selector.select(most)]
        if self._err in ready and not self._hear():
            self._selector.unregister(self._err)
        if self._in in ready:
            self._write()
        if self._out in ready:
            chunk = os.read(self._out.fileno(), CHUNK)
            self._unread += chunk
            if not chunk:
                self._closed = True
                self._selector.unregister(self._out)
        return bool(ready)

    def _hear(self) -> bool:
        """Read what is there of standard error, without waiting for more; whether there may be more one day."""
        if self._ended:
            return False
        with suppress(BlockingIOError):
            for _ in range(AT_ONCE):
                chunk = os.read(self._err.fileno(), CHUNK)
                if not chunk:
                    return False
                self.said += len(chunk)
                self._heard = (self._heard + chunk)[-HEARD:]
        return True

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._in.fileno(), self._unsent[:CHUNK]) :]
        except BrokenPipeError:  # it reads no more: it has ended, or what it writes will tell
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._selector.unregister(self._in)


def _abandoned(process: subprocess.Popen[bytes]) -> None:
    end(process, kill=True)
    process.stderr.close()  # type: ignore[union-attr]  # it is a pipe
