"""Request bodies of searches. Pure: no I/O.

Four ways. Lists (``ivf``): the rows in the probed lists are a filter, and the server scores exactly those that pass
it. Tables (``hyperplane``, ``subspace``): rows are ranked by how many tokens they share with the query, and the first
`candidates` of them are scored exactly in the same request. Graph (``hnsw``): the server goes
through its own graph. Exact: every row that passes the filter is scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lsh_core.builds.mapping import VectorField, graph_path, near_path, tokens_path
from lsh_core.models.subspace import MAX_PARTS

MAX_RESULTS = 10_000
MATCH_CLAUSE, VECTOR_CLAUSE = "airlsh.match", "airlsh.vector"
"""Names of the clauses that give a hit of a hybrid search its other score."""

Path = Literal["lists", "tables", "graph", "exact", "match"]
Filter = Mapping[str, Any]
Target = Mapping[str, Any]
"""What rows are compared with, as a ``knn`` query names it."""


@dataclass(frozen=True)
class Query:
    """One search.

    Attributes
    ----------
    most_scored
        How many of the rows that match are scored at most; None: all of them.
    hybrid
        Whether each hit tells the scores of the named clauses too, and words count as in all shards together.
    """

    body: Mapping[str, Any]
    path: Path
    most_scored: int | None = None
    hybrid: bool = False


def by_vector(vector: Sequence[float]) -> Target:
    """Compare rows with `vector`."""
    return {"query_vector": list(vector)}


def by_id(field: VectorField, index: str, identity: str) -> Target:
    """Compare rows with the vector of the stored row `identity`, which the server looks up."""
    return {"query_vector_builder": {"lookup": {"index": index, "id": identity, "path": field.column}}}


def all_of(*filters: Filter | None) -> Filter | None:
    """Return the filter that is passed by what passes all those that are not None; None if all are."""
    wanted = [each for each in filters if each is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None
    return {"bool": {"filter": wanted}}


def excluding(identity: str) -> Filter:
    """Return the filter that every row but one passes."""
    return {"bool": {"must_not": [{"ids": {"values": [identity]}}]}}


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
    """Return the search for the `k` nearest rows to `vector` among those that share `tokens`, or by the graph.

    Parameters
    ----------
    effort
        For models of tables: how many candidates are scored exactly, over all shards; the window is per shard. For
        the graph: ``num_candidates``, which the server counts for each shard.
    """
    if field.graph is not None:
        return _graph_query(field, by_vector(vector), query_filter, k=k, effort=effort, fields=fields)
    if field.has_lists:
        listed = {"terms": {tokens_path(field.column): list(tokens)}}
        return Query(_exact_body(field, by_vector(vector), all_of(listed, query_filter), k, fields), "lists")
    shared: dict[str, Any] = {
        "should": [{"term": {tokens_path(field.column): token}} for token in tokens],
        "minimum_should_match": 1,
    }
    if query_filter is not None:
        shared["filter"] = [query_filter]
    return _table_query(field, by_vector(vector), {"bool": shared}, k=k, effort=effort, shards=shards, fields=fields)


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
    """Return the search for the `k` nearest rows to the stored row `identity`, itself left out.

    The server looks up both the vector and where to look for its neighbours: for models of lists the nearest lists that
    are stored with each row, all of them; for ``subspace`` the row's own tokens, which rank rows by ``more_like_this``;
    for the graph it is the vector alone. See `lsh_core.search.effort.can_look_up` for when that is enough.

    Parameters
    ----------
    effort
        For ``subspace`` and the graph, as in `token_query`.
    """
    target = by_id(field, index, identity)
    if field.graph is not None:
        return _graph_query(field, target, excluding(identity), k=k, effort=effort, fields=fields)
    if field.has_lists:
        near = {"index": index, "id": identity, "path": near_path(field.column)}
        listed = {"terms": {tokens_path(field.column): near}}
        return Query(_exact_body(field, target, all_of(listed, excluding(identity)), k, fields), "lists")
    # It would leave out what few rows have, which are the words that tell most, and all but 25 of the others.
    alike = {
        "fields": [tokens_path(field.column)],
        "like": [{"_index": index, "_id": identity}],
        "min_term_freq": 1,
        "min_doc_freq": 1,
        "max_query_terms": MAX_PARTS,
        "minimum_should_match": 1,
    }
    return _table_query(field, target, {"more_like_this": alike}, k=k, effort=effort, shards=shards, fields=fields)


def exact_query(
    field: VectorField,
    target: Target,
    *,
    k: int,
    query_filter: Filter | None = None,
    fields: Sequence[str] | None = (),
) -> Query:
    """Return the search that scores every row that passes the filter: the exact answer."""
    return Query(_exact_body(field, target, query_filter, k, fields), "exact")


def row_query(field: VectorField, identity: str) -> Query:
    """Return the search for a stored row, with its vector as its only field."""
    body = _body({"ids": {"values": [identity]}}, 1, ())
    return Query({**body, "_source": {"includes": [field.column], "exclude_vectors": False}}, "exact")


def count_query(query_filter: Filter | None) -> Query:
    """Return the search that finds nothing, and says how many rows pass the filter."""
    return Query(_body(query_filter or {"match_all": {}}, 0, ()), "exact")


def _graph_query(
    field: VectorField, target: Target, among: Filter | None, *, k: int, effort: int, fields: Sequence[str] | None
) -> Query:
    """Go through the server's graph, which keeps the `effort` nearest rows that it comes to in each shard."""
    knn: dict[str, Any] = {"field": graph_path(field.column), "k": k, "num_candidates": max(k, effort), **target}
    if among is not None:
        knn["filter"] = among
    return Query(_body({"knn": knn}, k, fields), "graph")


def _table_query(
    field: VectorField,
    target: Target,
    shared: Filter,
    *,
    k: int,
    effort: int,
    shards: int,
    fields: Sequence[str] | None,
) -> Query:
    """Rank rows by the tokens that they share, and score the first of them exactly."""
    window = max(math.ceil(effort / shards), k)
    exact = {"field": field.column, "k": window, "num_candidates": window, **target}
    rescored = {
        "window_size": window,
        "query": {"query_weight": 0, "rescore_query_weight": 1, "rescore_query": {"knn": exact}},
    }
    return Query(_body(shared, k, fields) | {"rescore": rescored}, "tables", window * shards)


def _exact_body(
    field: VectorField, target: Target, among: Filter | None, k: int, fields: Sequence[str] | None
) -> dict[str, Any]:
    """Return a knn query; on a flat field it scores every row that passes the filter, exactly."""
    knn: dict[str, Any] = {"field": field.column, "k": k, "num_candidates": k, **target}
    if among is not None:
        knn["filter"] = among
    return _body({"knn": knn}, k, fields)


def _body(query: Filter, k: int, fields: Sequence[str] | None) -> dict[str, Any]:
    return {"query": query, "size": k, "_source": source_filter(fields), "track_total_hits": True}


def source_filter(fields: Sequence[str] | None) -> dict[str, Any] | bool:
    """Return the ``_source`` of a request: the fields asked for, or all but airlsh's own."""
    if fields is None:
        return {"excludes": ["airlsh"]}
    return {"includes": list(fields), "excludes": ["airlsh"]} if fields else False
