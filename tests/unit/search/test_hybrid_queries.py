"""Request bodies of hybrid searches."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.retrieval.query import MAX_RESULTS, Query, by_vector
from lsh_core.search.hybrid_queries import match_query, pool_size, with_words, words_query
from tests.fakes.vector_fields import graph_field, list_field, table_field

VECTOR = [1.0, 2.0]
WORDS = words_query("video +editor", ["title"])
NAMED_WORDS = {"match": {"title": {"query": "video +editor", "_name": "airlsh.match"}}}
TOLD_BY_ALL = {"bool": {"must": [{"match_all": {}}], "should": [NAMED_WORDS]}}


def vector_query(field: Any, *, k: int = 10, effort: int = 300, shards: int = 2) -> Query:
    return field.strategy.by_vector(VECTOR, ["Abcd01"], k=k, effort=field.strategy.effort(effort), shards=shards)


def test_words_are_the_value_of_a_match() -> None:
    assert WORDS == {"match": {"title": {"query": "video +editor"}}}
    assert words_query("x", ["a", "b"]) == {"multi_match": {"query": "x", "fields": ["a", "b"]}}


@pytest.mark.parametrize(("k", "pool"), [(1, 100), (10, 100), (11, 110), (2_000, MAX_RESULTS)])
def test_how_many_compete(k: int, pool: int) -> None:
    assert pool_size(k) == pool


def test_the_words_neither_ranks_nor_filters_what_is_found_by_vector() -> None:
    plain = vector_query(list_field())
    query = with_words(plain, WORDS, pool=100)
    assert query.body["query"] == {"bool": {"must": [plain.body["query"]], "filter": [TOLD_BY_ALL]}}
    assert query.body["size"] == 100
    assert (query.path, query.most_scored, query.hybrid) == (plain.path, plain.most_scored, True)
    assert plain.body["size"] == 10


def test_words_are_counted_over_all_shards() -> None:
    """By a rescore of one row that adds nothing; statistics are collected of clauses that score only."""
    (rescore,) = with_words(vector_query(list_field()), WORDS, pool=100).body["rescore"]
    weights = {"query_weight": 1, "rescore_query_weight": 0, "rescore_query": WORDS}
    assert rescore == {"window_size": 1, "query": weights}


def test_tables_have_no_more_hits_than_were_ranked_exactly() -> None:
    plain = vector_query(table_field())
    query = with_words(plain, WORDS, pool=100)
    assert query.body["size"] == 100
    assert query.body["rescore"][0] == plain.body["rescore"]
    assert len(query.body["rescore"]) == 2
    narrow = with_words(vector_query(table_field(), effort=40), WORDS, pool=100)
    assert narrow.body["size"] == narrow.body["rescore"][0]["window_size"] == 20


def test_a_graph_is_gone_through_as_without_words() -> None:
    plain = vector_query(graph_field(), effort=60)
    query = with_words(plain, WORDS, pool=100)
    (ranking,) = query.body["query"]["bool"]["must"]
    assert ranking == {"knn": {**plain.body["query"]["knn"], "k": 60}}
    assert query.body["size"] == 60
    assert plain.body["query"]["knn"]["k"] == 10


def test_a_scan_has_the_score_of_the_words() -> None:
    query = with_words(list_field().strategy.exact(by_vector(VECTOR), k=3), WORDS, pool=100)
    assert (query.path, query.body["size"]) == ("exact", 100)


def test_what_is_found_by_words_tells_how_near_it_is() -> None:
    among = {"term": {"section": "web"}}
    target = list_field().strategy.stored_vector("airlsh-docs-b1", "r1")
    query = match_query(list_field(), target, WORDS, pool=100, among=among, fields=["title"])
    ranking = query.body["query"]["bool"]
    assert ranking["must"] == [WORDS]
    told, filtered = ranking["filter"]
    knn = {"field": "v", "k": 100, "num_candidates": 100, **target, "_name": "airlsh.vector"}
    assert told == {"bool": {"must": [{"match_all": {}}], "should": [{"knn": knn}]}}
    assert filtered == among
    assert query.body["size"] == 100
    assert query.body["_source"] == {"includes": ["title"], "excludes": ["airlsh"]}
    assert (query.path, query.most_scored, query.hybrid) == ("match", 100, True)


def test_a_graph_is_not_asked_how_near_what_the_words_found_is() -> None:
    query = match_query(graph_field(), by_vector(VECTOR), WORDS, pool=100)
    told = query.body["query"]["bool"]["filter"][0]["bool"]["should"][0]
    assert told["knn"]["field"] == "v"
