"""Deletes the data of a deleted build outside its index, and expired dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsh_core.elastic.cluster import search
from lsh_core.elastic.system_indices import DEAD_LETTERS, LEDGER, QUERIES
from lsh_core.errors import LoadError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PAGE = 2000


def purge_build(client: Elasticsearch, build: str) -> None:
    """Delete the ledger entries, the queries and the dead letters of `build`.

    The deletion uses search and bulk, because some distributions lack delete-by-query.
    """
    for index in (LEDGER, QUERIES, DEAD_LETTERS):
        _delete(client, index, {"term": {"build": build}}, f"forgetting build {build}")


def purge_expired_dead_letters(client: Elasticsearch) -> int:
    """Delete the expired dead letters of all builds; return their number."""
    return _delete(client, DEAD_LETTERS, {"range": {"expires_at": {"lt": "now"}}}, "forgetting expired dead letters")


def _delete(client: Elasticsearch, index: str, query: dict[str, Any], why: str) -> int:
    client.indices.refresh(index=index)
    deleted = 0
    while hits := search(client, index, query=query, source=False, size=_PAGE)["hits"]["hits"]:
        operations: list[dict[str, Any]] = [{"delete": {"_id": hit["_id"]}} for hit in hits]
        answer = client.bulk(index=index, operations=operations, refresh=True)
        # Another caller may have deleted the document already.
        if any(item["delete"]["status"] not in (200, 404) for item in answer["items"]):
            raise LoadError(index, why, "some documents could not be deleted")
        deleted += len(hits)
    return deleted
