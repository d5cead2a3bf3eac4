"""The blocks of a sweep on a Dask cluster: ``--scheduler ADDRESS``. The only file that imports it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from uuid import uuid4

from distributed import Client, as_completed
from distributed.scheduler import KilledWorker

from conformance.errors import SweepError
from conformance.sweep.block import run_block
from conformance.sweep.plan import Plan, Tally

AHEAD = 2
"""So many blocks wait for each thread of a worker."""
SECONDS = 10
"""How long to wait for the scheduler."""


class Cluster:
    """A Dask cluster, whose workers have this package, what it needs, and the candidate's file.

    Dask computes a block again whose worker is lost, and gives the block's result once.

    Parameters
    ----------
    address : str
        The scheduler's, as ``tcp://host:8786``.

    Raises
    ------
    SweepError
        When it is entered, if nobody answers there.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def __enter__(self) -> Cluster:
        try:
            self._client = Client(self.address, timeout=SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise SweepError(f"no Dask scheduler answers at {self.address}: {error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._client.close()

    def run(self, plan: Plan, blocks: Iterable[int], stop: int) -> Iterator[tuple[int, Tally]]:
        """Blocks and what came of them, each once, whatever becomes of workers."""
        todo, run = iter(blocks), uuid4().hex
        waiting = {}

        def submit(count: int) -> list[object]:
            new = {
                self._client.submit(run_block, plan, block, stop, key=f"sweep-{run}-{block}", pure=False): block
                for block in islice(todo, count)
            }
            waiting.update(new)
            return list(new)

        self._client.wait_for_workers(1)
        first = submit(AHEAD * max(sum(self._client.nthreads().values()), 1))
        following = as_completed(first, loop=self._client.loop)
        for future in following:
            try:
                tally = future.result()
            except KilledWorker as error:
                raise SweepError(f"a block of the sweep ended every worker that had it: {error}") from error
            yield waiting.pop(future), tally
            following.update(submit(1))
