"""Index runs over three real nodes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.integration.made_sources import clustered, write_source

ROWS, DIMS = 30_000, 48


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


@pytest.mark.parametrize("node", [0, 2])
def test_a_run_completes_when_a_node_dies_in_the_middle(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path, node: int
) -> None:
    name = f"dying-{node}"
    source = write_source(tmp_path / "rows.parquet", list(range(ROWS)), clustered(ROWS, DIMS))
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    settings = IndexSettings(name=name, source=source, shards=3, replicas=1, chunk_rows=300)
    client = services.connection.client(1)
    killed, ended = threading.Event(), threading.Event()

    def kill_one() -> None:
        while not ended.wait(0.1):
            if client.count(index="airlsh-ledger", query={"prefix": {"source": str(tmp_path)}})["count"] >= 5:
                three_nodes.kill_node(node)
                killed.set()
                return

    assassin = threading.Thread(target=kill_one)
    assassin.start()
    try:
        report = run_index(settings, services)
    finally:
        ended.set()
        assassin.join()
        if killed.is_set():
            three_nodes.restart_node(node)

    assert killed.is_set()
    assert sum(story["retried"] for story in report["nodes"]) > 0
    assert report["promoted"]
    assert report["rows_read"] == report["accepted"] == report["documents"] == ROWS
    assert sum(node["rows"] for node in report["nodes"]) >= ROWS
