"""Request bodies of hybrid searches, by a vector and a text, and what their hits say. Pure: no I/O.

Two searches in one ``_msearch``: that by vector, as it is without a text, and the server's own by text (BM25). Each
hit tells its other score too, by a named clause (``include_named_queries_score``). That clause is in a filter that all
rows pass, so that it neither ranks nor costs anything but for the hits that are returned: a clause that scores, however
little, changes the last bit of the vector's scores.

Words count as they do in all shards together (``dfs_query_then_fetch``), else a text's scores in two shards could not
be compared. The server collects such statistics of the clauses that score only, so the search by vector has the text
once more, as a ``rescore`` of one row that adds 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lsh_core.builds.mapping import VectorField
from lsh_core.models.metrics import distance_from_score
from lsh_core.search.answers import HybridAnswer, HybridNeighbour
from lsh_core.search.queries import MAX_RESULTS, Filter, Query, Target, source_filter

TEXT_CLAUSE, VECTOR_CLAUSE = "airlsh.text", "airlsh.vector"
_SMALLEST_POOL = 100
_POOL_FOR_EACH = 10


def pool_size(k: int) -> int:
    """Return how many rows by vector, and how many by text, compete for `k` places: ten each, 100 or more in all."""
    return min(max(_SMALLEST_POOL, _POOL_FOR_EACH * k), MAX_RESULTS)


def match(text: str, fields: Sequence[str]) -> Filter:
    """Return the query for rows with any word of `text`; it is the value of a ``match``, never parsed for operators."""
    if len(fields) == 1:
        return {"match": {fields[0]: {"query": text}}}
    return {"multi_match": {"query": text, "fields": list(fields)}}


def with_text(query: Query, text: Filter, *, pool: int) -> Query:
    """Return a search by vector whose hits tell their text's score as well, and are `pool` if it ranks so many."""
    pooled = query.pooled(pool)
    body = dict(pooled.body)
    unheard = {
        "window_size": 1,
        "query": {"query_weight": 1, "rescore_query_weight": 0, "rescore_query": text},
    }
    body["query"] = _beside(body["query"], _named(text, TEXT_CLAUSE))
    body["rescore"] = [*([body["rescore"]] if "rescore" in body else []), unheard]
    return replace(pooled, body=body, hybrid=True)


def text_query(
    field: VectorField,
    target: Target,
    text: Filter,
    *,
    pool: int,
    among: Filter | None = None,
    fields: Sequence[str] | None = None,
) -> Query:
    """Return the search for the `pool` best rows by `text`, whose hits tell how near they are to `target` as well."""
    vector = _named(field.strategy.scored(target, k=pool), VECTOR_CLAUSE)
    body = {
        "query": _beside(text, vector, among),
        "size": pool,
        "_source": source_filter(fields),
        "track_total_hits": True,
    }
    return Query(body, "text", pool, hybrid=True)


def read_ranking(found: Mapping[str, Any], query: Query, metric: str, build: str) -> HybridAnswer:
    """Turn the ``hits`` of a response to one of these queries into an answer in the server's order, with its scores."""
    hits, by_text = found["hits"], query.path == "text"
    named = [hit.get("matched_queries", {}) for hit in hits]
    own = [float(hit["_score"]) for hit in hits]
    texts = own if by_text else [float(scores.get(TEXT_CLAUSE, 0.0)) for scores in named]
    vectors = [float(scores[VECTOR_CLAUSE]) for scores in named] if by_text else own
    distances = distance_from_score(np.array(vectors, dtype=np.float64), metric)
    neighbours = [
        HybridNeighbour(rank, hit["_id"], float(distance), score, hit.get("_source", {}), text)
        for rank, (hit, distance, score, text) in enumerate(zip(hits, distances, own, texts, strict=True), start=1)
    ]
    matching = int(found["total"]["value"])
    return HybridAnswer(build, tuple(neighbours), query.path, query.rows_scored(matching))


def _named(query: Filter, name: str) -> Filter:
    """Return the query under a name. The options of a match stand beside its text, one level deeper."""
    ((kind, options),) = query.items()
    if kind == "match":
        ((field, inner),) = options.items()
        return {kind: {field: {**inner, "_name": name}}}
    return {kind: {**options, "_name": name}}


def _beside(ranking: Filter, told: Filter, among: Filter | None = None) -> Filter:
    """Return a query for the rows of `ranking` that pass `among`; `told` is told of them where it matches."""
    passed_by_all = {"bool": {"must": [{"match_all": {}}], "should": [told]}}
    return {"bool": {"must": [ranking], "filter": [passed_by_all, *([among] if among is not None else [])]}}
