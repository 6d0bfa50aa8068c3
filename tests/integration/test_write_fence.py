"""The write fence on a real node: one epoch writes, and those before it do not, documents and ledger alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lsh_core.builds.names import closed_alias, ledger_alias, write_alias
from lsh_core.builds.write_fence import WriteFence, allow_writes, fence_writes, read_write_fence
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.system_indices import LEDGER, ensure_system_index
from lsh_core.errors import LoadError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

INDEX, BUILD = "airlsh-gated-b1", "b1"


@pytest.fixture
def cluster(one_node: Any) -> Cluster:
    return Cluster(Connection(tuple(one_node.urls)))


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Elasticsearch]:
    client = cluster.connection.client()
    ensure_system_index(cluster, LEDGER)
    client.indices.create(index=INDEX, aliases={closed_alias(BUILD, 0): {"is_hidden": True}})
    yield client
    client.indices.delete(index=INDEX)


def _write(client: Elasticsearch, epoch: int) -> None:
    client.index(index=write_alias(BUILD, epoch), document={"a": 1}, require_alias=True)
    client.index(index=ledger_alias(BUILD, epoch), id=f"e{epoch}", document={"build": BUILD}, require_alias=True)


def _refused(client: Elasticsearch, epoch: int) -> bool:
    from elasticsearch import NotFoundError

    refused = 0
    for alias in (write_alias(BUILD, epoch), ledger_alias(BUILD, epoch)):
        try:
            client.index(index=alias, id="late", document={"build": BUILD}, require_alias=True)
        except NotFoundError:
            refused += 1
    return refused == 2


def test_only_the_epoch_that_opened_the_fence_writes(cluster: Cluster, client: Elasticsearch) -> None:
    assert read_write_fence(cluster, INDEX, BUILD) == WriteFence(False, 0)
    assert _refused(client, 0)
    allow_writes(cluster, INDEX, BUILD, 3)
    _write(client, 3)
    allow_writes(cluster, INDEX, BUILD, 5)
    _write(client, 5)
    assert _refused(client, 3)
    with pytest.raises(LoadError, match="epoch 5 works"):
        allow_writes(cluster, INDEX, BUILD, 3)
    with pytest.raises(LoadError, match="epoch 5 works"):
        fence_writes(cluster, INDEX, BUILD, 4)
    _write(client, 5)
    fence_writes(cluster, INDEX, BUILD, 6)
    assert _refused(client, 5)
    assert read_write_fence(cluster, INDEX, BUILD) == WriteFence(False, 6)


def test_of_many_at_once_the_highest_epoch_stays(cluster: Cluster, client: Elasticsearch) -> None:
    start = threading.Barrier(8)
    late: list[int] = []

    def move(epoch: int) -> None:
        start.wait()
        try:
            (allow_writes if epoch % 2 else fence_writes)(cluster, INDEX, BUILD, epoch)
        except LoadError:
            late.append(epoch)

    threads = [threading.Thread(target=move, args=(epoch,)) for epoch in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 8 not in late
    assert read_write_fence(cluster, INDEX, BUILD) == WriteFence(False, 8)
    assert list(client.indices.get_alias(index=INDEX)[INDEX]["aliases"]) == [closed_alias(BUILD, 8)]
