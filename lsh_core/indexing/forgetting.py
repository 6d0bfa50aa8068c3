"""Deletes what is kept about a build outside its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsh_core.elastic.cluster import search
from lsh_core.elastic.system_indices import DEAD_LETTERS, LEDGER
from lsh_core.errors import LoadError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PAGE = 2000


def forget_build(client: Elasticsearch, build: str) -> None:
    """Delete the ledger entries and the dead letters of `build`.

    By search and bulk: not every distribution has delete-by-query.
    """
    for index in (LEDGER, DEAD_LETTERS):
        client.indices.refresh(index=index)
        while ids := _ids(client, index, build):
            operations: list[dict[str, Any]] = [{"delete": {"_id": identity}} for identity in ids]
            answer = client.bulk(index=index, operations=operations, refresh=True)
            if answer["errors"]:
                raise LoadError(index, f"forgetting build {build}", "some documents could not be deleted")


def _ids(client: Elasticsearch, index: str, build: str) -> list[str]:
    hits = search(client, index, query={"term": {"build": build}}, source=False, size=_PAGE)["hits"]["hits"]
    return [hit["_id"] for hit in hits]
