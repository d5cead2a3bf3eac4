"""Where the blocks of a sweep are computed: in this process, or in one for each core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from types import TracebackType
from typing import Protocol

from conformance.errors import SweepError
from conformance.implementations.threads import one_thread
from conformance.sweep.block import run_block
from conformance.sweep.plan import Plan, Tally

AHEAD = 2
"""So many blocks wait for each process."""
BREAKS = 3
"""So often in a row, without a finished block between, processes may be killed."""


class Executor(Protocol):
    """Computes blocks, in whatever order they are finished; a context manager."""

    def __enter__(self) -> Executor:
        """Have everything that it takes."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Let go of it."""
        ...

    def run(self, plan: Plan, blocks: Iterable[int], stop: int) -> Iterator[tuple[int, Tally]]:
        """Blocks and what came of them; each once."""
        ...


class Processes:
    """Processes with one thread each.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Processes:
        with one_thread():
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=_begin)
            for future in [self._pool.submit(os.getpid) for _ in range(self.count)]:
                future.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, plan: Plan, blocks: Iterable[int], stop: int) -> Iterator[tuple[int, Tally]]:
        """Blocks and what came of them. A process that is killed costs what it was at, which is computed again."""
        todo, taken = iter(blocks), dict[int, None]()
        waiting: dict[Future[Tally], int] = {}
        breaks = 0
        while True:
            taken |= dict.fromkeys(islice(todo, AHEAD * self.count - len(taken)))
            if not taken:
                return
            try:
                for block in taken.keys() - waiting.values():
                    waiting[self._pool.submit(run_block, plan, block, stop)] = block
                done = [(future, future.result()) for future in wait(waiting, return_when=FIRST_COMPLETED).done]
            except BrokenProcessPool:
                breaks += 1
                if breaks > BREAKS:
                    raise SweepError(
                        f"processes of the sweep were killed {breaks} times in a row; is memory short?"
                    ) from None
                waiting.clear()
                self.__exit__(None, None, None)
                self.__enter__()
                continue
            breaks = 0
            for future, tally in done:
                block = waiting.pop(future)
                del taken[block]
                yield block, tally


def _begin() -> None:
    """In each process: an interrupt is for the one that began it, and when that has ended, so does this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
