"""Reads all documents that match a query, in pages, from one point in time.

Processes may share a point in time, and read a slice each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.whole_answers import require_all_shards
from lsh_core.errors import AirlshError

_KEEP_ALIVE = "5m"

Hit = dict[str, Any]


@dataclass
class View:
    """Point in time of an index.

    Without it, a document that is rewritten while pages are read would be read twice or not at all.

    Attributes
    ----------
    id
        Id of the point in time; an answer may bring another one.
    """

    index: str
    id: str


@contextmanager
def open_view(cluster: Cluster, index: str) -> Iterator[View]:
    """Open a point in time of `index`, and close it with the block."""
    opened = cluster.run(lambda client: client.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE))
    view = View(index, opened["id"])
    try:
        yield view
    finally:
        # A point in time expires by itself. An error here must not hide how the scan ended.
        with suppress(AirlshError):
            cluster.run(lambda client: client.options(ignore_status=404).close_point_in_time(id=view.id))


def scan(
    cluster: Cluster,
    index: str,
    query: Mapping[str, Any],
    *,
    page: int,
    docvalue_fields: Sequence[Mapping[str, str]] = (),
) -> Iterator[list[Hit]]:
    """Yield the hits of `query` in pages of `page` hits, in any order; see `scan_view`."""
    with open_view(cluster, index) as view:
        yield from scan_view(cluster, view, query, page=page, docvalue_fields=docvalue_fields)


def scan_view(
    cluster: Cluster,
    view: View,
    query: Mapping[str, Any],
    *,
    page: int,
    docvalue_fields: Sequence[Mapping[str, str]] = (),
    part: tuple[int, int] | None = None,
) -> Iterator[list[Hit]]:
    """Yield the hits of `query` in pages of `page` hits, in any order.

    Each document is read once.

    Parameters
    ----------
    docvalue_fields
        Fields of each hit beside its id.
    part
        Number of a slice, and number of slices, at least two; default: all documents.

    Raises
    ------
    PartialAnswerError
        A shard does not answer.
    """
    sliced = {} if part is None else {"slice": {"id": part[0], "max": part[1]}}

    def ask(after: list[Any] | None) -> dict[str, Any]:
        return cluster.run(
            partial(_page, view=view.id, query=query, after=after, size=page, fields=docvalue_fields, sliced=sliced)
        )

    with ThreadPoolExecutor(1) as ahead:  # The server prepares the next page while the caller works on this page.
        coming = ahead.submit(ask, None)
        while True:
            answer = coming.result()
            require_all_shards("search", view.index, answer)
            hits: list[Hit] = answer["hits"]["hits"]
            if not hits:
                return
            view.id = answer["pit_id"]
            coming = ahead.submit(ask, hits[-1]["sort"])
            yield hits


def _page(
    client: Elasticsearch,
    *,
    view: str,
    query: Mapping[str, Any],
    after: list[Any] | None,
    size: int,
    fields: Sequence[Mapping[str, str]],
    sliced: Mapping[str, Any],
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
        **sliced,
    )
    return dict(answer)
