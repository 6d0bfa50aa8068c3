"""Makes request bodies that do not depend on the retrieval strategy. Pure: no I/O."""

from __future__ import annotations

from lsh_core.builds.mapping import VectorField
from lsh_core.retrieval.query import Filter, Query, request_body


def row_query(field: VectorField, id: str) -> Query:
    """Return the search for a stored row, with its vector as its only field."""
    body = request_body({"ids": {"values": [id]}}, 1, ())
    return Query({**body, "_source": {"includes": [field.column], "exclude_vectors": False}}, "exact")


def count_query(query_filter: Filter | None) -> Query:
    """Return the search without hits that counts the rows that pass the filter."""
    return Query(request_body(query_filter or {"match_all": {}}, 0, ()), "exact")
