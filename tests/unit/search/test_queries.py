from __future__ import annotations

from typing import Any

import pytest

from lsh_core.models.subspace import MAX_PARTS
from lsh_core.search.queries import (
    all_of,
    by_id,
    by_vector,
    count_query,
    exact_query,
    excluding,
    id_query,
    row_query,
    source_filter,
    token_query,
)
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field()
TABLES = table_field()
WORDS = table_field(model="subspace")
GRAPH = graph_field()
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]


def test_lists_are_a_filter_and_the_rest_is_exact() -> None:
    query = token_query(LISTS, VECTOR, ["Abcd01", "Abcd07"], k=10, effort=2, shards=3)
    assert query.body == {
        "query": {
            "knn": {
                "field": "v",
                "query_vector": VECTOR,
                "k": 10,
                "num_candidates": 10,
                "filter": {"terms": {"airlsh.tokens.v": ["Abcd01", "Abcd07"]}},
            }
        },
        "size": 10,
        "_source": {"excludes": ["airlsh"]},
        "track_total_hits": True,
    }
    assert (query.path, query.most_scored) == ("lists", None)


def test_a_filter_holds_for_every_row_that_is_scored() -> None:
    body = token_query(LISTS, VECTOR, ["Abcd01"], k=1, effort=1, shards=1, query_filter=FILTER).body
    assert body["query"]["knn"]["filter"] == {"bool": {"filter": [{"terms": {"airlsh.tokens.v": ["Abcd01"]}}, FILTER]}}


def test_tables_rank_by_shared_tokens_and_rescore_exactly() -> None:
    query = token_query(TABLES, VECTOR, ["Abcd01", "Abcd07"], k=10, effort=100, shards=1)
    assert query.body["query"] == {
        "bool": {
            "should": [{"term": {"airlsh.tokens.v": "Abcd01"}}, {"term": {"airlsh.tokens.v": "Abcd07"}}],
            "minimum_should_match": 1,
        }
    }
    assert query.body["rescore"]["window_size"] == 100
    rescore = query.body["rescore"]["query"]
    assert (rescore["query_weight"], rescore["rescore_query_weight"]) == (0, 1)
    assert rescore["rescore_query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 100, "num_candidates": 100}}
    assert query.body["size"] == 10
    assert (query.path, query.most_scored) == ("tables", 100)


@pytest.mark.parametrize(
    ("effort", "shards", "k", "window"),
    [(100, 1, 10, 100), (100, 3, 10, 34), (100, 50, 10, 10), (5, 1, 10, 10), (10_000, 1, 10_000, 10_000), (1, 1, 1, 1)],
)
def test_candidates_are_a_total_and_the_window_is_a_shards(effort: int, shards: int, k: int, window: int) -> None:
    query = token_query(TABLES, VECTOR, ["Abcd01"], k=k, effort=effort, shards=shards)
    assert query.body["rescore"]["window_size"] == window
    assert query.body["rescore"]["query"]["rescore_query"]["knn"]["k"] == window
    assert query.body["size"] == k <= window
    assert query.most_scored == window * shards


def test_a_filter_with_tables_does_not_score() -> None:
    body = token_query(TABLES, VECTOR, ["Abcd01"], k=1, effort=1, shards=1, query_filter=FILTER).body
    assert body["query"]["bool"]["filter"] == [FILTER]
    assert body["query"]["bool"]["minimum_should_match"] == 1  # A filter alone would make the tokens optional.


def test_by_id_the_server_looks_both_up_and_leaves_the_row_out() -> None:
    query = id_query(LISTS, "airlsh-docs-b1", "r1", k=5, effort=7, shards=2)
    knn = query.body["query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert knn["filter"]["bool"]["filter"] == [
        {"terms": {"airlsh.tokens.v": {"index": "airlsh-docs-b1", "id": "r1", "path": "airlsh.near.v"}}},
        {"bool": {"must_not": [{"ids": {"values": ["r1"]}}]}},
    ]
    assert "query_vector" not in knn
    assert query.body["size"] == 5
    assert (query.path, query.most_scored) == ("lists", None)


def test_by_id_words_rank_as_more_like_this_does() -> None:
    query = id_query(WORDS, "airlsh-docs-b1", "r1", k=5, effort=70, shards=2)
    alike = query.body["query"]["more_like_this"]
    assert (alike["fields"], alike["like"]) == (["airlsh.tokens.v"], [{"_index": "airlsh-docs-b1", "_id": "r1"}])
    assert {alike[each] for each in ("min_term_freq", "min_doc_freq", "minimum_should_match")} == {1}
    assert alike["max_query_terms"] >= MAX_PARTS
    knn = query.body["rescore"]["query"]["rescore_query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert query.body["rescore"]["window_size"] == knn["k"] == 35
    assert (query.path, query.most_scored) == ("tables", 70)


def test_a_graph_is_asked_for_as_many_candidates_as_are_wanted() -> None:
    query = token_query(GRAPH, VECTOR, [], k=10, effort=150, shards=3, query_filter=FILTER)
    assert query.body["query"]["knn"] == {
        "field": "airlsh.graph.v",
        "query_vector": VECTOR,
        "k": 10,
        "num_candidates": 150,
        "filter": FILTER,
    }
    assert query.path == "graph"
    assert "filter" not in token_query(GRAPH, VECTOR, [], k=10, effort=150, shards=3).body["query"]["knn"]


def test_a_graph_keeps_at_least_what_is_answered() -> None:
    assert token_query(GRAPH, VECTOR, [], k=200, effort=150, shards=1).body["query"]["knn"]["num_candidates"] == 200


def test_by_id_a_graph_needs_the_vector_alone() -> None:
    query = id_query(GRAPH, "airlsh-docs-b1", "r1", k=5, effort=70, shards=2)
    knn = query.body["query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert (knn["field"], knn["filter"], knn["num_candidates"]) == ("airlsh.graph.v", excluding("r1"), 70)
    assert query.path == "graph"


def test_scans_never_go_by_the_graph() -> None:
    assert exact_query(GRAPH, by_vector(VECTOR), k=7).body == exact_query(LISTS, by_vector(VECTOR), k=7).body


def test_exact_scores_every_row() -> None:
    query = exact_query(LISTS, by_vector(VECTOR), k=7)
    assert query.body["query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 7, "num_candidates": 7}}
    assert query.body["_source"] is False
    assert query.body["size"] == 7
    assert query.path == "exact"


def test_exact_under_a_filter_by_a_stored_vector() -> None:
    target = by_id(LISTS, "i", "r1")
    body = exact_query(LISTS, target, k=7, query_filter=all_of(FILTER, excluding("r1")), fields=None).body
    knn = body["query"]["knn"]
    assert knn["filter"] == {"bool": {"filter": [FILTER, {"bool": {"must_not": [{"ids": {"values": ["r1"]}}]}}]}}
    assert knn["query_vector_builder"]["lookup"]["id"] == "r1"
    assert body["_source"] == {"excludes": ["airlsh"]}


def test_filters_together() -> None:
    assert all_of(None, None) is None
    assert all_of(None, FILTER) == FILTER
    assert all_of(FILTER, excluding("r1"), None) == {"bool": {"filter": [FILTER, excluding("r1")]}}


@pytest.mark.parametrize(("query_filter", "query"), [(None, {"match_all": {}}), (FILTER, FILTER)])
def test_rows_are_counted_without_a_hit(query_filter: Any, query: Any) -> None:
    body = count_query(query_filter).body
    assert body == {"query": query, "size": 0, "_source": False, "track_total_hits": True}


def test_a_stored_row_is_read_with_its_vector() -> None:
    body = row_query(LISTS, "r1").body
    assert body["query"] == {"ids": {"values": ["r1"]}}
    assert body["_source"] == {"includes": ["v"], "exclude_vectors": False}


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        (None, {"excludes": ["airlsh"]}),
        ((), False),
        (("title",), {"includes": ["title"], "excludes": ["airlsh"]}),
        (["*"], {"includes": ["*"], "excludes": ["airlsh"]}),
    ],
)
def test_fields(fields: Any, source: Any) -> None:
    assert source_filter(fields) == source
    assert token_query(LISTS, VECTOR, [], k=1, effort=1, shards=1, fields=fields).body["_source"] == source
    assert id_query(LISTS, "i", "r1", k=1, effort=1, shards=1, fields=fields).body["_source"] == source


def test_what_is_given_is_not_changed() -> None:
    query_filter = {"term": {"section": "web"}}
    tokens = ["Abcd01"]
    for field in (LISTS, TABLES, GRAPH):
        token_query(field, VECTOR, tokens, k=1, effort=1, shards=1, query_filter=query_filter).body["query"].clear()
        exact_query(field, by_vector(VECTOR), k=1, query_filter=query_filter).body["query"].clear()
    assert query_filter == FILTER
    assert tokens == ["Abcd01"]
