"""Request bodies of searches, as the retrieval strategy of the column makes them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from lsh_core.builds.mapping import VectorField
from lsh_core.retrieval.query import (
    MAX_RESULTS,
    Filter,
    Path,
    Query,
    Target,
    all_of,
    by_vector,
    excluding,
    request_body,
    source_filter,
)

__all__ = [
    "MAX_RESULTS",
    "Filter",
    "Path",
    "Query",
    "Target",
    "all_of",
    "by_id",
    "by_vector",
    "count_query",
    "exact_query",
    "excluding",
    "id_query",
    "row_query",
    "source_filter",
    "token_query",
]


def by_id(field: VectorField, index: str, identity: str) -> Target:
    """Compare rows with the vector of the stored row `identity`, which the server looks up."""
    return field.strategy.stored_vector(index, identity)


def token_query(
    field: VectorField,
    vector: Sequence[float],
    tokens: Sequence[str],
    *,
    k: int,
    effort: int,
    shards: int,
    query_filter: Filter | None = None,
    fields: Sequence[str] | None = None,
) -> Query:
    """Return the search for the `k` rows nearest to `vector`; see `lsh_core.retrieval.contract.Retrieval.by_vector`."""
    return field.strategy.by_vector(
        vector, tokens, k=k, effort=effort, shards=shards, query_filter=query_filter, fields=fields
    )


def id_query(
    field: VectorField,
    index: str,
    identity: str,
    *,
    k: int,
    effort: int,
    shards: int,
    fields: Sequence[str] | None = None,
) -> Query:
    """Return the search for the `k` rows nearest to the stored row `identity`, without this row."""
    return field.strategy.by_id(index, identity, k=k, effort=effort, shards=shards, fields=fields)


def exact_query(
    field: VectorField,
    target: Target,
    *,
    k: int,
    query_filter: Filter | None = None,
    fields: Sequence[str] | None = (),
) -> Query:
    """Return the search that scores every row that passes the filter: the exact answer."""
    return field.strategy.exact(target, k=k, query_filter=query_filter, fields=fields)


def row_query(field: VectorField, identity: str) -> Query:
    """Return the search for a stored row, with its vector as its only field."""
    body = request_body({"ids": {"values": [identity]}}, 1, ())
    return Query({**body, "_source": {"includes": [field.column], "exclude_vectors": False}}, "exact")


def count_query(query_filter: Filter | None) -> Query:
    """Return the search without hits that says how many rows pass the filter."""
    return Query(request_body(query_filter or {"match_all": {}}, 0, ()), "exact")
