"""Deletes the data of a deleted build outside its index, and expired dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import DEAD_LETTERS, LEDGER, QUERIES
from lsh_core.errors import LoadError

_PAGE = 2000


def purge_build(cluster: Cluster, build: str) -> None:
    """Delete the ledger entries, the queries and the dead letters of `build`.

    The deletion uses search and bulk, because some distributions lack delete-by-query.
    """
    for index in (LEDGER, QUERIES, DEAD_LETTERS):
        _delete(cluster, index, {"term": {"build": build}}, f"purge of build {build}")


def purge_expired_dead_letters(cluster: Cluster) -> int:
    """Delete the expired dead letters of all builds; return their number."""
    return _delete(cluster, DEAD_LETTERS, {"range": {"expires_at": {"lt": "now"}}}, "purge of expired dead letters")


def _delete(cluster: Cluster, index: str, query: dict[str, Any], why: str) -> int:
    cluster.run(lambda client: client.indices.refresh(index=index))
    deleted = 0

    def delete(ids: Sequence[str]) -> Any:
        operations: list[dict[str, Any]] = [{"delete": {"_id": id}} for id in ids]
        return cluster.run(lambda client: client.bulk(index=index, operations=operations, refresh=True))

    while hits := cluster.search(index, query=query, source=False, size=_PAGE)["hits"]["hits"]:
        answer = delete([hit["_id"] for hit in hits])
        # Another caller may have deleted the document already.
        if any(item["delete"]["status"] not in (200, 404) for item in answer["items"]):
            raise LoadError(index, why, "some documents could not be deleted")
        deleted += len(hits)
    return deleted
