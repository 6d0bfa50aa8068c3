from __future__ import annotations

from typing import Any

import pytest

from lsh_core.search.queries import by_id, by_vector, count_query, exact_query, id_query, row_query, token_query
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field()
TABLES = table_field()
GRAPH = graph_field()
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]


@pytest.mark.parametrize("field", [LISTS, TABLES, GRAPH])
def test_the_strategy_of_the_column_makes_the_queries(field: Any) -> None:
    strategy, index = field.strategy, "airlsh-docs-b1"
    named = {"k": 3, "effort": 9, "shards": 2, "fields": ("title",)}
    found = token_query(field, VECTOR, ["Abcd01"], query_filter=FILTER, **named)
    assert found == strategy.by_vector(VECTOR, ["Abcd01"], query_filter=FILTER, **named)
    assert id_query(field, index, "r1", **named) == strategy.by_id(index, "r1", **named)
    target = by_id(field, index, "r1")
    assert target == {"query_vector_builder": {"lookup": {"index": index, "id": "r1", "path": "v"}}}
    assert exact_query(field, target, k=3, query_filter=FILTER) == strategy.exact(target, k=3, query_filter=FILTER)


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
        token_query(field, VECTOR, tokens, k=1, effort=1, shards=1, query_filter=query_filter).body["query"].clear()
        exact_query(field, by_vector(VECTOR), k=1, query_filter=query_filter).body["query"].clear()
    assert query_filter == FILTER
    assert tokens == ["Abcd01"]
