"""A sweep on a Dask cluster of two workers, one of which is killed midway."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")

from conformance.errors import SweepError  # noqa: E402  # behind what may not be installed
from conformance.sweep.cluster import Cluster  # noqa: E402
from conformance.sweep.tests.candidates import FLAG  # noqa: E402
from conformance.sweep.tests.test_run import CASES, swept  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning:(distributed|tornado|dask).*"
)


def test_a_worker_that_is_killed_costs_nothing_and_nothing_counts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        before = {worker["id"] for worker in cluster.scheduler_info["workers"].values()}
        pids = set(cluster_pids(cluster))
        computed, tally, said = swept("killer", tmp_path, Cluster(cluster.scheduler_address))
        assert len(before) == 2
        assert len(pids & set(cluster_pids(cluster))) == 1
    assert FLAG.exists()
    assert computed == tally.cases == CASES
    assert (tally, said) == swept("killer", tmp_path)[1:]


def cluster_pids(cluster: object) -> list[int]:
    import os

    with distributed.Client(cluster, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_where_nobody_answers_that_is_said() -> None:
    with (
        pytest.raises(SweepError, match="no Dask scheduler answers"),
        Cluster("tcp://127.0.0.1:9"),
    ):
        pass
