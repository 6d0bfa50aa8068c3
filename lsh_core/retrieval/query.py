"""Parts of search requests that all retrieval strategies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

MAX_RESULTS = 10_000
"""Rows that the server returns, rescores or keeps of a graph (``index.max_result_window``)."""

Path = Literal["lists", "tables", "graph", "exact", "match"]
Filter = Mapping[str, Any]
Target = Mapping[str, Any]
"""Vector that rows are compared with, as a ``knn`` query names it."""


@dataclass(frozen=True)
class Query:
    """One search.

    Attributes
    ----------
    most_scored
        Upper bound of the matching rows that are scored; None: all of them.
    max_hits
        Rows that the search ranks in each shard: no row beyond them may be among its hits.
    hybrid
        Whether each hit has the scores of the named clauses too, and words are counted over all shards.
    """

    body: Mapping[str, Any]
    path: Path
    most_scored: int | None = None
    max_hits: int = MAX_RESULTS
    hybrid: bool = False

    def pooled(self, pool: int) -> Self:
        """Return the same search for `pool` hits, or for as many as it ranks."""
        return replace(self, body={**self.body, "size": min(pool, self.max_hits)})

    def rows_scored(self, matching: int) -> int | None:
        """Return how many of the `matching` rows were scored; None where the server does not tell."""
        return min(matching, self.most_scored or matching)


def by_vector(vector: Sequence[float]) -> Target:
    """Compare rows with `vector`."""
    return {"query_vector": list(vector)}


def by_stored_vector(column: str, index: str, identity: str) -> Target:
    """Compare rows with the vector of the stored row `identity`, which the server looks up."""
    return {"query_vector_builder": {"lookup": {"index": index, "id": identity, "path": column}}}


def all_of(*filters: Filter | None) -> Filter | None:
    """Return the conjunction of the filters that are not None; None if all are."""
    wanted = [each for each in filters if each is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None
    return {"bool": {"filter": wanted}}


def excluding(identity: str) -> Filter:
    """Return the filter that every row but one passes."""
    return {"bool": {"must_not": [{"ids": {"values": [identity]}}]}}


def request_body(query: Filter, k: int, fields: Sequence[str] | None) -> dict[str, Any]:
    """Return the body of a search for `k` hits with `fields`."""
    return {"query": query, "size": k, "_source": source_filter(fields), "track_total_hits": True}


def source_filter(fields: Sequence[str] | None) -> dict[str, Any] | bool:
    """Return the ``_source`` of a request: `fields`, or all fields but those of airlsh."""
    if fields is None:
        return {"excludes": ["airlsh"]}
    return {"includes": list(fields), "excludes": ["airlsh"]} if fields else False
