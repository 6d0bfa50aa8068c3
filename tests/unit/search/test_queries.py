from __future__ import annotations

from typing import Any

import pytest

from lsh_core.indexing.mapping import VectorField
from lsh_core.search.queries import exact_body, id_body, source_filter, vector_body
from tests.vector_fields import list_field, table_field

LISTS = list_field()
TABLES = table_field()
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]


def test_lists_are_a_filter_and_the_rest_is_exact() -> None:
    body = vector_body(LISTS, VECTOR, ["Abcd01", "Abcd07"], k=10, effort=2, shards=3)
    assert body == {
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
        "track_total_hits": False,
    }


def test_a_filter_holds_for_every_row_that_is_scored() -> None:
    body = vector_body(LISTS, VECTOR, ["Abcd01"], k=1, effort=1, shards=1, query_filter=FILTER)
    assert body["query"]["knn"]["filter"] == {"bool": {"filter": [{"terms": {"airlsh.tokens.v": ["Abcd01"]}}, FILTER]}}


def test_tables_rank_by_shared_tokens_and_rescore_exactly() -> None:
    body = vector_body(TABLES, VECTOR, ["Abcd01", "Abcd07"], k=10, effort=100, shards=1)
    assert body["query"] == {
        "bool": {
            "should": [{"term": {"airlsh.tokens.v": "Abcd01"}}, {"term": {"airlsh.tokens.v": "Abcd07"}}],
            "minimum_should_match": 1,
        }
    }
    assert body["rescore"]["window_size"] == 100
    rescore = body["rescore"]["query"]
    assert (rescore["query_weight"], rescore["rescore_query_weight"]) == (0, 1)
    assert rescore["rescore_query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 100, "num_candidates": 100}}
    assert body["size"] == 10


@pytest.mark.parametrize(
    ("effort", "shards", "k", "window"),
    [(100, 1, 10, 100), (100, 3, 10, 34), (100, 50, 10, 10), (5, 1, 10, 10), (10_000, 1, 10_000, 10_000), (1, 1, 1, 1)],
)
def test_candidates_are_a_total_and_the_window_is_a_shards(effort: int, shards: int, k: int, window: int) -> None:
    body = vector_body(TABLES, VECTOR, ["Abcd01"], k=k, effort=effort, shards=shards)
    assert body["rescore"]["window_size"] == window
    assert body["rescore"]["query"]["rescore_query"]["knn"]["k"] == window
    assert body["size"] == k <= window


def test_a_filter_with_tables_does_not_score() -> None:
    body = vector_body(TABLES, VECTOR, ["Abcd01"], k=1, effort=1, shards=1, query_filter=FILTER)
    assert body["query"]["bool"]["filter"] == [FILTER]
    assert body["query"]["bool"]["minimum_should_match"] == 1  # A filter alone would make the tokens optional.


@pytest.mark.parametrize(("field", "path"), [(LISTS, "airlsh.near.v"), (TABLES, "airlsh.tokens.v")])
def test_by_id_the_server_looks_both_up_and_leaves_the_row_out(field: VectorField, path: str) -> None:
    body = id_body(field, "airlsh-docs-b1", "r1", k=5)
    knn = body["query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert knn["filter"]["bool"]["filter"] == [
        {"terms": {"airlsh.tokens.v": {"index": "airlsh-docs-b1", "id": "r1", "path": path}}}
    ]
    assert knn["filter"]["bool"]["must_not"] == [{"ids": {"values": ["r1"]}}]
    assert "query_vector" not in knn
    assert body["size"] == 5


def test_by_id_with_a_filter() -> None:
    body = id_body(LISTS, "i", "r1", k=5, query_filter=FILTER)
    assert body["query"]["knn"]["filter"]["bool"]["filter"][1:] == [FILTER]


def test_exact_scores_every_row() -> None:
    body = exact_body(LISTS, VECTOR, k=7)
    assert body["query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 7, "num_candidates": 7}}
    assert body["_source"] is False
    assert body["size"] == 7


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
    assert vector_body(LISTS, VECTOR, [], k=1, effort=1, shards=1, fields=fields)["_source"] == source
    assert id_body(LISTS, "i", "r1", k=1, fields=fields)["_source"] == source


def test_what_is_given_is_not_changed() -> None:
    query_filter = {"term": {"section": "web"}}
    tokens = ["Abcd01"]
    for field in (LISTS, TABLES):
        vector_body(field, VECTOR, tokens, k=1, effort=1, shards=1, query_filter=query_filter)["query"].clear()
        id_body(field, "i", "r1", k=1, query_filter=query_filter)["query"].clear()
    assert query_filter == FILTER
    assert tokens == ["Abcd01"]
