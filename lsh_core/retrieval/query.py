"""Parts of search requests that all retrieval strategies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from lsh_core.errors import ServerError

MAX_RESULTS = 10_000
"""Maximum of rows that the server returns, rescores or keeps of a graph (``index.max_result_window``)."""

Path = Literal["lists", "tables", "graph", "exact", "match"]
Filter = Mapping[str, Any]
Hits = Sequence[Mapping[str, Any]]
Target = Mapping[str, Any]
"""Vector to compare rows with, as in a ``knn`` query."""
Vector = Sequence[float] | npt.NDArray[np.float32]
ID_PATH = "airlsh.id"
"""Field with the id of a row in doc values."""


@dataclass(frozen=True)
class Query:
    """One search request with its bounds.

    Attributes
    ----------
    most_scored
        Upper bound of the matching rows that are scored; None: all of them.
    max_hits
        Number of rows that the search ranks per shard; its hits are among them.
    hybrid
        Whether each hit has scores of named clauses, with word statistics over all shards.
    """

    body: Mapping[str, Any]
    path: Path
    most_scored: int | None = None
    max_hits: int = MAX_RESULTS
    hybrid: bool = False

    def pooled(self, pool: int) -> Self:
        """Return the same search for `pool` hits, at most the rows that it ranks."""
        return replace(self, body={**self.body, "size": min(pool, self.max_hits)})

    def ranked(self, hits: Hits, matching: int) -> Hits:
        """Return the hits in the order of the result, with their scores; the server has ranked them."""
        return hits

    def rows_scored(self, matching: int) -> int | None:
        """Return the number of scored rows among `matching`; None if unknown."""
        return min(matching, self.most_scored or matching)


def by_vector(vector: Vector) -> Target:
    """Return the target for `vector`."""
    return {"query_vector": vector}


def by_stored_vector(column: str, index: str, id: str) -> Target:
    """Return the target for the vector of the stored row `id`."""
    return {"query_vector_builder": {"lookup": {"index": index, "id": id, "path": column}}}


def all_of(*filters: Filter | None) -> Filter | None:
    """Return the conjunction of the filters that are not None; None if all are."""
    wanted = [each for each in filters if each is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None
    return {"bool": {"filter": wanted}}


def excluding(id: str) -> Filter:
    """Return the filter that excludes one row."""
    return {"bool": {"must_not": [{"ids": {"values": [id]}}]}}


def request_body(query: Filter, k: int, fields: Sequence[str] | None) -> dict[str, Any]:
    """Return the body of a search for `k` hits with `fields`.

    Without fields, the server reads ids from doc values. Stored fields would cost the decompression of a block of rows
    for each hit. `id_of` reads both kinds of hits.
    """
    body = {"query": query, "size": k, "_source": source_filter(fields), "track_total_hits": True}
    if body["_source"] is False:
        body |= {"stored_fields": "_none_", "docvalue_fields": [ID_PATH]}
    return body


def id_of(hit: Mapping[str, Any]) -> str:
    """Return the id of a hit of `request_body`.

    Raises
    ------
    ServerError
        Another program wrote the row.
    """
    if "_id" in hit:
        return str(hit["_id"])
    try:
        return str(hit["fields"][ID_PATH][0])
    except KeyError:
        reason = f"a row of {hit.get('_index')} has no {ID_PATH}: another program wrote it; delete it, or index again"
        raise ServerError(reason) from None


def source_filter(fields: Sequence[str] | None) -> dict[str, Any] | bool:
    """Return the ``_source`` of a request: `fields`, or all user fields."""
    if fields is None:
        return {"excludes": ["airlsh"]}
    return {"includes": list(fields), "excludes": ["airlsh"]} if fields else False
