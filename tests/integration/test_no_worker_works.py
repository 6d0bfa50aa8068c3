"""A cluster on which nobody takes work: an error that says why, not a run that waits for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import UnavailableError
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.dask.worker_liveness import WorkerLiveness, workers_of
from lsh_core.jobs.dask.workers import dask_at
from lsh_core.jobs.features import compute_features
from lsh_core.settings import FeaturesSettings
from tests.integration.test_features import ENCODER

if TYPE_CHECKING:
    from distributed import Client, Worker


@pytest.fixture(scope="module")
def one_worker() -> Iterator[Client]:
    """A worker that may be paused for want of memory, and is not killed for it."""
    import dask
    from distributed import Client, LocalCluster

    kept = {f"distributed.worker.memory.{what}": False for what in ("target", "spill", "terminate")}
    with (
        dask.config.set(kept),
        LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit="4GB", dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def address(one_worker: Client) -> Iterator[str]:
    """The cluster, whose worker takes work again afterwards."""
    yield str(one_worker.scheduler.address)
    allow(one_worker, 4 * 10**9, "running")


def allow(client: Client, memory: int, state: str) -> None:
    """Let the worker use so much memory, and wait until it has noticed."""

    def limit(dask_worker: Worker) -> None:
        dask_worker.memory_manager.memory_limit = memory

    client.run(limit)
    deadline = time.monotonic() + 30
    while [worker.status for worker in workers_of(client)] != [state]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def write_rows(folder: Path) -> FeaturesSettings:
    source = folder / "rows.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["one", "two"]}), source)
    return FeaturesSettings(source=str(source), text="text", encoder=ENCODER, output=str(folder / "out"))


def test_a_run_does_not_begin_on_workers_that_are_paused(
    one_worker: Client, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLSH_DASK_WAIT_SECONDS", "0.5")
    allow(one_worker, 10**6, "paused")
    with pytest.raises(UnavailableError, match=r"no worker accepts tasks: 1 paused: .* not enough memory; restart it"):
        compute_features(write_rows(tmp_path), address, trusted=True)
    assert not list(tmp_path.glob("out/_airlsh/chunks/*"))


def test_a_wait_ends_once_all_workers_stay_paused(
    one_worker: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerLiveness, "PATIENCE_SECONDS", 1.0)
    with dask_at(address) as client:
        allow(one_worker, 10**6, "paused")
        waiting = client.submit(len, "abc", pure=False)
        with pytest.raises(UnavailableError, match="1 paused"):
            list(follow_futures(client, [waiting]))
        assert waiting.status == "pending"
        allow(one_worker, 4 * 10**9, "running")
        assert [task.result() for task in follow_futures(client, [waiting])] == [3]


def test_a_paused_worker_may_end_what_it_has_begun(
    one_worker: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerLiveness, "PATIENCE_SECONDS", 1.0)
    with dask_at(address) as client:
        begun = client.submit(time.sleep, 4, pure=False)
        while not any(worker.executing for worker in workers_of(client)):
            time.sleep(0.05)
        allow(one_worker, 10**6, "paused")
        assert [task.status for task in follow_futures(client, [begun])] == ["finished"]


def test_nobody_offers_what_is_needed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerLiveness, "PATIENCE_SECONDS", 1.0)
    with dask_at(address) as client:
        task = client.submit(len, "abc", resources={"GPU": 1}, pure=False)
        with pytest.raises(UnavailableError, match="there is none with GPU"):
            list(follow_futures(client, [task], resources={"GPU": 1}))
