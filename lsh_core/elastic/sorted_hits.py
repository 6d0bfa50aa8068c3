"""Reads the documents that match a query in a given order, in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import Hit


def sorted_hits(
    cluster: Cluster,
    index: str,
    query: Mapping[str, Any],
    *,
    sort: Sequence[Mapping[str, str]],
    page: int,
    source_excludes: Sequence[str] | None = None,
) -> Iterator[Hit]:
    """Yield the hits of `query` in the order of `sort`, `page` of them per request.

    Parameters
    ----------
    sort
        Fields whose values never change, and are together the values of one document alone. Otherwise a document at the
        end of a page could be lost or repeated.
    source_excludes
        Fields that are not read; default: none.

    Raises
    ------
    PartialAnswerError
        A shard does not answer.
    """
    after: list[Any] | None = None
    while True:
        hits = cluster.search(
            index, query=query, sort=sort, size=page, search_after=after, source_excludes=source_excludes
        )["hits"]["hits"]
        yield from hits
        if len(hits) < page:
            return
        after = hits[-1]["sort"]
