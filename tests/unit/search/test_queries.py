from __future__ import annotations

from typing import Any

import pytest

from lsh_core.retrieval.query import by_vector
from lsh_core.search.queries import count_query, row_query
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field()
TABLES = table_field()
GRAPH = graph_field()
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]


@pytest.mark.parametrize(("query_filter", "query"), [(None, {"match_all": {}}), (FILTER, FILTER)])
def test_rows_are_counted_without_a_hit(query_filter: Any, query: Any) -> None:
    body = count_query(query_filter).body
    assert body == {"query": query, "size": 0, "_source": False, "track_total_hits": True}


def test_a_stored_row_is_read_with_its_vector() -> None:
    body = row_query(LISTS, "r1").body
    assert body["query"] == {"ids": {"values": ["r1"]}}
    assert body["_source"] == {"includes": ["v"], "exclude_vectors": False}


def test_what_is_given_is_not_changed() -> None:
    query_filter = {"term": {"section": "web"}}
    tokens = ["Abcd01"]
    for field in (LISTS, TABLES, GRAPH):
        asked: dict[str, Any] = {"k": 1, "query_filter": query_filter}
        field.strategy.by_vector(VECTOR, tokens, effort=field.strategy.effort(1), shards=1, **asked).body[
            "query"
        ].clear()
        field.strategy.exact(by_vector(VECTOR), **asked).body["query"].clear()
    assert query_filter == FILTER
    assert tokens == ["Abcd01"]
