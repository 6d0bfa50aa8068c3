"""Index runs over three real nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.elastic.copies import copies_missing
from lsh_core.elastic.system_indices import MAPPINGS, ensure_system_index
from lsh_core.errors import ShardsMissingError
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.chaos.contents import Stamp, assert_holds_source, builds_of, index_behind, read_ledger
from tests.chaos.source_model import SourceModel, make_source
from tests.fakes.parquet_sources import clustered, write_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS = 12_000, 48
GIANT_ROWS = 30_000
"""Enough for 48 chunks: eight for each node and worker."""


@pytest.fixture
def services(three_nodes: ElasticsearchCluster, dask_cluster: DaskCluster) -> Services:
    return Services(Connection(tuple(three_nodes.urls)), dask_cluster.address)


def test_one_giant_row_group_goes_evenly_over_all_nodes(services: Services, tmp_path: Path) -> None:
    vectors = clustered(GIANT_ROWS, DIMS)
    source = write_source(tmp_path / "giant.parquet", [f"row-{row}" for row in range(GIANT_ROWS)], vectors)
    train(TrainSettings(name="giant", source=source, metric="l2"), services)

    report = run_index(IndexSettings(name="giant", source=source, shards=3), services)

    chunks = [node.chunks for node in report.nodes]
    assert sum(chunks) >= 8 * 3 * 2
    assert max(chunks) - min(chunks) <= 1
    assert all(node.requests > 0 for node in report.nodes)
    assert report.rows_read == report.accepted == report.documents == GIANT_ROWS
    assert report.recall >= 0.95
    answers = VectorIndex("giant", services.connection).search_many(vectors[:50], k=1)
    assert [answer.ids for answer in answers] == [[f"row-{row}"] for row in range(50)]


class Meddler:
    """Does something to the cluster, in a thread of its own, once the newest build has a few chunks in the ledger."""

    def __init__(self, client: Elasticsearch, name: str, action: Callable[[], None], known: int = 0) -> None:
        self._client, self._name, self._action, self._known = client, name, action, known
        self._ended, self.acted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Meddler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def stamps(self) -> dict[str, Stamp]:
        """Return the ledger entries of the newest build, as they are this moment."""
        builds = builds_of(self._client, self._name)
        return read_ledger(self._client, builds[-1]) if len(builds) > self._known else {}

    def wait_for(self, chunks: int) -> bool:
        """Wait until so many chunks are in the ledger; return False where the run ended before."""
        while not self._ended.is_set():
            if len(self.stamps()) >= chunks:
                return True
            self._ended.wait(0.05)
        return False

    def _work(self) -> None:
        if self.wait_for(5):
            self._action()
            self.acted.set()


def prepared(
    services: Services, tmp_path: Path, name: str, looking: int, **options: Any
) -> tuple[IndexSettings, SourceModel]:
    """Train on a new source, and return settings that load it slowly enough for somebody to meddle.

    The cluster is whole when it returns, as seen by node `looking`: the tests make one node fail at a time.
    """
    model = make_source(tmp_path / "source", rows=ROWS, dims=16, seed=len(name), bad=0)
    source = str(tmp_path / "source")
    train(TrainSettings(name=name, source=source, metric="l2", sample=2_000), services)
    for index in MAPPINGS:
        ensure_system_index(services.cluster, index)
    assert copies_missing(services.cluster, ["airlsh-*"], seconds=60) == 0
    slow = {"chunk_rows": 100, "request_bytes": 8192}
    return IndexSettings(name=name, source=source, shards=3, **{**slow, **options}), model


def master_of(services: Services, three_nodes: ElasticsearchCluster) -> int:
    """Return the number of the elected master."""
    name = next(iter(services.connection.client().cat.master(format="json")))["node"]
    return next(number for number, node in enumerate(three_nodes.nodes) if node.settings.name == name)


def assert_exact(client: Elasticsearch, report: IndexReport, model: SourceModel) -> None:
    """The alias leads to exactly the source's rows, read back one by one, and the report says so."""
    assert report.promoted
    index = index_behind(client, report.alias)
    assert index == report.index
    assert_holds_source(client, index, model, seed=0)
    counts = {key: getattr(report, key) for key in ("rows_read", "accepted", "repeated", "dead_lettered", "documents")}
    winners = len(model.winners)
    assert counts == {
        "rows_read": ROWS,
        "accepted": winners,
        "repeated": model.repeated,
        "dead_lettered": 0,
        "documents": winners,
    }


def test_a_run_completes_when_the_master_dies_in_the_middle(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path
) -> None:
    victim = master_of(services, three_nodes)
    looking = (victim + 1) % 3
    settings, model = prepared(services, tmp_path, "dying", looking, replicas=1)
    client = services.connection.client(looking)
    try:
        with Meddler(client, settings.name, lambda: three_nodes.kill_node(victim)) as meddler:
            report = run_index(settings, services)
    finally:
        if meddler.acted.is_set():
            three_nodes.restart_node(victim)

    assert meddler.acted.is_set()
    stories = {story.node: story for story in report.nodes}
    assert stories[services.connection.urls[victim]].unreachable > 0
    assert_exact(client, report, model)


def test_without_replicas_a_node_that_is_gone_fails_the_run_and_one_that_is_back_completes_it(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path
) -> None:
    victim = (master_of(services, three_nodes) + 1) % 3
    looking = (victim + 1) % 3
    settings, model = prepared(services, tmp_path, "gone", looking, replicas=1)
    client = services.connection.client(looking)
    old = run_index(settings, services)
    assert copies_missing(services.cluster, [old.index], seconds=60) == 0
    settings = settings.model_copy(update={"replicas": 0, "node_wait_seconds": 5})
    try:
        with (
            Meddler(client, "gone", lambda: three_nodes.kill_node(victim), known=1) as meddler,
            pytest.raises(ShardsMissingError, match=r"shard \d of 3") as raised,
        ):
            run_index(settings, services, "gone-1")
        assert raised.value.silent_nodes == (services.connection.urls[victim],)
        assert "NODE_LEFT" in raised.value.shards[0]
        assert raised.value.waited_seconds == 5
        assert any("such as ids" in note for note in raised.value.__notes__)
        assert index_behind(client, "gone") == old.index
        assert_holds_source(client, "gone", model, seed=1)  # Served whole, by the nodes that are left.
        asked = VectorIndex("gone", Connection((services.connection.urls[looking],)))
        identity, row = next(iter(model.winners.items()))
        assert asked.search(model.vectors[row], k=1).ids == [identity]
        before = meddler.stamps()
    finally:
        if meddler.acted.is_set():
            three_nodes.restart_node(victim)

    report = run_index(settings, services, "gone-1")

    assert len(before) >= 5
    assert {chunk: stamp for chunk, stamp in meddler.stamps().items() if chunk in before} == before
    assert report.skipped == sum(stamp.rows for stamp in before.values())
    assert_exact(client, report, model)


def test_no_other_node_waits_for_one_that_hangs(
    services: Services, three_nodes: ElasticsearchCluster, tmp_path: Path
) -> None:
    """The node that hangs holds no shards here: a write to a shard of a node that hangs hangs at every node."""
    hung = (master_of(services, three_nodes) + 1) % 3
    looking = (hung + 1) % 3
    settings, model = prepared(services, tmp_path, "hanging", looking, replicas=0)
    client = services.connection.client(looking)
    shards_elsewhere = "cluster.routing.allocation.exclude._name"
    client.cluster.put_settings(persistent={shards_elsewhere: three_nodes.nodes[hung].settings.name})
    client.cluster.health(wait_for_no_relocating_shards=True, timeout="60s")
    done: dict[str, set[str]] = {}

    def hang() -> None:
        three_nodes.suspend_node(hung)
        try:
            done["before"] = set(meddler.stamps())
            meddler.wait_for(len(done["before"]) + 15)
            done["meanwhile"] = set(meddler.stamps()) - done["before"]
        finally:
            three_nodes.resume_node(hung)

    try:
        with Meddler(client, settings.name, hang) as meddler:
            report = run_index(settings, services)
    finally:
        client.cluster.put_settings(persistent={shards_elsewhere: None})

    assert len(done["meanwhile"]) >= 15  # Recorded while the node stood still.
    assert_exact(client, report, model)
