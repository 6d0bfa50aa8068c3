"""What a hybrid search sends, and what its hits say."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.search.hybrid import match, pool_size, read_ranking, text_query, with_text
from lsh_core.search.queries import MAX_RESULTS, Query, by_id, by_vector, exact_query, token_query
from tests.fakes.vector_fields import graph_field, list_field, table_field

VECTOR = [1.0, 2.0]
TEXT = match("video +editor", ["title"])
NAMED_TEXT = {"match": {"title": {"query": "video +editor", "_name": "airlsh.text"}}}
TOLD_BY_ALL = {"bool": {"must": [{"match_all": {}}], "should": [NAMED_TEXT]}}


def vector_query(field: Any, *, k: int = 10, effort: int = 300, shards: int = 2) -> Query:
    return token_query(field, VECTOR, ["Abcd01"], k=k, effort=effort, shards=shards)


def test_a_text_is_the_value_of_a_match() -> None:
    assert TEXT == {"match": {"title": {"query": "video +editor"}}}
    assert match("x", ["a", "b"]) == {"multi_match": {"query": "x", "fields": ["a", "b"]}}


@pytest.mark.parametrize(("k", "pool"), [(1, 100), (10, 100), (11, 110), (2_000, MAX_RESULTS)])
def test_how_many_compete(k: int, pool: int) -> None:
    assert pool_size(k) == pool


def test_the_text_neither_ranks_nor_filters_what_is_found_by_vector() -> None:
    plain = vector_query(list_field())
    query = with_text(plain, TEXT, pool=100)
    assert query.body["query"] == {"bool": {"must": [plain.body["query"]], "filter": [TOLD_BY_ALL]}}
    assert query.body["size"] == 100
    assert (query.path, query.most_scored, query.hybrid) == (plain.path, plain.most_scored, True)
    assert plain.body["size"] == 10


def test_words_are_counted_over_all_shards() -> None:
    """By a rescore of one row that adds nothing; statistics are collected of clauses that score only."""
    (rescore,) = with_text(vector_query(list_field()), TEXT, pool=100).body["rescore"]
    weights = {"query_weight": 1, "rescore_query_weight": 0, "rescore_query": TEXT}
    assert rescore == {"window_size": 1, "query": weights}


def test_tables_have_no_more_hits_than_were_ranked_exactly() -> None:
    plain = vector_query(table_field())
    query = with_text(plain, TEXT, pool=100)
    assert query.body["size"] == 100
    assert query.body["rescore"][0] == plain.body["rescore"]
    assert len(query.body["rescore"]) == 2
    narrow = with_text(vector_query(table_field(), effort=40), TEXT, pool=100)
    assert narrow.body["size"] == narrow.body["rescore"][0]["window_size"] == 20


def test_a_graph_is_gone_through_as_without_a_text() -> None:
    plain = vector_query(graph_field(), effort=60)
    query = with_text(plain, TEXT, pool=100)
    (ranking,) = query.body["query"]["bool"]["must"]
    assert ranking == {"knn": {**plain.body["query"]["knn"], "k": 60}}
    assert query.body["size"] == 60
    assert plain.body["query"]["knn"]["k"] == 10


def test_a_scan_tells_the_text_as_well() -> None:
    query = with_text(exact_query(list_field(), by_vector(VECTOR), k=3), TEXT, pool=100)
    assert (query.path, query.body["size"]) == ("exact", 100)


def test_what_is_found_by_text_tells_how_near_it_is() -> None:
    among = {"term": {"section": "web"}}
    target = by_id(list_field(), "airlsh-docs-b1", "r1")
    query = text_query(list_field(), target, TEXT, pool=100, among=among, fields=["title"])
    ranking = query.body["query"]["bool"]
    assert ranking["must"] == [TEXT]
    told, filtered = ranking["filter"]
    knn = {"field": "v", "k": 100, "num_candidates": 100, **target, "_name": "airlsh.vector"}
    assert told == {"bool": {"must": [{"match_all": {}}], "should": [{"knn": knn}]}}
    assert filtered == among
    assert query.body["size"] == 100
    assert query.body["_source"] == {"includes": ["title"], "excludes": ["airlsh"]}
    assert (query.path, query.most_scored, query.hybrid) == ("text", 100, True)


def test_a_graph_is_not_asked_how_near_what_the_text_found_is() -> None:
    query = text_query(graph_field(), by_vector(VECTOR), TEXT, pool=100)
    told = query.body["query"]["bool"]["filter"][0]["bool"]["should"][0]
    assert told["knn"]["field"] == "v"


def found(*hits: dict[str, Any], total: int = 7) -> dict[str, Any]:
    return {"hits": list(hits), "total": {"value": total, "relation": "eq"}}


def test_hits_by_vector() -> None:
    answer = read_ranking(
        found(
            {"_id": "a", "_score": 0.5, "_source": {"title": "A"}, "matched_queries": {"airlsh.text": 3.5}},
            {"_id": "b", "_score": 0.2},
        ),
        Query({}, "lists", hybrid=True),
        "l2",
        "b1",
    )
    first, second = answer.neighbours
    assert (first.rank, first.distance, first.score, first.text_score) == (1, 1.0, 0.5, 3.5)
    assert (second.rank, second.distance, second.score, second.text_score) == (2, 2.0, 0.2, 0.0)
    assert (answer.build, answer.path, answer.scored) == ("b1", "lists", 7)


def test_hits_by_text() -> None:
    hit = {"_id": "a", "_score": 3.5, "matched_queries": {"airlsh.vector": 0.2}}
    answer = read_ranking(found(hit, total=900), Query({}, "text", 100), "l2", "b1")
    (only,) = answer.neighbours
    assert (only.distance, only.score, only.text_score) == (2.0, 3.5, 3.5)
    assert (answer.path, answer.scored) == ("text", 100)


def test_no_hits() -> None:
    assert read_ranking(found(total=0), Query({}, "graph"), "cosine", "b").neighbours == ()
