"""Reads all documents that match a query, in pages, from one point in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.whole_answers import require_all_shards
from lsh_core.errors import AirlshError

_KEEP_ALIVE = "5m"

Hit = dict[str, Any]


def scan(
    cluster: Cluster,
    index: str,
    query: Mapping[str, Any],
    *,
    page: int,
    docvalue_fields: Sequence[Mapping[str, str]] = (),
) -> Iterator[list[Hit]]:
    """Yield the hits of `query` in pages of `page` hits, in any order.

    Each document is read once. Without a point in time for all pages, a document that is rewritten meanwhile would be
    read twice or not at all.

    Parameters
    ----------
    docvalue_fields
        Fields of each hit beside its id.

    Raises
    ------
    PartialAnswerError
        A shard does not answer.
    """
    opened = cluster.run(lambda client: client.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE))
    view = opened["id"]

    def ask(after: list[Any] | None) -> dict[str, Any]:
        page_after = partial(_page, view=view, query=query, after=after, size=page, fields=docvalue_fields)
        return cluster.run(page_after)

    try:
        with ThreadPoolExecutor(1) as ahead:  # The server prepares the next page while the caller works on this page.
            coming = ahead.submit(ask, None)
            while True:
                answer = coming.result()
                require_all_shards("search", index, answer)
                hits: list[Hit] = answer["hits"]["hits"]
                if not hits:
                    return
                view = answer["pit_id"]
                coming = ahead.submit(ask, hits[-1]["sort"])
                yield hits
    finally:
        # A point in time expires by itself. An error here must not hide how the scan ended.
        with suppress(AirlshError):
            cluster.run(lambda client: client.options(ignore_status=404).close_point_in_time(id=view))


def _page(
    client: Elasticsearch,
    *,
    view: str,
    query: Mapping[str, Any],
    after: list[Any] | None,
    size: int,
    fields: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    answer = client.search(
        pit={"id": view, "keep_alive": _KEEP_ALIVE},
        query=query,
        sort=[{"_shard_doc": "asc"}],
        search_after=after,
        size=size,
        source=False,
        docvalue_fields=fields,
        track_total_hits=False,
    )
    return dict(answer)
