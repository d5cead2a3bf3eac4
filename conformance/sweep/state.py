"""The file in which a sweep is written down block by block, so that it can be taken up again.

It has a line of JSON for what the sweep is, and one for each finished block and each finding. A line is written in one step and is
on the disk before the next block counts; of a line that was cut off, as when the machine went down, nothing is taken.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from conformance.errors import SweepError
from conformance.sweep.plan import BLOCK, Plan, Tally

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]  # then nobody is kept from two sweeps with one file


@dataclass(frozen=True)
class Look:
    """What came of looking into a kind of what disagrees.

    Attributes
    ----------
    small : str
        Of which kind the case is that was made small.
    said : str
        What was said of it; empty if another one of that kind was shown already.
    """

    small: str
    said: str


class State:
    """What is known of a sweep, in a file if there is one; a context manager.

    Parameters
    ----------
    path : Path or None
    plan : Plan
    cases : int
        How many there are to be; more or fewer than the last time, if that is wanted.

    Attributes
    ----------
    tallies : dict of int to Tally
        Of the blocks that are finished.
    looked_into : dict of str to Look
        The kinds of what disagrees that were looked into.

    Raises
    ------
    SweepError
        When it is entered, if the file is of another sweep, or at work in another process, or no such file.
    """

    def __init__(self, path: Path | None, plan: Plan, cases: int) -> None:
        self.path, self.plan, self.cases = path, plan, cases
        self.tallies: dict[int, Tally] = {}
        self.looked_into: dict[str, Look] = {}
        self._file: int | None = None

    def __enter__(self) -> State:
        if self.path is None:
            return self
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._take_up(self.path)
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)

    def finished(self, block: int, tally: Tally) -> None:
        """Write a block down."""
        self.tallies[block] = tally
        self._append({"block": block, "stop": self._stop(block), "tally": tally.told})

    def found(self, kind: str, look: Look) -> None:
        """Write down what came of looking into a kind of what disagrees."""
        self.looked_into[kind] = look
        self._append({"kind": kind, "look": asdict(look)})

    def _stop(self, block: int) -> int:
        return min((block + 1) * BLOCK, self.cases)

    def _take_up(self, path: Path) -> None:
        assert self._file is not None
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SweepError(f"another sweep is at work with {path}; wait for it, or take another file.") from None
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if not content:
            self._append({"sweep": self.plan.told})
            return
        try:
            first, *lines = [json.loads(line) for line in whole.splitlines()]
            begun = first["sweep"]
            for line in lines:
                if "kind" in line:
                    self.looked_into[line["kind"]] = Look(**line["look"])
                elif line["stop"] == self._stop(line["block"]):
                    self.tallies[line["block"]] = Tally.of(line["tally"])
        except (ValueError, KeyError, TypeError):
            raise SweepError(f"{path} is no file of a sweep, or is damaged; take another name.") from None
        if other := [name for name, value in self.plan.told.items() if begun.get(name) != value]:
            raise SweepError(
                f"{path} is of another sweep: its {', '.join(other)} differ{'s' * (len(other) == 1)}. Take another file, or delete it."
            )
        os.ftruncate(self._file, len(whole))

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        data = (json.dumps(line) + "\n").encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
