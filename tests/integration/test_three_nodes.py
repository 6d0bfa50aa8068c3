"""Index runs over three real nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import ShardsMissingError
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.integration.made_sources import clustered, write_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS = 30_000, 48
FEW_ROWS = 12_000


@pytest.fixture
def services(three_nodes: ElasticsearchCluster, dask_cluster: DaskCluster) -> Services:
    return Services(Connection(tuple(three_nodes.urls)), dask_cluster.address)


def test_one_giant_row_group_goes_evenly_over_all_nodes(services: Services, tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIMS)
    source = write_source(tmp_path / "giant.parquet", [f"row-{row}" for row in range(ROWS)], vectors)
    train(TrainSettings(name="giant", source=source, metric="l2"), services)

    report = run_index(IndexSettings(name="giant", source=source, shards=3), services)

    chunks = [node["chunks"] for node in report["nodes"]]
    assert sum(chunks) >= 8 * 3 * 2
    assert max(chunks) - min(chunks) <= 1
    assert all(node["requests"] > 0 for node in report["nodes"])
    assert report["rows_read"] == report["accepted"] == report["documents"] == ROWS
    assert report["recall"] >= 0.95
    answers = VectorIndex(services.connection, "giant").search_many(vectors[:50], k=1)
    assert [answer.ids for answer in answers] == [[f"row-{row}"] for row in range(50)]


class Meddler:
    """Does something to the cluster, in a thread of its own, once a build has a few chunks in the ledger."""

    def __init__(self, client: Elasticsearch, source: str, action: Callable[[], None]) -> None:
        self._client, self._source, self._action = client, source, action
        self._ended, self.acted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Meddler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def entries(self) -> list[dict[str, Any]]:
        """Return the ledger entries of the source, as they are this moment."""
        self._client.indices.refresh(index=LEDGER, ignore_unavailable=True)
        hits = self._client.search(
            index=LEDGER,
            query={"prefix": {"source": self._source}},
            source_includes=["chunk", "node", "nodes", "finished_at"],
            size=1000,
            ignore_unavailable=True,
        )["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    def wait_for(self, met: Callable[[list[dict[str, Any]]], bool]) -> bool:
        """Wait until `met` holds for the entries; return False where the run ended before."""
        while not self._ended.is_set():
            if met(self.entries()):
                return True
            self._ended.wait(0.05)
        return False

    def _work(self) -> None:
        if self.wait_for(lambda entries: len(entries) >= 5):
            self._action()
            self.acted.set()


def prepared(services: Services, tmp_path: Path, name: str, rows: int, **options: Any) -> IndexSettings:
    """Train on a new source, and return settings that load it slowly enough for somebody to meddle."""
    source = write_source(tmp_path / "rows.parquet", list(range(rows)), clustered(rows, DIMS))
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    client = services.connection.client(1)
    client.cluster.health(index="airlsh-*", wait_for_status="green", timeout="60s")
    return IndexSettings(name=name, source=source, shards=3, **{"chunk_rows": 200, "request_bytes": 8192, **options})


@pytest.mark.parametrize("node", [0, 2])
def test_a_run_completes_when_a_node_dies_in_the_middle(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path, node: int
) -> None:
    settings = prepared(services, tmp_path, f"dying-{node}", FEW_ROWS, replicas=1)
    client = services.connection.client(1)
    try:
        with Meddler(client, str(tmp_path), lambda: three_nodes.kill_node(node)) as meddler:
            report = run_index(settings, services)
    finally:
        if meddler.acted.is_set():
            three_nodes.restart_node(node)

    assert meddler.acted.is_set()
    stories = {story["node"]: story for story in report["nodes"]}
    assert stories[services.connection.urls[node]]["unreachable"] > 0
    assert report["promoted"]
    assert report["rows_read"] == report["accepted"] == report["documents"] == FEW_ROWS


def test_without_replicas_a_node_that_is_gone_fails_the_run_and_one_that_is_back_completes_it(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path
) -> None:
    settings = prepared(services, tmp_path, "gone", FEW_ROWS, replicas=0, node_wait_seconds=5)
    client = services.connection.client(1)
    try:
        with (
            Meddler(client, str(tmp_path), lambda: three_nodes.kill_node(2)) as meddler,
            pytest.raises(ShardsMissingError, match=r"shard \d of 3") as raised,
        ):
            run_index(settings, services, "gone-1")
        assert raised.value.silent_nodes == (services.connection.urls[2],)
        assert "NODE_LEFT" in raised.value.shards[0]
        assert raised.value.waited_seconds == 5
        before = {entry["chunk"] for entry in meddler.entries()}
    finally:
        if meddler.acted.is_set():
            three_nodes.restart_node(2)

    report = run_index(settings, services, "gone-1")

    assert len(before) >= 5
    assert report["skipped"] >= 200 * len(before)
    assert report["promoted"]
    assert report["rows_read"] == report["accepted"] == report["documents"] == FEW_ROWS


def test_no_other_node_waits_for_one_that_hangs(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path
) -> None:
    """The node that hangs holds no shards here: a write to a shard of a node that hangs hangs at every node."""
    settings = prepared(services, tmp_path, "hanging", FEW_ROWS, replicas=0)
    client = services.connection.client(1)
    master = next(iter(client.cat.master(format="json")))["node"]
    hung = 2 if master != three_nodes.nodes[2].settings.name else 0
    client = services.connection.client(1)
    shards_elsewhere = "cluster.routing.allocation.exclude._name"
    client.cluster.put_settings(persistent={shards_elsewhere: three_nodes.nodes[hung].settings.name})
    client.cluster.health(wait_for_no_relocating_shards=True, timeout="60s")
    done: dict[str, set[int]] = {}

    def hang() -> None:
        three_nodes.suspend_node(hung)
        try:
            done["before"] = {entry["chunk"] for entry in meddler.entries()}
            meddler.wait_for(lambda entries: len(entries) >= len(done["before"]) + 15)
            done["meanwhile"] = {entry["chunk"] for entry in meddler.entries()} - done["before"]
        finally:
            three_nodes.resume_node(hung)

    try:
        with Meddler(client, str(tmp_path), hang) as meddler:
            report = run_index(settings, services)
    finally:
        client.cluster.put_settings(persistent={shards_elsewhere: None})

    assert len(done["meanwhile"]) >= 15  # Recorded while the node stood still.
    assert report["promoted"]
    assert report["rows_read"] == report["accepted"] == report["documents"] == FEW_ROWS
