"""All documents of an index, a page at a time, while others write."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.scan import scan
from lsh_core.errors import RequestRefusedError

INDEX = "scanned"
DOCUMENTS = 50


@pytest.fixture
def connection(one_node: Any) -> Any:
    connection = Connection(tuple(one_node.urls))
    client = connection.client()
    client.indices.create(index=INDEX, settings={"number_of_shards": 3, "number_of_replicas": 0})
    for number in range(DOCUMENTS):
        client.index(index=INDEX, id=str(number), document={"number": number})
    client.indices.refresh(index=INDEX)
    yield connection
    client.indices.delete(index=INDEX)


def open_views(connection: Connection) -> int:
    stats = connection.client().nodes.stats(metric="indices", index_metric="search")
    return sum(int(node["indices"]["search"]["open_contexts"]) for node in stats["nodes"].values())


@pytest.mark.parametrize("page", [1, 7, DOCUMENTS, 200])
def test_each_document_is_seen_once_as_it_was(connection: Connection, page: int) -> None:
    before = open_views(connection)
    seen = []
    pages = scan(Cluster(connection), INDEX, {"match_all": {}}, page=page, docvalue_fields=[{"field": "number"}])
    for number, hits in enumerate(pages):
        assert len(hits) <= page
        seen += [(hit["_id"], hit["fields"]["number"][0]) for hit in hits]
        if number == 0:
            connection.client().index(index=INDEX, id="0", document={"number": -1}, refresh=True)
            connection.client().index(index=INDEX, id="new", document={"number": 99}, refresh=True)
    assert sorted(seen) == sorted((str(number), number) for number in range(DOCUMENTS))
    assert open_views(connection) == before


def test_a_scan_that_is_left_early_closes_its_view(connection: Connection) -> None:
    before = open_views(connection)
    pages = scan(Cluster(connection), INDEX, {"match_all": {}}, page=5)
    assert len(next(pages)) == 5
    assert open_views(connection) > before
    pages.close()  # type: ignore[attr-defined]
    assert open_views(connection) == before


def test_a_page_that_fails_ends_the_scan(connection: Connection) -> None:
    before = open_views(connection)
    with pytest.raises(RequestRefusedError, match="no_such_query"):
        list(scan(Cluster(connection), INDEX, {"no_such_query": {}}, page=5))
    assert open_views(connection) == before
