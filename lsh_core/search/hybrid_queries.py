"""Makes request bodies of searches by a vector and words. Pure: no I/O.

One ``_msearch`` holds two searches: the search by vector, unchanged, and the server's own search by words (BM25). A
named clause (``include_named_queries_score``) gives each hit its other score. The clause is part of a filter that all
rows pass, so it does not rank, and is evaluated for returned hits only. A scoring clause would change the last bit of
the vector's scores.

Word statistics cover all shards (``dfs_query_then_fetch``), so that scores of two shards are comparable. The server
collects these statistics for scoring clauses only. So the search by vector repeats the words, as a ``rescore`` of one
row that adds 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lsh_core.builds.mapping import VectorField
from lsh_core.retrieval.query import MAX_RESULTS, Filter, Query, Target, request_body

MATCH_CLAUSE, VECTOR_CLAUSE = "airlsh.match", "airlsh.vector"
"""Names of the clauses that give a hit its other score."""
_MIN_POOL = 100
_POOL_FOR_EACH = 10


def pool_size(k: int) -> int:
    """Return the rows per ranking that compete for `k` ranks: 10 k, at least 100."""
    return min(max(_MIN_POOL, _POOL_FOR_EACH * k), MAX_RESULTS)


def words_query(words: str, fields: Sequence[str]) -> Filter:
    """Return the query for rows with any of `words`; operators are not parsed."""
    if len(fields) == 1:
        return {"match": {fields[0]: {"query": words}}}
    return {"multi_match": {"query": words, "fields": list(fields)}}


def with_words(query: Query, words: Filter, *, pool: int) -> Query:
    """Return a search by vector whose hits also have a score of the words.

    It returns `pool` hits, or all that it ranks.
    """
    pooled = query.pooled(pool)
    body = dict(pooled.body)
    statistics = {
        "window_size": 1,
        "query": {"query_weight": 1, "rescore_query_weight": 0, "rescore_query": words},
    }
    body["query"] = _beside(body["query"], _named(words, MATCH_CLAUSE))
    body["rescore"] = [*([body["rescore"]] if "rescore" in body else []), statistics]
    return replace(pooled, body=body, hybrid=True)


def match_query(
    field: VectorField,
    target: Target,
    words: Filter,
    *,
    pool: int,
    among: Filter | None = None,
    fields: Sequence[str] | None = None,
) -> Query:
    """Return the search for the `pool` best rows by `words`.

    Its hits also have the score of `target`.
    """
    vector = _named(field.strategy.scored(target, k=pool), VECTOR_CLAUSE)
    body = request_body(_beside(words, vector, among), pool, fields)
    return Query(body, "match", pool, hybrid=True)


def _named(query: Filter, name: str) -> Filter:
    """Return the query with a name. In a match, options are one level deeper, beside the text."""
    ((kind, options),) = query.items()
    if kind == "match":
        ((field, inner),) = options.items()
        return {kind: {field: {**inner, "_name": name}}}
    return {kind: {**options, "_name": name}}


def _beside(ranking: Filter, named: Filter, among: Filter | None = None) -> Filter:
    """Return a query for the rows of `ranking` that pass `among`.

    The named query `named` only reports its score.
    """
    passed_by_all = {"bool": {"must": [{"match_all": {}}], "should": [named]}}
    return {"bool": {"must": [ranking], "filter": [passed_by_all, *([among] if among is not None else [])]}}
