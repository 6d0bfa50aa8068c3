"""Request bodies of searches. Pure: no I/O.

Two ways, by kind of model. Lists (``ivf``): the rows in the probed lists are a filter, and the server
scores exactly those that pass it. Tables (``hyperplane``): rows are ranked by how many tokens they share
with the query, and the first `candidates` of them are scored exactly in the same request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lsh_core.indexing.mapping import VectorField, near_path, tokens_path

MOST_RESULTS = 10_000


def source_filter(fields: Sequence[str] | None) -> dict[str, Any] | bool:
    """Return the ``_source`` of a request: the fields asked for, or all but airlsh's own."""
    if fields is None:
        return {"excludes": ["airlsh"]}
    return {"includes": list(fields), "excludes": ["airlsh"]} if fields else False


def vector_body(
    field: VectorField,
    vector: Sequence[float],
    tokens: Sequence[str],
    *,
    k: int,
    effort: int,
    shards: int,
    query_filter: Mapping[str, Any] | None = None,
    fields: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the request for the `k` nearest rows to `vector` among those that share `tokens`.

    Parameters
    ----------
    effort
        For models of tables: how many candidates are scored exactly, over all shards; the window is per shard.
    """
    if field.has_lists:
        query = _exact_among(field, {"query_vector": list(vector)}, k, _all_of(_any_token(field, tokens), query_filter))
        return {"query": query, "size": k, "_source": source_filter(fields), "track_total_hits": False}
    window = max(math.ceil(effort / shards), k)
    shared: dict[str, Any] = {
        "should": [{"term": {tokens_path(field.column): token}} for token in tokens],
        "minimum_should_match": 1,
    }
    if query_filter is not None:
        shared["filter"] = [query_filter]
    exact = {"field": field.column, "query_vector": list(vector), "k": window, "num_candidates": window}
    return {
        "query": {"bool": shared},
        "rescore": {
            "window_size": window,
            "query": {"query_weight": 0, "rescore_query_weight": 1, "rescore_query": {"knn": exact}},
        },
        "size": k,
        "_source": source_filter(fields),
        "track_total_hits": False,
    }


def id_body(
    field: VectorField,
    index: str,
    identity: str,
    *,
    k: int,
    query_filter: Mapping[str, Any] | None = None,
    fields: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the request for the `k` nearest rows to the stored row `identity`, itself left out.

    The server looks up both the vector and the tokens: for models of lists the nearest lists that are
    stored with each row, for models of tables the row's own tokens. All rows that share one are scored exactly.
    """
    path = near_path(field.column) if field.has_lists else tokens_path(field.column)
    shared = {"terms": {tokens_path(field.column): {"index": index, "id": identity, "path": path}}}
    query = _exact_among(
        field,
        {"query_vector_builder": {"lookup": {"index": index, "id": identity, "path": field.column}}},
        k,
        {
            "bool": {
                "filter": [shared, *([query_filter] if query_filter is not None else [])],
                "must_not": [{"ids": {"values": [identity]}}],
            }
        },
    )
    return {"query": query, "size": k, "_source": source_filter(fields), "track_total_hits": False}


def exact_body(field: VectorField, vector: Sequence[float], *, k: int) -> dict[str, Any]:
    """Return the request that scores every row: the exact answer."""
    query = _exact_among(field, {"query_vector": list(vector)}, k, None)
    return {"query": query, "size": k, "_source": False, "track_total_hits": False}


def _exact_among(
    field: VectorField, target: Mapping[str, Any], k: int, among: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a knn query; on a flat field it scores every row that passes the filter, exactly."""
    knn: dict[str, Any] = {"field": field.column, "k": k, "num_candidates": k, **target}
    if among is not None:
        knn["filter"] = among
    return {"knn": knn}


def _any_token(field: VectorField, tokens: Sequence[str]) -> dict[str, Any]:
    return {"terms": {tokens_path(field.column): list(tokens)}}


def _all_of(first: dict[str, Any], second: Mapping[str, Any] | None) -> dict[str, Any]:
    return first if second is None else {"bool": {"filter": [first, second]}}
